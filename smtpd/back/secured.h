/*
 * secured: what a handshake has led to, and whom the client's certificate names.
 */
#ifndef MAILSLOT_SECURED_H
#define MAILSLOT_SECURED_H

#include "../database/directory.h"
#include "keyring.h"

struct secured {
    bool on;
    struct wall_secured facts;
    struct wall_binding end_points[SETTINGS_CERTIFICATES_MAX]; /* of our certificates */
    size_t end_points_len;
    char client[CERTIFICATE_NAME_MAX]; /* the verified name in the client's certificate, or empty */
    char client_user[ADDRESS_KEY_MAX]; /* the key of the user that it names */
    size_t client_user_len;
};

/* Is this what tls_secured() of the front makes? */
bool secured_valid(const struct wall_secured *facts);

/* Before the keyring is forgotten: which of our certificates the client has seen cannot be told
 * when a session is resumed, and any of them is ours. */
void secured_bind(struct secured *secured, const struct keyring *keyring);

/*
 * Verifies the client's certificate against tls-client-ca, and finds its user, if it has one. One
 * that is for servers only, as public authorities make them, names the host but no user. The front
 * vouches that the client has the certificate's key.
 */
void secured_identify(struct secured *secured, const struct keyring *keyring, struct database *db);

#endif
