#include "scram.h"

#include "../base/base64.h"
#include "../base/gnutls.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Takes `NAME=value,` off; the last one has no comma. */
static bool take(const char **at, const char *end, char name, const char **value, size_t *len)
{
    if (end - *at < 2 || (*at)[0] != name || (*at)[1] != '=')
        return false;
    *value = *at + 2;
    const char *comma = memchr(*value, ',', (size_t)(end - *value));
    *len = (size_t)((comma == NULL ? end : comma) - *value);
    *at = comma == NULL ? end : comma + 1;
    return true;
}

/* saslname: `=2C` is a comma, `=3D` an equals sign. */
static bool decode_name(const char *from, size_t len, char to[SCRAM_NAME_MAX], size_t *made)
{
    *made = 0;
    for (size_t i = 0; i < len; i++) {
        char c = from[i];
        if (*made == SCRAM_NAME_MAX - 1)
            return false;
        if (c == '=') {
            if (len - i < 3 || (memcmp(from + i, "=2C", 3) != 0 && memcmp(from + i, "=3D", 3) != 0))
                return false;
            c = from[i + 2] == 'C' ? ',' : '=';
            i += 2;
        }
        to[(*made)++] = c;
    }
    to[*made] = '\0';
    return *made > 0;
}

/* gs2-header: the channel binding and the authorization identity. Moves *at past it. */
static enum scram_result take_header(struct scram *scram, const char **at, const char *end)
{
    const char *start = *at, *value;
    size_t len;

    scram->binding[0] = scram->identity[0] = '\0';
    scram->identity_len = 0;
    if (take(at, end, 'p', &value, &len)) {
        if (!scram->plus || len == 0 || len >= sizeof scram->binding)
            return SCRAM_MALFORMED;
        memcpy(scram->binding, value, len);
        scram->binding[len] = '\0';
    } else if (end - *at >= 2 && (**at == 'n' || **at == 'y') && (*at)[1] == ',') {
        if (scram->plus)
            return SCRAM_MALFORMED;
        if (**at == 'y' && scram->offered_plus)
            return SCRAM_REFUSED; /* the client has not seen the offer: somebody removed it */
        *at += 2;
    } else {
        return SCRAM_MALFORMED;
    }
    if (take(at, end, 'a', &value, &len)) {
        if (!decode_name(value, len, scram->identity, &scram->identity_len))
            return SCRAM_MALFORMED;
    } else if (*at < end && **at == ',') {
        ++*at;
    } else {
        return SCRAM_MALFORMED;
    }
    memcpy(scram->header, start, (size_t)(*at - start));
    scram->header[*at - start] = '\0';
    return SCRAM_GOOD;
}

/* A nonce, or an unknown attribute: printable, without a comma. */
static bool is_printable(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (text[i] < '!' || text[i] > '~' || text[i] == ',')
            return false;
    return len > 0;
}

enum scram_result scram_first(struct scram *scram, struct slice message, const char *nonce)
{
    const char *at = message.at, *end = message.at + message.len, *value;
    size_t value_len;

    if (message.len > SCRAM_MESSAGE_MAX || slice_has(message, '\0'))
        return SCRAM_MALFORMED;
    enum scram_result result = take_header(scram, &at, end);
    if (result != SCRAM_GOOD)
        return result;
    const char *bare = at;
    if (!take(&at, end, 'n', &value, &value_len) ||
        !decode_name(value, value_len, scram->name, &scram->name_len) ||
        !take(&at, end, 'r', &value, &value_len) || !is_printable(value, value_len) ||
        value_len > SCRAM_CLIENT_NONCE_MAX)
        return SCRAM_MALFORMED;
    snprintf(scram->nonce, sizeof scram->nonce, "%.*s%s", (int)value_len, value, nonce);
    snprintf(scram->messages, sizeof scram->messages, "%.*s,", (int)(end - bare), bare);
    return SCRAM_GOOD;
}

void scram_challenge(struct scram *scram, const struct credential *credential,
                     char to[WALL_CHALLENGE_MAX])
{
    const struct scram_verifier *verifier = &credential->verifiers[0];
    char salt[BASE64_SIZE(SCRAM_SALT_MAX)];
    size_t len = strlen(scram->messages);

    base64_encode((const char *)verifier->salt, verifier->salt_len, salt);
    snprintf(to, WALL_CHALLENGE_MAX, "r=%s,s=%s,i=%u", scram->nonce, salt,
             (unsigned)verifier->iterations);
    snprintf(scram->messages + len, sizeof scram->messages - len, "%s,", to);
}

/* Is this the base64 of the gs2-header followed by the binding? */
static bool is_bound_by(const struct scram *scram, const char *value, size_t len,
                        const struct wall_binding *binding)
{
    char bytes[SCRAM_MESSAGE_MAX + WALL_BINDING_MAX], text[BASE64_SIZE(sizeof bytes)];
    size_t bytes_len = strlen(scram->header);

    memcpy(bytes, scram->header, bytes_len);
    memcpy(bytes + bytes_len, binding->bytes, binding->len);
    return base64_encode(bytes, bytes_len + binding->len, text) == len &&
           memcmp(text, value, len) == 0;
}

static bool is_bound(const struct scram *scram, const char *value, size_t len,
                     const struct wall_binding *bindings, size_t count)
{
    static const struct wall_binding none;

    if (!scram->plus)
        return is_bound_by(scram, value, len, &none);
    for (size_t i = 0; i < count; i++)
        if (bindings[i].len > 0 && is_bound_by(scram, value, len, &bindings[i]))
            return true;
    return false;
}

static void hmac(const unsigned char key[SCRAM_KEY_LEN], const char *text, size_t len,
                 unsigned char mac[SCRAM_KEY_LEN])
{
    if (gnutls.hmac_fast(GNUTLS_MAC_SHA256, key, SCRAM_KEY_LEN, text, len, mac) != 0)
        abort(); /* no memory */
}

static bool proves(const struct scram *scram, const struct scram_verifier *verifier,
                   const unsigned char proof[SCRAM_KEY_LEN])
{
    unsigned char client_key[SCRAM_KEY_LEN], stored_key[SCRAM_KEY_LEN];

    hmac(verifier->stored_key, scram->messages, strlen(scram->messages), client_key);
    for (size_t i = 0; i < SCRAM_KEY_LEN; i++)
        client_key[i] ^= proof[i];
    bool hashed = gnutls.hash_fast(GNUTLS_DIG_SHA256, client_key, SCRAM_KEY_LEN, stored_key) == 0;
    explicit_bzero(client_key, sizeof client_key);
    return hashed && gnutls.memcmp(stored_key, verifier->stored_key, SCRAM_KEY_LEN) == 0;
}

/* Compared with where there is no verifier. */
static const struct scram_verifier nobody;

enum scram_result scram_final(struct scram *scram, struct slice message,
                              const struct credential *credential,
                              const struct wall_binding *bindings, size_t count,
                              char to[WALL_CHALLENGE_MAX])
{
    const char *at = message.at, *end = message.at + message.len, *header, *nonce, *value;
    const char *proof_at = NULL;
    size_t header_len, nonce_len, value_len = 0, messages_len = strlen(scram->messages);
    unsigned char proof[SCRAM_KEY_LEN], signature[SCRAM_KEY_LEN];
    const struct scram_verifier *match = NULL;

    if (message.len > SCRAM_MESSAGE_MAX || slice_has(message, '\0') ||
        !take(&at, end, 'c', &header, &header_len) || !take(&at, end, 'r', &nonce, &nonce_len))
        return SCRAM_MALFORMED;
    while (at < end && *at != 'p') { /* extensions that may be ignored */
        const char *comma = memchr(at, ',', (size_t)(end - at));
        at = comma == NULL ? end : comma + 1;
    }
    proof_at = at;
    if (!take(&at, end, 'p', &value, &value_len) || at != end ||
        base64_decode((struct slice){value, value_len}, (char *)proof, sizeof proof) !=
            SCRAM_KEY_LEN)
        return SCRAM_MALFORMED;
    bool bound = is_bound(scram, header, header_len, bindings, count);
    bool fresh = nonce_len == strlen(scram->nonce) && memcmp(nonce, scram->nonce, nonce_len) == 0;
    snprintf(scram->messages + messages_len, sizeof scram->messages - messages_len, "%.*s",
             (int)(proof_at - message.at - 1), message.at);
    if (credential->verifiers_len == 0)
        proves(scram, &nobody, proof);
    for (size_t i = 0; i < credential->verifiers_len; i++)
        if (proves(scram, &credential->verifiers[i], proof))
            match = &credential->verifiers[i];
    if (match == NULL || !bound || !fresh || !credential->real)
        return SCRAM_REFUSED;
    hmac(match->server_key, scram->messages, strlen(scram->messages), signature);
    memcpy(to, "v=", 2);
    base64_encode((const char *)signature, sizeof signature, to + 2);
    return SCRAM_GOOD;
}
