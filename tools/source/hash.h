/*
 * hash: one hash of a password as crypt(3) makes it: of which kind it is, and whether it is whole.
 * What it costs to check is in hash_cost.h. Pure.
 */
#ifndef MAILSLOT_HASH_H
#define MAILSLOT_HASH_H

#include "../../smtpd/base/slice.h"

#include <stdbool.h>

/* Its kind, as crypt(5) names it, or "unknown". */
const char *hash_kind(struct slice hash);

/* Kind and cost: everything before the salt. At NULL: of no known kind. */
struct slice hash_setting(struct slice hash);

/* Is nothing damaged or cut off? */
bool hash_is_whole(struct slice hash);

#endif
