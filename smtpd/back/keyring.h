/*
 * keyring: the private keys of the certificates, which never leave this process.
 *
 * The front performs the handshake and asks for one signature over a hash; the back cannot see what
 * was hashed. The algorithm must be configured and fit the key, and the hash must have the length
 * for that algorithm. The padding (PKCS #1 with its DigestInfo, or PSS) is added here: nothing raw
 * is ever signed. A handshake gets one signature at most, and the keys are wiped after it.
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

/* Before the fork: loads GnuTLS and parses the priorities. 0, or -1: it was logged. */
int keyring_prepare(struct keyring *keyring, const struct settings *settings, const char *folder);

/* After the fork: reads certificates and keys, and logs those that cannot be used. 0, or -1 if
 * nothing usable remains. */
int keyring_load(struct keyring *keyring);

/* The key for session tickets in this role. 0, or -1: it was logged. */
int keyring_ticket_key(const struct keyring *keyring, enum role role,
                       unsigned char key[WALL_TICKET_KEY]);

/* Sends the chains, one message each. 0, or -1 with errno. */
int keyring_send(const struct keyring *keyring, int wall, struct wall_message *message);

/* Signs, once. False: no handshake asks for this. */
bool keyring_sign(struct keyring *keyring, const struct wall_sign *asked,
                  struct wall_signature *made);

/* tls-server-end-point (RFC 5929 section 4.1) of one of the certificates. Its length is 0 if the
 * certificate has no such binding. */
void keyring_end_point(const struct keyring *keyring, size_t index, struct wall_binding *binding);

/* Wipes the keys. */
void keyring_forget(struct keyring *keyring);

#endif
