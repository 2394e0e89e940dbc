/*
 * session_mail: the mail transaction, a part of the session's state machine: MAIL, RCPT, DATA, what
 * became of the message; and VRFY, which asks what RCPT asks. Pure.
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
void session_data(struct session *session, struct session_step *step);

/* HELO, EHLO, LHLO, RSET: no transaction, as it was before MAIL. */
void session_mail_abandon(struct session *session, struct session_step *step);

/* The message's text has been read to its end. */
void session_text_end(struct session *session, enum data_fault fault, struct session_step *step);

/* The back's answer to any of them. */
void session_mail_answer(struct session *session, const struct wall_message *answer,
                         struct session_step *step);

/* The next reply, where a step has said that there are more: in LMTP. */
void session_more(struct session *session, struct session_step *step);

#endif
