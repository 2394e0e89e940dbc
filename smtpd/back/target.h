/*
 * target: a place that a message is delivered to. Each is of a kind: target_mbox.h is the first.
 *
 * target_deliver() takes a message to all of its targets or to none, in three rounds. If a kind
 * fails in the first or second, all that were prepared undo what they have done; the third cannot
 * fail.
 *
 *   prepare  Find out what would make the delivery fail, and do what takes long, but lock nothing.
 *            (A mailbox is opened; another server would get the text without the final dot.)
 *   send     Bring the message there, on the disk. (The other server would get the dot.)
 *   settle   Let it stay. From here on nothing is undone.
 *
 * A kind whose send() cannot be undone must send first, and so has the smallest order. Kinds
 * prepare in reverse order. Each gets all of its targets at once, because mailboxes are locked
 * together.
 */
#ifndef MAILSLOT_TARGET_H
#define MAILSLOT_TARGET_H

#include "../database/directory.h"
#include "../mailbox/mbox.h"
#include "../mailbox/spool.h"
#include "../mailbox/trace.h"
#include "../wall/verdict.h"
#include "failure.h"

struct delivery; /* the transaction: only failed() looks into it */

struct target {
    const struct target_kind *kind;
    const struct settings *settings;
    struct directory_user user; /* whose it is */
    bool loop;                  /* the message has been here before */
    bool duplicate;             /* another target brings the message to the same place */
    bool prepared;              /* prepare() was called, close() was not */
    struct mbox mbox;           /* of target_mbox; another kind adds its own */
};

/* What targets need to know of the message, and of the transaction. */
struct target_message {
    const char *id;
    const struct trace *trace;
    struct slice received;      /* trace_received() */
    struct spool *spool;        /* its text, as mboxrd.h has prepared it for mailboxes */
    int64_t deadline;           /* of waiting for locks: clock_ms() */
    const struct target *first; /* the first one of the transaction: earlier ones may have the
                                   message already (LMTP, PRDR) */
    /* Logs what could not be done with the target, and why. */
    void (*failed)(const struct delivery *delivery, const struct target *target, const char *doing,
                   const struct failure *failure);
    const struct delivery *delivery;
};

/* Functions that return a verdict return VERDICT_OK, or log why not. */
struct target_kind {
    int order; /* kinds with the smaller number send and settle first */

    /* At RCPT: may a message of the size that MAIL has declared come (0: not declared)? Logs
     * nothing. */
    enum verdict (*ask)(const struct target *target, uint64_t size);

    /* The order of this kind's targets, as in qsort(). */
    int (*compare)(const struct target *a, const struct target *b);

    enum verdict (*prepare)(const struct target_message *message, struct target *targets,
                            size_t count);
    enum verdict (*send)(const struct target_message *message, struct target *targets,
                         size_t count);
    void (*settle)(const struct target_message *message, struct target *targets, size_t count);

    /* Restores the state before prepare(). prepare() was called, but may have failed. */
    void (*undo)(const struct target_message *message, struct target *targets, size_t count,
                 enum verdict why);

    /* The transaction is over: called after settle() or undo(). */
    void (*close)(struct target *target);
};

/* Delivers to all of them, or to none. Sorts them by kind. */
enum verdict target_deliver(const struct target_message *message, struct target *targets,
                            size_t count);

/* Ends the transaction for its targets. */
void target_close(struct target *targets, size_t count);

#endif
