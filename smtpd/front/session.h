/*
 * session: the rules of an SMTP session (RFC 5321 section 4), and of one of LMTP (RFC 2033), as a
 * pure state machine.
 *
 * A line goes in; a step comes out: a reply for the client, a message for the back, both, or the
 * order to read a message's text. No I/O, no allocation.
 *
 * Which command may come in which state is in the table of session_verbs.c. The parts that carry
 * them out are session_helo.h, session_auth.h, session_mail.h and session_text.h; each knows only
 * session_state.h, and no other part.
 *
 * STARTTLS ends the session: the next front begins a new one.
 */
#ifndef MAILSLOT_SESSION_H
#define MAILSLOT_SESSION_H

#include "session_state.h"

/* The greeting (none after STARTTLS), or the refusal to serve. */
void session_begin(struct session *session, const struct wall_settings *settings,
                   struct step *step);

/* A command line, or a response if in_auth, without its CR LF; no CR, LF or NUL in it. */
void session_line(struct session *session, struct slice line, struct step *step);

/* A malformed line, or its beginning; the reply says what is wrong with it. */
void session_bad_line(struct session *session, enum reply reply, struct slice line,
                      struct step *step);

/* A TLS handshake where a command line is due. */
void session_unexpected_tls(struct session *session, struct step *step);

/* What other servers have said (WALL_SAID), for the next answer: a line for each reply that is
 * theirs. The caller keeps the text until the next time; it may be empty. */
void session_said(struct session *session, struct slice said);

/* The back's answer to the last step that waited for one. */
void session_answer(struct session *session, const struct wall_message *answer, struct step *step);

/* The session ends for a reason outside it: a deadline, or the client or the back is gone. */
void session_end(enum end end, struct step *step);

#endif
