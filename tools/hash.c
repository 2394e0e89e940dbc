#include "hash.h"

#include <crypt.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* last_len: the length of what stands behind the last '$', so that a hash cut short is found now
 * and not by the user who cannot log in. */
static const struct kind {
    const char *prefix;
    const char *name;
    size_t last_len;
} kinds[] = {
    {"$y$", "yescrypt", 43},    {"$gy$", "gost-yescrypt", 43}, {"$7$", "scrypt", 43},
    {"$2a$", "bcrypt", 53},     {"$2b$", "bcrypt", 53},        {"$2y$", "bcrypt", 53},
    {"$6$", "sha512crypt", 86}, {"$5$", "sha256crypt", 43},    {"$1$", "md5crypt", 22},
};

/* Dovecot's names for what crypt(3) can check. */
static const char *const schemes[] = {
    "{CRYPT}", "{BLF-CRYPT}", "{SHA512-CRYPT}", "{SHA256-CRYPT}", "{MD5-CRYPT}",
};

static const struct kind *find_kind(struct slice text)
{
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        size_t len = strlen(kinds[i].prefix);
        if (text.len >= len && memcmp(text.at, kinds[i].prefix, len) == 0)
            return &kinds[i];
    }
    return NULL;
}

const char *hash_kind(struct slice text)
{
    const struct kind *kind = find_kind(text);

    return kind == NULL ? "unknown" : kind->name;
}

static bool skip_scheme(struct slice *text)
{
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
        size_t len = strlen(schemes[i]);
        if (text->len >= len && strncasecmp(text->at, schemes[i], len) == 0) {
            text->at += len;
            text->len -= len;
            return true;
        }
    }
    return false;
}

static bool is_whole(struct slice text)
{
    const struct kind *kind = find_kind(text);
    const char *last = memrchr(text.at, '$', text.len);
    char copy[CRYPT_OUTPUT_SIZE];

    if (kind == NULL || text.len >= sizeof copy)
        return false;
    memcpy(copy, text.at, text.len);
    copy[text.len] = '\0';
    int salt = crypt_checksalt(copy);
    explicit_bzero(copy, sizeof copy);
    return (salt == CRYPT_SALT_OK || salt == CRYPT_SALT_METHOD_LEGACY) &&
           (size_t)(text.at + text.len - last) - 1 == kind->last_len;
}

const char *hash_parse(struct slice field, struct hash *hash)
{
    *hash = (struct hash){.text = field};
    if (field.len > 0 && *field.at == '!') {
        hash->locked = true;
        hash->text.at++;
        hash->text.len--;
    }
    if (hash->text.len == 0)
        return NULL;
    if (*hash->text.at == '{' && !skip_scheme(&hash->text))
        return "this {SCHEME} is no kind of crypt(3): set a new password with "
               "`mailslot-user passwd`";
    if (hash->text.len == 0 || *hash->text.at != '$')
        return "not a crypt(3) hash ($...$...); a password is not written here in plain text: set "
               "it with `mailslot-user passwd`";
    if (find_kind(hash->text) == NULL)
        return "a kind of hash that is not known here (mailslot-users(5) has them): set a new "
               "password with `mailslot-user passwd`";
    if (!is_whole(hash->text))
        return "the hash is damaged or cut short: set a new password with `mailslot-user passwd`";
    return NULL;
}

char *hash_make(const char *password)
{
    char *salt = crypt_gensalt_ra("$y$", 0, NULL, 0);
    struct crypt_data *data = calloc(1, sizeof *data);
    char *made = NULL;

    if (salt != NULL && data != NULL) {
        const char *output = crypt_r(password, salt, data);
        if (output != NULL && output[0] == '$')
            made = strdup(output);
    }
    int error = errno;
    if (data != NULL)
        explicit_bzero(data, sizeof *data);
    free(data);
    free(salt);
    errno = error;
    return made;
}
