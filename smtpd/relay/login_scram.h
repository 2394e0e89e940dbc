/*
 * login_scram: SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 7677) as a client, by libgsasl.
 *
 * libgsasl is GNU's, has had releases and security fixes since 2002, knows tls-exporter and
 * tls-unique, and is what Exim and msmtp use. It is loaded only by a relay that logs in so; where
 * it is not installed, PLAIN is used.
 */
#ifndef MAILSLOT_LOGIN_SCRAM_H
#define MAILSLOT_LOGIN_SCRAM_H

#include "../base/slice.h"
#include "link.h"

struct login_scram;

/* Can it be loaded? */
bool login_scram_is_there(void);

/* Can the smarthost be told what TLS this is? */
bool login_scram_can_bind(const struct link *link);

/* plus: with channel binding. user and password end in NUL; the password is kept until
 * login_scram_end(). NULL: out of memory, or libgsasl does not have the mechanism. */
struct login_scram *login_scram_begin(const struct link *link, bool plus, const char *user,
                                      const char *password);

enum login_scram_result {
    LOGIN_SCRAM_MORE,  /* the response is to be sent */
    LOGIN_SCRAM_DONE,  /* the same; the server has proved that it knows the password */
    LOGIN_SCRAM_WRONG, /* the challenge is malformed, or from a server that does not know it */
};

/* challenge: base64, empty at first. *response: base64, valid until the next call. */
enum login_scram_result login_scram_step(struct login_scram *scram, struct slice challenge,
                                         struct slice *response);

void login_scram_end(struct login_scram *scram);

#endif
