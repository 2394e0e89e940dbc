#include "credentials.h"

#include "../../smtpd/database/hash_cost.h"
#include "hash.h"

#include <string.h>

#define SET_ANEW ": set a new password with `mailslot-user passwd`"

/* Dovecot's names for the hashes that crypt(3) can check, and for SCRAM. */
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

static const char *parse_hash(struct slice text, bool des, struct credentials *credentials)
{
    if (text.len == 0 || (*text.at != '$' && !des))
        return "not a crypt(3) hash ($...$...); do not write the password itself here: set it with "
               "`mailslot-user passwd`";
    if (slice_begins(text, "$3$"))
        return "an NT hash has no salt, so it protects no better than plain text" SET_ANEW;
    if (hash_setting(text).at == NULL)
        return "an unknown kind of hash (mailslot-users(5) lists the known ones)" SET_ANEW;
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

static bool has_same_salt(struct slice text, const struct scram_verifier *verifier)
{
    struct scram_verifier other;

    return scram_verifier_parse(text, &other) && other.iterations == verifier->iterations &&
           other.salt_len == verifier->salt_len &&
           memcmp(other.salt, verifier->salt, other.salt_len) == 0;
}

static const char *parse_verifier(struct slice text, struct credentials *credentials)
{
    struct scram_verifier verifier;

    if (!scram_verifier_parse(text, &verifier))
        return "the SCRAM verifier is damaged or cut short (it is ITERATIONS,SALT,STOREDKEY,"
               "SERVERKEY, the keys 32 bytes in base64)" SET_ANEW;
    if (verifier.iterations < CREDENTIALS_ITERATIONS_MIN ||
        verifier.iterations > SCRAM_ITERATIONS_MAX)
        return "a SCRAM verifier has 4096 to 1000000 iterations" SET_ANEW;
    if (verifier.salt_len < CREDENTIALS_SALT_MIN)
        return "the salt of a SCRAM verifier is 8 to 64 bytes in base64" SET_ANEW;
    if (credentials->verifiers_len == SCRAM_VERIFIERS)
        return "more than two SCRAM verifiers: a password has two forms at most" SET_ANEW;
    if (credentials->verifiers_len > 0 && !has_same_salt(credentials->verifiers[0], &verifier))
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
        return schemes[i].scram ? parse_verifier(slice_from(text, len), credentials)
                                : parse_hash(slice_from(text, len), schemes[i].des, credentials);
    }
    return "this {SCHEME} is not supported (mailslot-users(5) lists those that are)" SET_ANEW;
}

const char *credentials_parse(struct slice field, struct credentials *credentials)
{
    struct slice rest = slice_trim(field);
    const char *wrong = NULL;

    *credentials = (struct credentials){.hash = {rest.at, 0}};
    if (rest.len > 0 && *rest.at == '!') {
        credentials->locked = true;
        rest = slice_trim(slice_from(rest, 1));
    }
    while (wrong == NULL && rest.len > 0)
        wrong = parse_one(slice_cut_word(&rest), credentials);
    return wrong;
}

bool credentials_is_empty(const struct credentials *credentials)
{
    return credentials->hash.len == 0 && credentials->verifiers_len == 0;
}
