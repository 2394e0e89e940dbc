/*
 * session_mail: the envelope of a mail transaction, a part of the session's state machine: MAIL,
 * RCPT; and VRFY, which asks what RCPT asks. Pure.
 */
#ifndef MAILSLOT_SESSION_MAIL_H
#define MAILSLOT_SESSION_MAIL_H

#include "command.h"
#include "session.h"

/* The commands. */
void session_mail(struct session *session, const struct command *command,
                  struct session_step *step);
void session_rcpt(struct session *session, const struct command *command,
                  struct session_step *step);
void session_vrfy(struct session *session, const struct command *command,
                  struct session_step *step);

/* HELO, EHLO, LHLO, RSET: no transaction, as it was before MAIL. */
void session_mail_abandon(struct session *session, struct session_step *step);

/* Every end of a transaction, as far as the front is concerned. */
void session_mail_reset(struct session *session);

/* The back's answer to any of them. */
void session_mail_answer(struct session *session, const struct wall_message *answer,
                         struct session_step *step);

#endif
