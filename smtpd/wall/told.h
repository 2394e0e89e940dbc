/*
 * told: what a client is told when the back has said these codes, or the front notes: by the front,
 * which replies, and by the back, which logs. A code that is none is a fault of ours.
 *
 * In place of a reply 5xx behind max-errors others the front says 421 4.7.0.
 */
#ifndef MAILSLOT_TOLD_H
#define MAILSLOT_TOLD_H

#include "reply.h"
#include "wall.h"

enum reply told_sender(uint32_t code);  /* enum wall_sender_code */
enum reply told_verdict(uint32_t code); /* enum wall_verdict_code: to RCPT; VRFY differs in 2xx */
enum reply told_result(uint32_t code);  /* enum wall_result_code */
enum reply told_fault(enum wall_note note); /* one about a message: WALL_NOTE_BARE_NEWLINE... */

#endif
