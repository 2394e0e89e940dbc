/*
 * delivery: one mail transaction: a message, and all mailboxes it goes to, or none.
 *
 * 250 is said when delivery_commit() says VERDICT_OK: then the message is in every mailbox, and
 * on the disk. After any other result no mailbox has changed. A crash in between leaves the message
 * in the mailboxes where it is complete, and undo.h takes it off the one where it is torn.
 *
 * In LMTP, and by PRDR, that holds for each recipient by itself: one behind the other has all of
 * its mailboxes or none. A mailbox that an earlier recipient has brought the message to does not
 * get it again.
 */
#ifndef MAILSLOT_DELIVERY_H
#define MAILSLOT_DELIVERY_H

#include "../database/directory.h"
#include "../database/settings.h"
#include "../mailbox/facts.h"
#include "../mailbox/header.h"
#include "../mailbox/mbox.h"
#include "../mailbox/mboxrd.h"
#include "../mailbox/spool.h"
#include "../wall/wall.h"
#include "log.h"
#include "secured.h"

/* Where messages come from. */
struct delivery_client {
    const char *peer;
    const struct secured *tls;
    const char *user; /* the key of who is authenticated */
    size_t user_len;  /* 0: nobody is */
    bool lmtp;
    bool submission; /* Date and Message-ID are added where they are missing (RFC 6409 8) */
};

/* One mailbox. */
struct delivery_target {
    struct directory_user user;
    struct mbox mbox;
    bool loop; /* it has been here before */
};

/* A recipient that has a result of its own; its targets are those behind the last one's up to end.
 */
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
    char listed[LOG_LIST_MAX]; /* for the log: a line each, as many as there is room for */
    size_t listed_len;
    int64_t begun, committed; /* clock_ms(); committed 0: the text is not whole */
    uint64_t size;            /* of the text so far */
    enum verdict refused;
    char id[ID_MAX];
    struct header header;
    struct facts facts;
    struct mboxrd mboxrd;
    struct spool spool;
    struct undo_rules rules;               /* how to judge what a crash has left in a mailbox */
    const struct delivery_target *locking; /* the one being locked or cut back */
    struct delivery_target *targets;       /* all, or in commit_parts() those of one recipient; */
    size_t count;                          /* so many */
    struct delivery_target all[DIRECTORY_MAILBOXES_MAX];
    struct delivery_part parts[WALL_RESULTS_MAX];
};

/* Begins a transaction with a new id. */
void delivery_begin(struct delivery *delivery, const struct settings *settings,
                    const struct delivery_client *client, const struct wall_mail *mail);

/* Adds a recipient's mailboxes, but those of disabled users and those that are there already (where
 * each has a result: by this recipient). All, and VERDICT_OK is returned, or none:
 * VERDICT_TOO_MANY, VERDICT_OVER_QUOTA, VERDICT_NO_SPACE, VERDICT_DATABASE. */
enum verdict delivery_add(struct delivery *delivery, struct database *db,
                          const struct address *recipient, const struct directory_match *match);

/* Adds message text. What goes wrong shows when it is committed. */
void delivery_text(struct delivery *delivery, const char *text, size_t len);

/* Delivers; the transaction is over then. Logs what became of it. */
void delivery_commit(struct delivery *delivery, struct wall_result *result);

/* Forgets the transaction. Does no harm where there is none. */
void delivery_abandon(struct delivery *delivery);

#endif
