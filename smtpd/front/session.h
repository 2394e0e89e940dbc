/*
 * session: the rules of an SMTP session (RFC 5321 section 4) as a pure state machine.
 *
 * A line goes in; a step comes out: a reply for the client, a message for the back, or both, or the
 * demand to read a message's text. No I/O, no allocation.
 *
 *   state                 MAIL       RCPT       DATA        HELO, EHLO, RSET
 *   before HELO           503        503        503         (RSET: 250)
 *   no transaction        opens one  503        503         250
 *   transaction           503        asks back  554 or 503  forgets it, 250
 *   ... with recipients   503        asks back  354         forgets it, 250
 */
#ifndef MAILSLOT_SESSION_H
#define MAILSLOT_SESSION_H

#include "../wall.h"
#include "data.h"
#include "reply.h"

struct session {
    const struct wall_settings *settings;
    uint64_t errors; /* 5xx replies so far */
    bool greeted;    /* HELO or EHLO was said */
    bool extended;   /* ... EHLO */
    uint16_t helo_len;
    char helo[WALL_HELO_MAX];
    struct {
        bool open; /* MAIL was accepted */
        bool refused_some;
        uint64_t recipients; /* accepted ones */
    } transaction;
    enum {
        SESSION_ASKED_NOTHING,
        SESSION_ASKED_VRFY,
        SESSION_ASKED_RCPT,
        SESSION_ASKED_COMMIT
    } asked;
};

/* What to do now, in this order. */
struct session_step {
    struct wall_message *message; /* the caller's, filled if send is set */
    bool send;
    bool wait; /* ... for the answer, and give it to session_answer() */
    char reply[REPLY_MAX];
    size_t reply_len;
    bool read_text; /* then read a message's text, and call session_text_end() */
    bool close;     /* then close; note says why */
    enum wall_note note;
};

/* The greeting, or the refusal to serve. */
void session_begin(struct session *session, const struct wall_settings *settings,
                   struct session_step *step);

/* A command line, without its CR LF; no CR, LF or NUL in it. */
void session_line(struct session *session, const char *line, size_t len, struct session_step *step);

/* Something that is not such a line: the reply tells what is wrong with it. */
void session_bad_line(struct session *session, enum reply reply, struct session_step *step);

/* The back's answer to the last step that waited for one. */
void session_answer(struct session *session, const struct wall_message *answer,
                    struct session_step *step);

/* The message's text has been read to its end. */
void session_text_end(struct session *session, enum data_fault fault, struct session_step *step);

/* The session is over from outside: a deadline, the client or the back gone. */
void session_end(enum wall_note note, struct session_step *step);

#endif
