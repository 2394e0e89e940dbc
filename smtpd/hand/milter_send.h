/*
 * milter_send: what a filter is sent. Pure.
 */
#ifndef MAILSLOT_MILTER_SEND_H
#define MAILSLOT_MILTER_SEND_H

#include "milter.h"

/* Is an event of the right form? */
bool milter_send_is_event(const struct wall_milter_event *event, size_t body_len);

void milter_send_negotiation(struct milter_turn *turn);

/* Writes the macros of an event, and the event; each only if the filter is to have it. Returns
 * whether it replies. */
bool milter_send_event(const struct milter *milter, struct milter_turn *turn);

/* Writes of the header or body in milter->rest what may be sent before a reply, and as much as
 * there is room for. Returns whether the filter replies. */
bool milter_send_text(struct milter *milter, struct milter_turn *turn);

/* Writes a packet of a letter alone. */
void milter_send_letter(char letter, struct milter_turn *turn);

#endif
