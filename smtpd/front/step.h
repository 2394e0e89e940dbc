/*
 * step: what a session does next: the outcome of a line, of the back's answer, or of a message's
 * end.
 */
#ifndef MAILSLOT_STEP_H
#define MAILSLOT_STEP_H

#include "../base/slice.h"
#include "../wall/reply.h"
#include "../wall/wall.h"

/* Room for the longest reply: a filter's, which can have many lines. */
enum { STEP_REPLY_MAX = 4096 };

/* What to do now, in this order. */
struct step {
    struct wall_message *message; /* the caller's, filled if send is set */
    bool send;
    bool secret; /* what was read, and the message, are to be wiped */
    bool wait;   /* for the answer to it, which goes to session_answer() */
    char reply[STEP_REPLY_MAX];
    size_t reply_len;
    enum step_read {
        STEP_READ_NOTHING,
        STEP_READ_TEXT,  /* then read a message's text, and call session_text_end() */
        STEP_READ_CHUNK, /* ... a chunk of it, of so many bytes; first, or last, of the message */
        STEP_SKIP_CHUNK, /* then read one that was refused */
    } read;
    uint64_t chunk;
    bool first, last;
    bool more;  /* then call session_more() for the next reply */
    bool close; /* then close; end says why */
    enum end end;
};

/* Starts a step anew; the message buffer is the caller's. */
void step_clear(struct step *step);

/* A reply; insert as in reply_write(). */
void step_reply(struct step *step, enum reply reply, const char *insert);

/* A reply of another server or of a filter: `550 5.7.1 No`. Its lines are separated by CR; the
 * codes at the beginning of the first are repeated in the others. Lines for which there is no room
 * are left out. */
void step_said(struct step *step, struct slice said);

/* A line of a reply of several. */
void step_line(struct step *step, enum reply reply, const char *insert, bool last);

/* The last reply, if the client is still there. */
void step_close(struct step *step, enum end end);

/* A message for the back; step_ask() waits for the answer. */
void step_send(struct step *step, enum wall_type type);
void step_ask(struct step *step, enum wall_type type);

#endif
