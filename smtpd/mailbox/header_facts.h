/*
 * header_facts: what the header of a message says, read from its parts (header.h): whether it has a
 * date and an id, and in whose mailbox on this host it has been before. Pure.
 */
#ifndef MAILSLOT_HEADER_FACTS_H
#define MAILSLOT_HEADER_FACTS_H

#include "../base/address.h"
#include "header.h"

struct header_facts {
    const char *hostname;
    bool has_date;
    bool has_message_id;
    bool has_received;
    char delivered[ADDRESS_KEY_MAX]; /* the address of the Delivered-To field that came last */
    size_t delivered_len;            /* 0: the last field was another one */
    size_t matched;                  /* words of our Received field, in the one that follows */
    bool below;                      /* this field is a Received field right below it */
    bool reading;                    /* that field is being read */
    char word[ADDRESS_DOMAIN_MAX + 1];
    size_t word_len;
};

/* Begins a message on the host of this name. */
void header_facts_begin(struct header_facts *facts, const char *hostname);

/* Takes the next part. Returns true if a Received field of this host follows a Delivered-To
 * field: the message has been in that mailbox here, and has come back. The address is in
 * delivered. */
bool header_facts_part(struct header_facts *facts, const struct header_part *part);

#endif
