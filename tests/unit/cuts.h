/* cuts: input of a state machine that comes in pieces. For tests that try every cut. */
#ifndef MAILSLOT_TEST_CUTS_H
#define MAILSLOT_TEST_CUTS_H

#include <stdbool.h>
#include <stddef.h>

/* Feeds len bytes of input, cut after so many of them; cut -1: byte by byte. feed() takes those
 * from one offset to another. Returns whether there is a later cut. */
static inline bool feed_in_pieces(size_t len, long cut, void (*feed)(size_t from, size_t to))
{
    bool is_cut = cut >= 0 && (size_t)cut < len;

    if (cut < 0)
        for (size_t i = 0; i < len; i++)
            feed(i, i + 1);
    else
        feed(0, is_cut ? (size_t)cut : len);
    if (is_cut)
        feed((size_t)cut, len);
    return is_cut;
}

#endif
