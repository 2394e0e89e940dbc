/*
 * session_helo: HELO, EHLO and LHLO, and STARTTLS, parts of the session's state machine. Pure.
 */
#ifndef MAILSLOT_SESSION_HELO_H
#define MAILSLOT_SESSION_HELO_H

#include "session_state.h"

/* The commands. */
void session_helo(struct session *session, struct slice name, struct step *step);
void session_ehlo(struct session *session, struct slice name, struct step *step);
void session_starttls(struct session *session, struct slice argument, struct step *step);

enum reply session_may_starttls(const struct session *session);

/* The back's answer to STARTTLS. */
void session_starttls_answer(struct session *session, const struct wall_message *answer,
                             struct step *step);

#endif
