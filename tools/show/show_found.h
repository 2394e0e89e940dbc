/*
 * show_found: how the server answers RCPT for an address.
 */
#ifndef MAILSLOT_SHOW_FOUND_H
#define MAILSLOT_SHOW_FOUND_H

#include "../../smtpd/database/directory.h"
#include "show_way.h"

/* What the tool looks addresses up in. */
struct show {
    struct database *db;
    const struct settings *settings;
    const struct show_way *way;
};

struct show_found {
    bool valid; /* the text is an address; if not, the rest is not set */
    struct address address;
    enum verdict verdict;
    struct directory_match match;
    char name[ADDRESS_KEY_MAX + 1]; /* what it was found as; `@domain` of a catch-all */
    bool has_detail;                /* the name is without the delimiter and what follows it */
    char status[REPLY_STATUS_MAX];
    const char *meaning; /* of the reply */
    int code;            /* the exit code, of message.h */
};

void show_find(const struct show *show, const char *text, struct show_found *found);

/* Was a user, an alias or a catch-all found, even if it is disabled? */
bool show_has_targets(const struct show_found *found);

/* Can authenticated users send there through a relay? */
bool show_is_relayed(const struct show *show, const struct show_found *found);

#endif
