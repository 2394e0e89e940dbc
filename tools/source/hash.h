/*
 * hash: a hash of a password by crypt(3): its kind, and whether it is complete. The cost of
 * checking it is in hash_cost.h. Pure.
 */
#ifndef MAILSLOT_HASH_H
#define MAILSLOT_HASH_H

#include "../../smtpd/base/slice.h"

#include <stdbool.h>

/* Its kind, as crypt(5) names it, or "unknown". */
const char *hash_kind(struct slice hash);

/* Kind and cost: everything before the salt. `at` is NULL if the kind is not known. */
struct slice hash_setting(struct slice hash);

/* Does it have the right form and length? */
bool hash_is_whole(struct slice hash);

#endif
