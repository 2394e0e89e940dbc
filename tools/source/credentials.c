#include "credentials.h"

#include "../../smtpd/base/base64.h"
#include "../../smtpd/database/hash_cost.h"
#include "../../smtpd/database/record.h"
#include "hash.h"

#include <string.h>

#define SET_ANEW ": set a new password with `mailslot-user passwd`"

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

static const char *parse_hash(struct slice text, bool des, struct credentials *credentials)
{
    if (text.len == 0 || (*text.at != '$' && !des))
        return "not a crypt(3) hash ($...$...); a password is not written here in plain text: set "
               "it with `mailslot-user passwd`";
    if (slice_begins(text, "$3$"))
        return "an NT hash has no salt, and is as good as plain text" SET_ANEW;
    if (hash_setting(text).at == NULL)
        return "a kind of hash that is not known here (mailslot-users(5) has them)" SET_ANEW;
    if (!hash_is_whole(text))
        return "the hash is damaged or cut short" SET_ANEW;
    const char *costly = hash_cost_wrong(text);
    if (costly != NULL)
        return costly;
    if (credentials->hash.len > 0)
        return "two crypt(3) hashes: keep one of them";
    credentials->hash = text;
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

struct slice credentials_iterations(struct slice verifier)
{
    return cut(&verifier);
}

static const char *parse_verifier(struct slice text, struct credentials *credentials)
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
    if (number < CREDENTIALS_ITERATIONS_MIN || number > SCRAM_ITERATIONS_MAX)
        return "a SCRAM verifier has 4096 to 1000000 iterations" SET_ANEW;
    if (base64_decode(salt.at, salt.len, bytes, sizeof bytes) < CREDENTIALS_SALT_MIN)
        return "the salt of a SCRAM verifier is 8 to 64 bytes in base64" SET_ANEW;
    if (credentials->verifiers_len == SCRAM_VERIFIERS)
        return "more than two SCRAM verifiers: a password has two forms at most" SET_ANEW;
    if (credentials->verifiers_len > 0 &&
        (credentials->verifiers[0].len < common ||
         memcmp(credentials->verifiers[0].at, text.at, common) != 0))
        return "two SCRAM verifiers of one user must have the same iterations and salt" SET_ANEW;
    credentials->verifiers[credentials->verifiers_len++] = text;
    return NULL;
}

static const char *parse_one(struct slice text, struct credentials *credentials)
{
    if (*text.at != '{')
        return parse_hash(text, false, credentials);
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
        size_t len = strlen(schemes[i].name);
        if (text.len < len || strncasecmp(text.at, schemes[i].name, len) != 0)
            continue;
        return schemes[i].scram ? parse_verifier(behind(text, len), credentials)
                                : parse_hash(behind(text, len), schemes[i].des, credentials);
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

const char *credentials_parse(struct slice field, struct credentials *credentials)
{
    struct slice rest = slice_trim(field);
    const char *wrong = NULL;

    *credentials = (struct credentials){.hash = {rest.at, 0}};
    if (rest.len > 0 && *rest.at == '!') {
        credentials->locked = true;
        rest = slice_trim(behind(rest, 1));
    }
    while (wrong == NULL && rest.len > 0) {
        size_t len = word_len(rest);
        wrong = parse_one((struct slice){rest.at, len}, credentials);
        rest = slice_trim(behind(rest, len));
    }
    return wrong;
}

bool credentials_is_empty(const struct credentials *credentials)
{
    return credentials->hash.len == 0 && credentials->verifiers_len == 0;
}
