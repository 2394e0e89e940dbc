/*
 * secured: the result of a handshake, and the user that the client's certificate names.
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
    char issuer[CERTIFICATE_NAME_MAX]; /* the common name of its issuer, or empty */
    char client_user[ADDRESS_KEY_MAX]; /* the key of the user that it names */
    size_t client_user_len;
};

/* Can the front's tls_secured() have made this? */
bool secured_valid(const struct wall_secured *facts);

/* To be called before keyring_forget(). When a session is resumed, nothing tells which certificate
 * the client has seen, so any of them will do. */
void secured_bind(struct secured *secured, const struct keyring *keyring);

#endif
