/*
 * loop: looks for a Delivered-To field of our own in a message's header: it was in this mailbox
 * before, and comes back. Pure.
 */
#ifndef MAILSLOT_LOOP_H
#define MAILSLOT_LOOP_H

#include "../address.h"

#include <stdbool.h>

struct loop {
    bool past_header;
    size_t len; /* of the line so far; what is longer than the buffer is no address of ours */
    char line[ADDRESS_TEXT_MAX + 32];
};

/* Takes the next bytes of a message, lines ended by LF; a zeroed struct loop begins one. For each
 * Delivered-To field calls found() with the address's key; stops, and returns true, when that does.
 */
bool loop_feed(struct loop *loop, const char *text, size_t len,
               bool (*found)(void *context, const char *key, size_t key_len), void *context);

#endif
