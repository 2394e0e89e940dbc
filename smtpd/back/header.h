/*
 * header: looks at the fields of a message's header while it passes: for a Delivered-To of our own
 * (it was in this mailbox before, and comes back), and whether there are a date and an id. Pure.
 */
#ifndef MAILSLOT_HEADER_H
#define MAILSLOT_HEADER_H

#include "../address.h"

#include <stdbool.h>

struct header {
    bool past_header;
    bool has_date;
    bool has_message_id;
    size_t len; /* of the line so far; what is longer than the buffer is no address of ours */
    char line[ADDRESS_TEXT_MAX + 32];
};

/* Takes the next bytes of a message, lines ended by LF; a zeroed struct header begins one. For each
 * Delivered-To field calls found() with the address's key; stops, and returns true, when that does.
 */
bool header_feed(struct header *header, const char *text, size_t len,
                 bool (*found)(void *context, const char *key, size_t key_len), void *context);

#endif
