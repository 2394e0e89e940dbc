/*
 * delivery: one mail transaction: a message, and all mailboxes it goes to, or none.
 *
 * 250 is said when delivery_commit() says WALL_DELIVERED: then the message is in every mailbox, and
 * on the disk. After any other result no mailbox has changed. A crash in between leaves the message
 * in the mailboxes where it is complete, and undo.h takes it off the one where it is torn.
 */
#ifndef MAILSLOT_DELIVERY_H
#define MAILSLOT_DELIVERY_H

#include "../settings.h"
#include "../wall.h"
#include "directory.h"
#include "loop.h"
#include "mbox.h"
#include "quote.h"
#include "spool.h"

/* So many mailboxes can one transaction lock: two descriptors each, and processes have 1,024. */
enum { DELIVERY_MAILBOXES_MAX = 400 };

struct delivery {
    const struct settings *settings;
    const char *peer;
    struct wall_mail mail;
    uint64_t recipients;
    struct address recipient; /* the last one accepted */
    uint64_t size;            /* of the text so far */
    enum wall_result_code refused;
    char id[WALL_ID_MAX];
    struct quote quote;
    struct loop loop;
    struct spool spool;
    size_t count;
    struct delivery_target {
        struct directory_user user;
        struct mbox mbox;
    } targets[DELIVERY_MAILBOXES_MAX];
};

/* Begins a transaction with a new id. */
void delivery_begin(struct delivery *delivery, const struct settings *settings, const char *peer,
                    const struct wall_mail *mail);

/* Adds a recipient's mailboxes, but those it has already and those of disabled users. All or none.
 * Returns 1, 0 if that were too many, -1 if the database is damaged. */
int delivery_add(struct delivery *delivery, struct database *db, const struct address *recipient,
                 const struct directory_match *match);

/* Adds message text. What goes wrong shows when it is committed. */
void delivery_text(struct delivery *delivery, const char *text, size_t len);

/* Delivers; the transaction is over then. Logs what became of it. */
enum wall_result_code delivery_commit(struct delivery *delivery);

/* Forgets the transaction. Does no harm where there is none. */
void delivery_abandon(struct delivery *delivery);

#endif
