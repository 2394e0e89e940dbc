/*
 * keyring: the keys of the certificates, which never leave this process.
 *
 * A front makes the handshake and asks for one signature over a hash. What was hashed cannot be
 * seen here. The algorithm must be one that is configured and fits the key, and the hash must have
 * the length that this algorithm has. The padding (PKCS #1 with its DigestInfo, or PSS) is made
 * here: nothing raw is ever signed. At most one signature is made in a handshake, and the keys are
 * wiped when it is over.
 */
#ifndef MAILSLOT_KEYRING_H
#define MAILSLOT_KEYRING_H

#include "../base/role.h"
#include "../database/certificate.h"
#include "../database/settings.h"
#include "../wall/wall.h"

_Static_assert((int)SETTINGS_CERTIFICATES_MAX <= (int)WALL_CERTIFICATES_MAX, "the front has room");

struct keyring {
    const struct settings *settings;
    const char *folder; /* where the files are */
    gnutls_priority_t priority;
    bool may_sign;
    size_t count;
    struct certificate certificates[SETTINGS_CERTIFICATES_MAX];
};

/* Before the front is forked: loads GnuTLS and reads the priorities. 0, or -1: it was logged. */
int keyring_prepare(struct keyring *keyring, const struct settings *settings, const char *folder);

/* Afterwards: reads certificates and keys. What is wrong with one is logged. 0, or -1 if none is
 * left to serve with. */
int keyring_load(struct keyring *keyring);

/* The key for session tickets in this role. 0, or -1: it was logged. */
int keyring_ticket_key(const struct keyring *keyring, enum role role,
                       unsigned char key[WALL_TICKET_KEY]);

/* Sends the certificates, a message each. 0, or -1 with errno. */
int keyring_send(const struct keyring *keyring, int wall, struct wall_message *message);

/* Signs, once. False: the front has asked for what no handshake asks for. */
bool keyring_sign(struct keyring *keyring, const struct wall_sign *asked,
                  struct wall_signature *made);

/* tls-server-end-point (RFC 5929 section 4.1) of one of the certificates; of no length if there is
 * none. */
void keyring_end_point(const struct keyring *keyring, size_t index, struct wall_binding *binding);

/* Wipes the keys. */
void keyring_forget(struct keyring *keyring);

#endif
