/*
 * address_list: the addresses in a field such as To, or in an argument of sendmail(8): RFC 5322
 * section 3.4, with groups, comments, quoted strings, folded lines, and the obsolete forms. Pure.
 */
#ifndef MAILSLOT_ADDRESS_LIST_H
#define MAILSLOT_ADDRESS_LIST_H

#include "../../smtpd/base/address.h"

struct address_list {
    struct slice text; /* all of it */
    size_t at;         /* what was read of it */
    /* The address that was found. A local part alone has no domain; `<>` has neither. */
    struct address address;
    size_t address_end; /* where in the text it ends, so that a domain can be written there */
};

/* Reads the next address. 1, 0: there is none, or -1: the rest is not a list of addresses. */
int address_list_next(struct address_list *list);

#endif
