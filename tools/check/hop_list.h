/*
 * hop_list: the other mail servers that a database names, each once, and whom to ask each of them
 * about.
 */
#ifndef MAILSLOT_HOP_LIST_H
#define MAILSLOT_HOP_LIST_H

#include "check.h"

enum { HOP_LIST_MAX = 64 };

struct hop_entry {
    const char *path;   /* of its socket */
    bool lmtp;          /* a mail store; otherwise a relay */
    const char *user;   /* one whose mailbox is there, NULL: none is known */
    const char *domain; /* of mail that it gets; of a relay: from which it is sent */
};

struct hop_list {
    struct hop_entry all[HOP_LIST_MAX];
    size_t len;
    size_t left_out;
};

/* Texts are in the pool. False if the database is damaged. */
bool hop_list_find(struct check *check, struct hop_list *list);

#endif
