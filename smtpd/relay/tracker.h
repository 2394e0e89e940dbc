/*
 * tracker: follows an SMTP session between a client and a server, to know when no transaction is
 * open. Pure; it sees the bytes of both directions, in the order in which they pass, and changes
 * none.
 *
 * The client sends text only after a 354, as the hand does. If it does what the tracker cannot
 * follow (BDAT, or too many commands at a time), a transaction counts as open for ever.
 */
#ifndef MAILSLOT_TRACKER_H
#define MAILSLOT_TRACKER_H

#include "../base/slice.h"

enum { TRACKER_COMMANDS_MAX = 256 }; /* whose replies are to come */

struct tracker {
    uint8_t commands[TRACKER_COMMANDS_MAX]; /* a ring: enum command of tracker.c */
    uint16_t first, count;
    bool lost;        /* it cannot be followed */
    bool open;        /* MAIL was accepted; or DATA was sent */
    bool in_text;     /* of a message */
    bool used;        /* there was a transaction */
    uint8_t text;     /* how much of CRLF . CRLF has come */
    uint8_t verb_len; /* bytes of the command's line, at most sizeof verb */
    char verb[5];
    uint8_t code_len; /* the same of a reply's line */
    char code[4];
};

void tracker_begin(struct tracker *tracker);

void tracker_client(struct tracker *tracker, struct slice bytes);
void tracker_server(struct tracker *tracker, struct slice bytes);

/* Is no transaction open, no reply to come, and no line incomplete? */
bool tracker_is_idle(const struct tracker *tracker);

#endif
