#include "hash.h"

#include <crypt.h>
#include <ctype.h>
#include <string.h>

/* How a kind writes its cost, between prefix and salt. */
enum cost {
    COST_NONE,
    COST_FIELD,  /* all up to the next '$' */
    COST_ROUNDS, /* the same, if it begins with `rounds=` */
    COST_SCRYPT, /* 11 characters */
    COST_BSDI,   /* 4 characters */
};

/* last_len: the length of what follows the last '$', or the cost where no '$' follows it. It shows
 * that a hash was cut short before a user finds out by failing to log in. */
static const struct kind {
    const char *prefix;
    const char *name;
    enum cost cost;
    bool dollar; /* between salt and hash */
    size_t last_len;
} kinds[] = {
    {"$y$", "yescrypt", COST_FIELD, true, 43},
    {"$gy$", "gost-yescrypt", COST_FIELD, true, 43},
    {"$7$", "scrypt", COST_SCRYPT, true, 43},
    {"$2a$", "bcrypt", COST_FIELD, false, 53},
    {"$2b$", "bcrypt", COST_FIELD, false, 53},
    {"$2x$", "bcrypt", COST_FIELD, false, 53},
    {"$2y$", "bcrypt", COST_FIELD, false, 53},
    {"$6$", "sha512crypt", COST_ROUNDS, true, 86},
    {"$5$", "sha256crypt", COST_ROUNDS, true, 43},
    {"$sha1$", "sha1crypt", COST_FIELD, true, 28},
    {"$md5$", "SunMD5", COST_ROUNDS, true, 22},
    {"$md5,", "SunMD5", COST_FIELD, true, 22},
    {"$1$", "md5crypt", COST_NONE, true, 22},
    /* Without a '$': these two can only be told from other text where a {SCHEME} says so. */
    {"_", "bsdicrypt", COST_BSDI, false, 15},
    {"", "descrypt", COST_NONE, false, 13},
};

static const struct kind *find_kind(struct slice text)
{
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (slice_begins(text, kinds[i].prefix) &&
            (*kinds[i].prefix != '\0' || (text.len == 13 && *text.at != '$')))
            return &kinds[i];
    return NULL;
}

const char *hash_kind(struct slice text)
{
    const struct kind *kind = find_kind(text);

    return kind == NULL ? "unknown" : kind->name;
}

struct slice hash_setting(struct slice text)
{
    const struct kind *kind = find_kind(text);

    if (kind == NULL)
        return (struct slice){0};
    size_t len = strlen(kind->prefix);
    struct slice rest = slice_from(text, len);
    if (kind->cost == COST_FIELD || (kind->cost == COST_ROUNDS && slice_begins(rest, "rounds=")))
        len += slice_until(rest, '$').len + 1;
    else if (kind->cost == COST_SCRYPT || kind->cost == COST_BSDI)
        len += kind->cost == COST_SCRYPT ? 11 : 4;
    return (struct slice){text.at, len < text.len ? len : text.len};
}

static bool all_digits(const char *text)
{
    while (isalnum((unsigned char)*text) || *text == '.' || *text == '/')
        text++;
    return *text == '\0';
}

bool hash_is_whole(struct slice text)
{
    const struct kind *kind = find_kind(text);
    char copy[CRYPT_OUTPUT_SIZE];

    if (kind == NULL || text.len >= sizeof copy)
        return false;
    memcpy(copy, text.at, text.len);
    copy[text.len] = '\0';
    int salt = crypt_checksalt(copy);
    const char *last = copy + hash_setting(text).len, *dollar = strrchr(last, '$');
    if (dollar != NULL)
        last = dollar + 1;
    bool whole =
        (dollar != NULL) == kind->dollar && strlen(last) == kind->last_len && all_digits(last);
    explicit_bzero(copy, sizeof copy);
    return whole && (salt == CRYPT_SALT_OK || salt == CRYPT_SALT_METHOD_LEGACY ||
                     salt == CRYPT_SALT_TOO_CHEAP);
}
