/*
 * session_text: the text of a mail transaction, a part of the session's state machine: DATA, BDAT
 * (RFC 3030), and what became of the message. Pure.
 */
#ifndef MAILSLOT_SESSION_TEXT_H
#define MAILSLOT_SESSION_TEXT_H

#include "data.h"
#include "session_state.h"

/* The commands. */
void session_data(struct session *session, struct slice argument, struct step *step);
void session_bdat(struct session *session, struct slice argument, struct step *step);

/* BDAT that is refused: its chunk is read all the same. */
void session_bdat_refused(struct session *session, struct slice argument, enum reply reply,
                          struct step *step);

/* What a bare CR or LF means in the message that is about to be read. */
enum data_newlines session_newlines(const struct session *session, bool chunked);

/* The text, or the last chunk of it, has been read to its end; or the next chunk. */
void session_text_end(struct session *session, enum verdict fault, struct step *step);
void session_chunk_end(struct session *session, enum verdict fault, struct step *step);

/* The back's answer: what became of the message. */
void session_text_answer(struct session *session, const struct wall_message *answer,
                         struct step *step);

/* The next reply, where a step has said that there are more: in LMTP, and by PRDR. */
void session_more(struct session *session, struct step *step);

#endif
