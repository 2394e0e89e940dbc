/*
 * header: the header of a message on its way to the server: who its recipients are, and what is
 * changed in it.
 */
#ifndef MAILSLOT_SENDMAIL_HEADER_H
#define MAILSLOT_SENDMAIL_HEADER_H

#include "address_list.h"

#include <stdio.h>

/* Calls `found` for each address in To, Cc and Bcc, or, in a message that was sent again, in
 * Resent-To, Resent-Cc and Resent-Bcc. Stops if it returns anything but EX_OK. EX_OK, what it has
 * returned, or EX_DATAERR with a message. */
int header_recipients(struct slice text, int (*found)(void *context, const struct address *address),
                      void *context);

/* Who sends it, for fields that are missing or lack a domain. */
struct header_sender {
    const struct address *address; /* for From; may be the null address */
    const char *name;              /* of a person, in UTF-8; may be empty */
    struct slice domain;           /* for addresses without one */
};

/* Writes the header with an empty line after it, and returns what of the text is the body. Bcc and
 * Return-Path are left out, From is added, and To, if nobody is named as a recipient. */
struct slice header_write(struct slice text, const struct header_sender *sender, FILE *to);

#endif
