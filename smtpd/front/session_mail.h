/*
 * session_mail: the envelope of a mail transaction, a part of the session's state machine: MAIL,
 * RCPT; and VRFY, which puts the same question to the back as RCPT. Pure.
 */
#ifndef MAILSLOT_SESSION_MAIL_H
#define MAILSLOT_SESSION_MAIL_H

#include "session_state.h"

/* MAIL and VRFY: in the roles for submission (RFC 6409), nobody sends or learns anything before
 * AUTH. */
enum reply session_may_mail(const struct session *session);

/* The commands, and the back's answers to them. */
void session_mail(struct session *session, struct slice argument, struct step *step);
void session_mail_answer(struct session *session, const struct wall_message *answer,
                         struct step *step);
void session_rcpt(struct session *session, struct slice argument, struct step *step);
void session_rcpt_answer(struct session *session, const struct wall_message *answer,
                         struct step *step);
void session_vrfy(struct session *session, struct slice argument, struct step *step);
void session_vrfy_answer(struct session *session, const struct wall_message *answer,
                         struct step *step);

#endif
