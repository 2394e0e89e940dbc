/*
 * milter_macros: Sendmail's macros, with values as in Postfix. A macro without a value is left out.
 * The hand sends those that the filter wants at a step, or Postfix's defaults.
 *
 * - Of the client: j, v, _, {daemon_name}, {client_addr}, {client_name}, {client_port},
 *   {tls_version}, {cipher}, {cipher_bits}, {cert_subject}, {cert_issuer}.
 * - Of MAIL: i, {auth_authen}, {auth_type}, {auth_author}, {mail_addr}, {mail_host}, {mail_mailer}.
 * - Of RCPT: {rcpt_addr}, {rcpt_host}, {rcpt_mailer}.
 *
 * {auth_author} is AUTH= in MAIL, of a client that has logged in (RFC 4954 section 5).
 */
#ifndef MAILSLOT_MILTER_MACROS_H
#define MAILSLOT_MILTER_MACROS_H

#include "../base/peer.h"
#include "../base/role.h"
#include "delivery_state.h"
#include "milter_event.h"

/* The client and its session. */
struct milter_client {
    enum role role;
    const char *hostname;  /* ours */
    const char *mechanism; /* of AUTH; NULL: none */
    uint16_t port;         /* the client's; 0: not known */
};

/* The family of a client's address, as in MILTER_CONNECT: '4', '6', 'L' or 'U'. */
char milter_macros_family(const char *peer);

/* The bits of the key of a cipher, as GnuTLS names cipher suites; 0: not known. */
unsigned milter_macros_bits(const char *cipher);

/* Each adds those of one list. */
void milter_macros_of_client(struct milter_event *event, const struct milter_client *client,
                             const struct delivery *delivery);
void milter_macros_of_mail(struct milter_event *event, const struct milter_client *client,
                           const struct delivery *delivery);
void milter_macros_of_rcpt(struct milter_event *event, const struct address *recipient,
                           enum verdict own);

#endif
