#include "hash.h"

#include "../../smtpd/base/base64.h"
#include "../../smtpd/database/hash_cost.h"
#include "../../smtpd/database/record.h"

#include <ctype.h>
#include <string.h>

#define SET_ANEW ": set a new password with `mailslot-user passwd`"

/* How a kind writes its cost, between prefix and salt. */
enum cost {
    COST_NONE,
    COST_FIELD,  /* all up to the next '$' */
    COST_ROUNDS, /* the same, if it begins with `rounds=` */
    COST_SCRYPT, /* 11 characters */
    COST_BSDI,   /* 4 characters */
};

/* last_len: the length of what stands behind the last '$', or behind the cost where no '$' follows
 * it; so that a hash cut short is found now and not by the user who cannot log in. */
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

/* Dovecot's names for what crypt(3) can check, and for SCRAM. */
static const struct scheme {
    const char *name;
    bool des;   /* a hash without a '$' may follow */
    bool scram; /* a verifier follows */
} schemes[] = {
    {"{SCRAM-SHA-256}", false, true}, /* the first, because most have it */
    {"{CRYPT}", true, false},         {"{DES-CRYPT}", true, false},
    {"{BLF-CRYPT}", false, false},    {"{SHA512-CRYPT}", false, false},
    {"{SHA256-CRYPT}", false, false}, {"{MD5-CRYPT}", false, false},
};

static struct slice behind(struct slice text, size_t len)
{
    return (struct slice){text.at + len, text.len - len};
}

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
    struct slice rest = behind(text, len);
    const char *dollar = memchr(rest.at, '$', rest.len);
    if (kind->cost == COST_FIELD || (kind->cost == COST_ROUNDS && slice_begins(rest, "rounds=")))
        len += dollar == NULL ? rest.len : (size_t)(dollar - rest.at) + 1;
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

static bool is_whole(struct slice text)
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

static const char *parse_hash(struct slice text, bool des, struct hash *hash)
{
    if (text.len == 0 || (*text.at != '$' && !des))
        return "not a crypt(3) hash ($...$...); a password is not written here in plain text: set "
               "it with `mailslot-user passwd`";
    if (slice_begins(text, "$3$"))
        return "an NT hash has no salt, and is as good as plain text" SET_ANEW;
    if (find_kind(text) == NULL)
        return "a kind of hash that is not known here (mailslot-users(5) has them)" SET_ANEW;
    if (!is_whole(text))
        return "the hash is damaged or cut short" SET_ANEW;
    const char *costly = hash_cost_wrong(text);
    if (costly != NULL)
        return costly;
    if (hash->text.len > 0)
        return "two crypt(3) hashes: keep one of them";
    hash->text = text;
    return NULL;
}

/* Cuts `what,` off the front of *rest; the last one has no comma behind it. */
static struct slice cut(struct slice *rest)
{
    const char *comma = memchr(rest->at, ',', rest->len);
    struct slice part = {rest->at, comma == NULL ? rest->len : (size_t)(comma - rest->at)};

    *rest = behind(*rest, part.len + (comma != NULL));
    return part;
}

struct slice hash_iterations(struct slice verifier)
{
    return cut(&verifier);
}

static const char *parse_verifier(struct slice text, struct hash *hash)
{
    char bytes[SCRAM_SALT_MAX];
    struct slice rest = text;
    struct slice iterations = cut(&rest), salt = cut(&rest), stored = cut(&rest);
    size_t common = (size_t)(stored.at - text.at); /* with the comma behind the salt */
    uint64_t number;

    if (!record_number(iterations, &number) || *iterations.at == '0' ||
        base64_decode(stored.at, stored.len, bytes, sizeof bytes) != SCRAM_KEY_LEN ||
        base64_decode(rest.at, rest.len, bytes, sizeof bytes) != SCRAM_KEY_LEN)
        return "the SCRAM verifier is damaged or cut short (it is ITERATIONS,SALT,STOREDKEY,"
               "SERVERKEY, the keys 32 bytes in base64)" SET_ANEW;
    if (number < HASH_ITERATIONS_MIN || number > SCRAM_ITERATIONS_MAX)
        return "a SCRAM verifier has 4096 to 1000000 iterations" SET_ANEW;
    if (base64_decode(salt.at, salt.len, bytes, sizeof bytes) < HASH_SALT_MIN)
        return "the salt of a SCRAM verifier is 8 to 64 bytes in base64" SET_ANEW;
    if (hash->verifiers_len == SCRAM_VERIFIERS)
        return "more than two SCRAM verifiers: a password has two forms at most" SET_ANEW;
    if (hash->verifiers_len > 0 &&
        (hash->verifiers[0].len < common || memcmp(hash->verifiers[0].at, text.at, common) != 0))
        return "two SCRAM verifiers of one user must have the same iterations and salt" SET_ANEW;
    hash->verifiers[hash->verifiers_len++] = text;
    return NULL;
}

static const char *parse_one(struct slice text, struct hash *hash)
{
    if (*text.at != '{')
        return parse_hash(text, false, hash);
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
        size_t len = strlen(schemes[i].name);
        if (text.len < len || strncasecmp(text.at, schemes[i].name, len) != 0)
            continue;
        return schemes[i].scram ? parse_verifier(behind(text, len), hash)
                                : parse_hash(behind(text, len), schemes[i].des, hash);
    }
    return "this {SCHEME} is no kind of crypt(3), nor SCRAM-SHA-256" SET_ANEW;
}

/* Up to the first blank. */
static size_t word_len(struct slice text)
{
    const char *space = memchr(text.at, ' ', text.len);
    size_t len = space == NULL ? text.len : (size_t)(space - text.at);
    const char *tab = memchr(text.at, '\t', len);

    return tab == NULL ? len : (size_t)(tab - text.at);
}

const char *hash_parse(struct slice field, struct hash *hash)
{
    struct slice rest = slice_trim(field);
    const char *wrong = NULL;

    *hash = (struct hash){.text = {rest.at, 0}};
    if (rest.len > 0 && *rest.at == '!') {
        hash->locked = true;
        rest = slice_trim(behind(rest, 1));
    }
    while (wrong == NULL && rest.len > 0) {
        size_t len = word_len(rest);
        wrong = parse_one((struct slice){rest.at, len}, hash);
        rest = slice_trim(behind(rest, len));
    }
    return wrong;
}

bool hash_is_empty(const struct hash *hash)
{
    return hash->text.len == 0 && hash->verifiers_len == 0;
}
