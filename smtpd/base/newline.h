/*
 * newline: what a CR or LF means that is not part of a CRLF in a message (bare-newline in
 * mailslot.conf(5)).
 */
#ifndef MAILSLOT_NEWLINE_H
#define MAILSLOT_NEWLINE_H

enum newline {
    NEWLINE_AUTO,      /* it depends on who sends it, and how: session_newlines() */
    NEWLINE_REJECT,    /* the message is refused */
    NEWLINE_NORMALISE, /* it ends a line */
};

#endif
