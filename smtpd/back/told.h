/*
 * told: what an honest front tells the client when it hears these codes: a reply's code and
 * enhanced status code, for the log. The replies are the front's (front/reply.c), which the back
 * does not include: test_session.c sees to it that the two agree.
 *
 * In place of a reply 5xx behind max-errors others the front says 421 4.7.0.
 */
#ifndef MAILSLOT_TOLD_H
#define MAILSLOT_TOLD_H

#include "../wall.h"

const char *told_sender(enum wall_sender_code code);
const char *told_verdict(enum wall_verdict_code code); /* to RCPT; to VRFY unless it is 2xx */
const char *told_result(enum wall_result_code code);
const char *told_note(enum wall_note note); /* NULL: it is not about a message */

#endif
