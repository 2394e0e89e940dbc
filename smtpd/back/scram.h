/*
 * scram: the server's side of SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802, 7677; bindings of RFC
 * 5929 and 9266). Two messages in, two out; no I/O. gnutls_load() first.
 */
#ifndef MAILSLOT_SCRAM_H
#define MAILSLOT_SCRAM_H

#include "../database/credential.h"
#include "../wall/wall.h"

enum {
    SCRAM_MESSAGE_MAX = 1024, /* bytes of one message; what is longer is malformed */
    SCRAM_NAME_MAX = 512,     /* an address and a NUL */
    SCRAM_CLIENT_NONCE_MAX = 256,
    SCRAM_NONCE_LEN = 24,   /* of the server's part, in base64 */
    SCRAM_BINDING_MAX = 32, /* of the binding's name */
};

enum scram_result {
    SCRAM_GOOD,
    SCRAM_MALFORMED,
    SCRAM_REFUSED, /* the proof is wrong, or somebody is between client and server */
};

struct scram {
    bool plus;         /* SCRAM-SHA-256-PLUS */
    bool offered_plus; /* ... was offered */
    size_t name_len, identity_len;
    char name[SCRAM_NAME_MAX];          /* the user */
    char identity[SCRAM_NAME_MAX];      /* the user to act as; empty: the same */
    char header[SCRAM_MESSAGE_MAX + 1]; /* gs2-header */
    char binding[SCRAM_BINDING_MAX];    /* the kind of binding, if any */
    char nonce[SCRAM_CLIENT_NONCE_MAX + SCRAM_NONCE_LEN + 1];
    char messages[3 * SCRAM_MESSAGE_MAX]; /* AuthMessage as it grows */
};

/* Takes the client's first message. Sets name and identity; the caller then finds the credential of
 * name. nonce: SCRAM_NONCE_LEN characters of base64, made for this exchange. */
enum scram_result scram_first(struct scram *scram, struct slice message, const char *nonce);

/* Writes the answer to it, NUL-terminated. */
void scram_challenge(struct scram *scram, const struct credential *credential,
                     char to[WALL_CHALLENGE_MAX]);

/* Takes the client's second message. bindings: those of the kind that scram->binding names, any of
 * which may match. SCRAM_GOOD: to is the last message, which proves the server's identity. */
enum scram_result scram_final(struct scram *scram, struct slice message,
                              const struct credential *credential,
                              const struct wall_binding *bindings, size_t count,
                              char to[WALL_CHALLENGE_MAX]);

#endif
