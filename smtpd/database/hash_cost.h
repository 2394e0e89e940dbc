/*
 * hash_cost: how much work a hash of crypt(3) may ask for. Pure.
 *
 * A hash names its own cost, so one line of text could keep a processor busy for hours: 999999999
 * rounds of sha512crypt take eleven minutes, bcrypt at cost 31 takes a day and a half, yescrypt can
 * ask for more memory than there is. The tools refuse what exceeds these bounds, and the server
 * does not check a password against it, whoever made the database.
 *
 * The bounds allow what other systems make by default, and about one second on the machine where
 * they were measured (x86-64, 2026), in seconds: sha512crypt 0.7, sha256crypt 0.8, sha1crypt 1.0,
 * SunMD5 0.9, bsdicrypt 0.2, bcrypt 1.1, scrypt 0.4, yescrypt and gost-yescrypt 0.35.
 */
#ifndef MAILSLOT_HASH_COST_H
#define MAILSLOT_HASH_COST_H

#include "../base/slice.h"

enum {
    HASH_ROUNDS_MAX = 1000000,     /* sha512crypt, sha256crypt, bsdicrypt */
    HASH_ROUNDS_SHA1_MAX = 600000, /* sha1crypt */
    HASH_ROUNDS_SUN_MAX = 500000,  /* SunMD5 */
    HASH_COST_BCRYPT_MAX = 14,
    HASH_MEMORY_MAX = 128 << 20, /* bytes: scrypt, yescrypt, gost-yescrypt: their cost 8 */
};

/* Is the cost of this hash, or of its setting, within the bounds? NULL: it is. Else what is
 * wrong, as a static string, also for a kind that is not known here or a cost that is damaged. */
const char *hash_cost_wrong(struct slice hash);

#endif
