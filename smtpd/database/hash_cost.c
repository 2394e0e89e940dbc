#include "hash_cost.h"

#include <string.h>

static const char digits[] = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/* The number before the next '$', which must not exceed this. */
static bool is_at_most(struct slice text, uint64_t most)
{
    struct slice written = slice_until(text, '$');
    uint64_t number;

    return written.len < text.len && slice_number(written, &number) && number <= most;
}

/* Takes one digit of base 64 off the front. -1: there is no digit. */
static int take_digit(struct slice *text)
{
    const char *digit = text->len == 0 ? NULL : memchr(digits, *text->at, sizeof digits - 1);

    if (digit == NULL)
        return -1;
    *text = slice_from(*text, 1);
    return (int)(digit - digits);
}

/* A number of so many digits, the least significant one first. */
static bool take_fixed(struct slice *text, int len, uint64_t *number)
{
    *number = 0;
    for (int i = 0; i < len; i++) {
        int digit = take_digit(text);
        if (digit < 0)
            return false;
        *number |= (uint64_t)digit << 6 * i;
    }
    return true;
}

/*
 * A number as yescrypt writes it: the first digit tells how many follow. 0 to 47 stand for
 * themselves; each further class has half as many first digits as are left, and one digit more, of
 * six bits, the most significant one first. Numbers of a class begin where those of the last end.
 */
static bool take_variable(struct slice *text, uint64_t *number)
{
    uint64_t first = 0, end = 47;
    int more = 0, digit = take_digit(text);

    *number = 0;
    if (digit < 0)
        return false;
    while ((uint64_t)digit > end) {
        *number += (end + 1 - first) << 6 * more++;
        first = end + 1;
        end = first + (62 - end) / 2;
    }
    *number += ((uint64_t)digit - first) << 6 * more;
    while (more-- > 0) {
        digit = take_digit(text);
        if (digit < 0)
            return false;
        *number += (uint64_t)digit << 6 * more;
    }
    return true;
}

/* scrypt works on 128 * N * r bytes, p times; what yescrypt calls t adds about as much each time.
 * Every factor is below 2^37, so that none overflows. */
static bool fits_memory(uint64_t log2_n, uint64_t r, uint64_t p, uint64_t t)
{
    uint64_t left = log2_n > 30 ? 0 : (uint64_t)HASH_MEMORY_MAX / 128 >> log2_n;

    return r > 0 && p > 0 && r <= left && p <= left / r && t < left / r / p;
}

static bool scrypt_fits(struct slice text)
{
    uint64_t log2_n, r, p;

    return take_fixed(&text, 1, &log2_n) && take_fixed(&text, 5, &r) && take_fixed(&text, 5, &p) &&
           fits_memory(log2_n, r, p, 0);
}

/* FLAVOUR, N and r; then which of p, t, g and a ROM follow: the last two crypt(3) does not take. */
static bool yescrypt_fits(struct slice text)
{
    enum { HAS_P = 1, HAS_T = 2, HAS_KNOWN = HAS_P | HAS_T };
    uint64_t flavour, log2_n, r, has = 0, p = 1, t = 0;

    if (!take_variable(&text, &flavour) || !take_variable(&text, &log2_n) ||
        !take_variable(&text, &r) || text.len == 0)
        return false;
    if (*text.at != '$' && (!take_variable(&text, &has) || (++has & ~(uint64_t)HAS_KNOWN) != 0))
        return false;
    if ((has & HAS_P) && (!take_variable(&text, &p) || (p += 2) > HASH_MEMORY_MAX))
        return false;
    if ((has & HAS_T) && (!take_variable(&text, &t) || (t += 1) > HASH_MEMORY_MAX))
        return false;
    return text.len > 0 && *text.at == '$' && fits_memory(log2_n + 1, r + 1, p, t);
}

static bool rounds_fit(struct slice text)
{
    return !slice_begins(text, "rounds=") ||
           is_at_most(slice_from(text, strlen("rounds=")), HASH_ROUNDS_MAX);
}

static bool sha1_fits(struct slice text)
{
    return is_at_most(text, HASH_ROUNDS_SHA1_MAX);
}

/* crypt(3) reads the rounds after "$md5," and after "$md5$" alike. */
static bool sun_fits(struct slice text)
{
    return !slice_begins(text, "rounds=") ||
           is_at_most(slice_from(text, strlen("rounds=")), HASH_ROUNDS_SUN_MAX);
}

static bool bcrypt_fits(struct slice text)
{
    return is_at_most(text, HASH_COST_BCRYPT_MAX);
}

static bool bsdi_fits(struct slice text)
{
    uint64_t rounds;

    return take_fixed(&text, 4, &rounds) && rounds <= HASH_ROUNDS_MAX;
}

#define SET_ANEW                                                                                   \
    " (it would take too long to check): set a new password with `mailslot-user passwd`"
#define MEMORY " hash may need up to 128 MiB, which is cost 8" SET_ANEW
#define BCRYPT_WRONG "a bcrypt hash may have a cost of up to 14" SET_ANEW
#define ROUNDS(kind, most) "a " kind " hash may have up to " most " rounds" SET_ANEW

/* The first prefix that fits counts. Without fits(): the kind has one cost. */
static const struct bound {
    const char *prefix;
    bool (*fits)(struct slice rest);
    const char *wrong;
} bounds[] = {
    {"$y$", yescrypt_fits, "a yescrypt" MEMORY},
    {"$gy$", yescrypt_fits, "a gost-yescrypt" MEMORY},
    {"$7$", scrypt_fits, "a scrypt" MEMORY},
    {"$2a$", bcrypt_fits, BCRYPT_WRONG},
    {"$2b$", bcrypt_fits, BCRYPT_WRONG},
    {"$2x$", bcrypt_fits, BCRYPT_WRONG},
    {"$2y$", bcrypt_fits, BCRYPT_WRONG},
    {"$6$", rounds_fit, ROUNDS("sha512crypt", "1000000")},
    {"$5$", rounds_fit, ROUNDS("sha256crypt", "1000000")},
    {"$sha1$", sha1_fits, ROUNDS("sha1crypt", "600000")},
    {"$md5$", sun_fits, ROUNDS("SunMD5", "500000")},
    {"$md5,", sun_fits, ROUNDS("SunMD5", "500000")},
    {"$1$", NULL, NULL},
    {"_", bsdi_fits, ROUNDS("bsdicrypt", "1000000")},
};

const char *hash_cost_wrong(struct slice hash)
{
    for (size_t i = 0; i < sizeof bounds / sizeof bounds[0]; i++) {
        if (!slice_begins(hash, bounds[i].prefix))
            continue;
        bool fits =
            bounds[i].fits == NULL || bounds[i].fits(slice_from(hash, strlen(bounds[i].prefix)));
        return fits ? NULL : bounds[i].wrong;
    }
    /* descrypt */
    return hash.len > 0 && *hash.at == '$' ? "a kind of hash whose cost is not known here" : NULL;
}
