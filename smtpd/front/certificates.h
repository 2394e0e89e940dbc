/*
 * certificates: the server's certificates in the front, and which of them a client gets. Their keys
 * are in the back.
 *
 * GnuTLS takes the first that the client can verify. Those for the name that the client asks for
 * (SNI) come first, then all others.
 */
#ifndef MAILSLOT_CERTIFICATES_H
#define MAILSLOT_CERTIFICATES_H

#include "../base/gnutls.h"
#include "../wall/wall.h"

struct certificates {
    gnutls_certificate_credentials_t credentials; /* all of them in their order */
    struct wall_message *message;                 /* for the requests to the back */
    char name[ADDRESS_DOMAIN_MAX + 2];            /* that the client asks for, or empty */
    uint32_t count;
    struct certificates_identity {
        struct certificates *all;
        uint32_t index;
        int algorithm; /* gnutls_pk_algorithm_t */
        unsigned bits;
        gnutls_pcert_st *chain;
        int chain_len;
        gnutls_privkey_t key; /* a stand-in: sign_hash() asks the back */
    } identities[WALL_CERTIFICATES_MAX];
};

/* Receives so many chains from the back. 0, or a GnuTLS error. message is used until the end of the
 * handshake. */
int certificates_receive(struct certificates *all, struct wall_message *message, uint32_t count);

/* Takes the name from the server_name extension (RFC 6066 section 3), whatever characters it has.
 * 0, or a GnuTLS error if the extension is malformed. */
int certificates_take_name(struct certificates *all, const unsigned char *bytes, size_t len);

/* After the ClientHello: gives the session the certificates in the right order. 0, or a GnuTLS
 * error. */
int certificates_choose(struct certificates *all, gnutls_session_t session);

#endif
