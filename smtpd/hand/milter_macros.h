/*
 * milter_macros: which macros a filter gets with an event: those that it has listed when it was
 * negotiated with (SMFIR_SETSYMLIST), or else those that Postfix sends by default. Pure.
 */
#ifndef MAILSLOT_HAND_MILTER_MACROS_H
#define MAILSLOT_HAND_MILTER_MACROS_H

#include "../wall/milter.h"
#include "milter_packet.h"

enum { MILTER_LISTS_MAX = 2048 }; /* bytes of all lists of a filter */

struct milter_macros {
    struct {
        bool given; /* else the default; one that is given may be empty */
        uint16_t at, len;
    } lists[MILTER_STEPS];
    uint16_t len;
    char names[MILTER_LISTS_MAX];
};

/* Reads the lists of a filter's answer to the negotiation. Those of steps that are not known are
 * ignored. False: malformed, or too long. */
bool milter_macros_read(struct milter_macros *macros, struct slice data);

/* Writes a packet with those that have values: a name as the filter has written it, its braces
 * included, and the value. Writes none if there is no macro. Names and values are in turn in
 * values, each ended by NUL; names have no braces there. */
void milter_macros_write(const struct milter_macros *macros, enum milter_step step, char letter,
                         struct slice values, struct milter_output *output);

#endif
