/*
 * session_auth: the AUTH command (RFC 4954), a part of the session's state machine. Pure.
 */
#ifndef MAILSLOT_SESSION_AUTH_H
#define MAILSLOT_SESSION_AUTH_H

#include "command.h"
#include "session.h"

/* AUTH mechanism [initial-response]. */
void session_auth(struct session *session, const struct command *command,
                  struct session_step *step);

/* What the client says to a challenge. */
void session_auth_response(struct session *session, const char *line, size_t len,
                           struct session_step *step);

/* The back's answer to either. */
void session_auth_answer(struct session *session, const struct wall_challenge *challenge,
                         struct session_step *step);

#endif
