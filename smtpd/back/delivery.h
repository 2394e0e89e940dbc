/*
 * delivery: one mail transaction: a message, and all targets it goes to, or none (target.h).
 *
 * The client gets 250 if delivery_commit() returns VERDICT_OK: then the message is in every
 * mailbox, and on the disk. After any other result no mailbox has changed. A crash in between
 * leaves the message in the mailboxes where it is complete; where it is torn, undo.h cuts it off.
 *
 * In LMTP, and by PRDR, that holds for each recipient separately: one after the other gets the
 * message in all of its mailboxes, or in none. A mailbox that got it for an earlier recipient does
 * not get it again.
 */
#ifndef MAILSLOT_DELIVERY_H
#define MAILSLOT_DELIVERY_H

#include "../database/directory.h"
#include "../database/settings.h"
#include "../mailbox/message.h"
#include "../wall/wall.h"
#include "log.h"
#include "secured.h"
#include "target.h"

/* Where messages come from. */
struct delivery_client {
    const char *peer;
    const struct secured *tls;
    struct slice user; /* the key of the user who is logged in; empty: nobody is */
    bool lmtp;
    bool submission; /* add Date and Message-ID where they are missing (RFC 6409 8) */
};

/* A recipient with a result of its own. Its targets are those after the last recipient's, up to
 * end. */
struct delivery_part {
    struct address recipient;
    size_t end;
};

struct delivery {
    const struct settings *settings;
    struct delivery_client client;
    struct wall_mail mail;
    bool each; /* recipient has a result of its own: in LMTP, or by PRDR */
    uint64_t recipients;
    struct address recipient;  /* the last one accepted */
    char listed[LOG_LIST_MAX]; /* for the log: a line each, as many as fit */
    size_t listed_len;
    int64_t begun, committed; /* clock_ms(); committed 0: the text is not complete */
    enum verdict refused;     /* VERDICT_OK: not yet */
    char id[ID_MAX];
    struct message message;
    struct target *targets; /* all, or in commit_parts() those of one recipient; */
    size_t count;           /* so many */
    struct target all[DIRECTORY_MAILBOXES_MAX];
    struct delivery_part parts[WALL_RESULTS_MAX];
};

/* There is no transaction yet. */
void delivery_init(struct delivery *delivery);

/* Begins a transaction with a new id. */
void delivery_begin(struct delivery *delivery, const struct settings *settings,
                    const struct delivery_client *client, const struct wall_mail *mail);

/* Adds a recipient's mailboxes, except those of disabled users and those that are there already
 * (where each recipient has a result: that this recipient has already). Adds all, and returns
 * VERDICT_OK, or none: VERDICT_TOO_MANY, VERDICT_OVER_QUOTA, VERDICT_NO_SPACE, VERDICT_DATABASE. */
enum verdict delivery_add(struct delivery *delivery, struct database *db,
                          const struct address *recipient, const struct directory_match *match);

/* Adds message text. delivery_commit() reports what goes wrong. */
void delivery_text(struct delivery *delivery, struct slice text);

/* Delivers, logs the result, and ends the transaction. */
void delivery_commit(struct delivery *delivery, struct wall_result *result);

/* Forgets the transaction, if there is one. */
void delivery_abandon(struct delivery *delivery);

#endif
