/*
 * session_auth: the AUTH command (RFC 4954), a part of the session's state machine. Pure.
 */
#ifndef MAILSLOT_SESSION_AUTH_H
#define MAILSLOT_SESSION_AUTH_H

#include "session_state.h"

enum reply session_may_auth(const struct session *session);

/* AUTH mechanism [initial-response]. */
void session_auth(struct session *session, struct slice argument, struct step *step);

/* The client's response to a challenge. */
void session_auth_response(struct session *session, struct slice response, struct step *step);

/* The back's answer to either. */
void session_auth_answer(struct session *session, const struct wall_message *answer,
                         struct step *step);

#endif
