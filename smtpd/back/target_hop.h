/*
 * target_hop: the kinds of target that are recipients of another server (hop.h): of a relay, which
 * passes the message on, or of a store, which keeps mailboxes. Relays come first, because they
 * refuse more easily.
 *
 * What a hop's extensions and size limit allow is decided here, when all of the text is known.
 */
#ifndef MAILSLOT_TARGET_HOP_H
#define MAILSLOT_TARGET_HOP_H

#include "target.h"

extern const struct target_kind target_relay, target_store;

#endif
