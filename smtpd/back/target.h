/*
 * target: a place that a message is delivered to. Each is of a kind: a mailbox here
 * (target_mbox.h), or a recipient of another server, called a hop (target_hop.h).
 *
 * Mailboxes change in one step: target_deliver() brings a message to all mailboxes of a recipient
 * or to none. What a hop has accepted cannot be taken back: reach.h delivers to hops, before the
 * mailboxes.
 *
 * Targets belong to parts: a part is what gets one reply. It is the whole transaction, or in LMTP
 * and by PRDR one recipient. Once a target of a part has the message, the others are tried even
 * if one fails. Until then, a failure ends the part.
 */
#ifndef MAILSLOT_TARGET_H
#define MAILSLOT_TARGET_H

#include "../database/directory.h"
#include "../mailbox/mbox.h"
#include "../mailbox/message.h"
#include "../mailbox/trace.h"
#include "../wall/verdict.h"
#include "../wall/wall.h"
#include "failure.h"

struct delivery; /* the transaction: only failed() and target_hop.c look into it */
struct hop_recipient;

enum target_state {
    TARGET_WAITING,
    TARGET_DELIVERED,
    TARGET_REFUSED,   /* verdict says why; the message is not there */
    TARGET_UNCERTAIN, /* the hop has the message, or does not: its reply was lost */
    TARGET_DROPPED,   /* not tried, because the part is over */
};

struct target {
    const struct target_kind *kind;
    const struct settings *settings;
    struct directory_user user; /* whose it is; of a hop: if it is known */
    size_t asked;               /* the number of its recipient in the transaction, from 0 */
    size_t part;                /* from 0 */
    enum target_state state;
    enum verdict verdict; /* of TARGET_REFUSED */
    bool loop;            /* the message has been here before */
    bool kept;            /* it was delivered in an earlier transaction (done.h) */
    bool duplicate;       /* another target brings the message to the same place */
    bool prepared;        /* prepare() was called, close() was not */
    union {
        struct mbox mbox; /* of target_mbox */
        struct {          /* of target_relay and target_store */
            struct hop_recipient *recipient;
            bool has_text; /* the hop has the text for it, without the dot */
        };
    };
};

/* What targets need to know of the message, and of the transaction. */
struct target_message {
    const char *id;
    const struct trace *trace;
    struct slice received; /* trace_received() */
    struct message *text;
    int64_t deadline;           /* of waiting for locks: clock_ms() */
    const struct target *first; /* the first one of the transaction: earlier ones may have the
                                   message already (LMTP, PRDR) */
    /* Logs what could not be done with the target, and why. */
    void (*failed)(const struct delivery *delivery, const struct target *target, const char *doing,
                   const struct failure *failure);
    /* Right before the first dot: VERDICT_OK, or why the delivery ends here. */
    enum verdict (*last_moment)(struct delivery *delivery);
    struct delivery *delivery;
};

enum { TARGET_PLACE_MAX = DIRECTORY_PATH_MAX + ADDRESS_TEXT_MAX + 16 };

struct target_kind {
    int order; /* kinds with the smaller number come first */

    /* The order of this kind's targets in a part, as in qsort(). Those of one hop are equal. */
    int (*compare)(const struct target *a, const struct target *b);

    /* Writes where it is, as one line. Returns its length. */
    size_t (*place)(const struct target *target, char to[TARGET_PLACE_MAX]);

    /* Writes whose it is: an address. */
    void (*name)(const struct target *target, char to[ADDRESS_TEXT_MAX]);

    /* One of them is NULL. */
    const struct target_mailbox *mailbox;
    const struct target_hop *hop;
};

/* What a mailbox does. Functions that return a verdict return VERDICT_OK, or log why not. */
struct target_mailbox {
    /* At RCPT: may a message of the size that MAIL has declared come (0: not declared)? Logs
     * nothing. */
    enum verdict (*ask)(const struct target *target, uint64_t size);
    /* After the text, before hops get it: could the message be delivered now? Changes nothing. */
    enum verdict (*look)(const struct target_message *message, struct target *target);
    /* Opens them, but locks nothing. */
    enum verdict (*prepare)(const struct target_message *message, struct target *targets,
                            size_t count);
    /* Brings the message there, on the disk. */
    enum verdict (*send)(const struct target_message *message, struct target *targets,
                         size_t count);
    /* Lets it stay. From here on nothing is undone. Cannot fail. */
    void (*settle)(const struct target_message *message, struct target *targets, size_t count);
    /* Restores the state before prepare(). prepare() was called, but may have failed. */
    void (*undo)(const struct target_message *message, struct target *targets, size_t count,
                 enum verdict why);
    /* The transaction is over: called after settle() or undo(). */
    void (*close)(struct target *target);
};

/* What a hop does, for all of its targets at once. Each function logs what fails. */
struct target_hop {
    /* Brings the text to the hop, without the dot, for the targets that wait. Sets the state of
     * those for which that fails. */
    void (*text)(const struct target_message *message, struct target *targets, size_t count);
    /* Right before the first dot: the hop has the text, but has it hung up meanwhile? Then sets the
     * state of the targets that wait. */
    void (*look)(const struct target_message *message, struct target *targets, size_t count);
    /* Sends the dot, and sets the state of the targets that wait to what the hop replies. */
    void (*dot)(const struct target_message *message, struct target *targets, size_t count);
    /* The hop must forget the text, if it has it, and the envelope. */
    void (*abandon)(const struct target_message *message, struct target *targets, size_t count);
    /* Writes the reply of the hop, if the target's verdict_is_said(). Returns its length. */
    size_t (*said)(const struct target *target, char to[WALL_SAID_MAX + 1]);
};

/* Sorts targets: by kind, hops by hop, mailboxes by part. */
void target_sort(struct target *targets, size_t count);

/* Of sorted targets: where those end that stand together with the first one: those of one hop, or
 * the mailboxes of a part. */
size_t target_group(const struct target *targets, size_t count);

/* Is the message at a target of this part, or may it be? */
bool target_is_begun(const struct target *targets, size_t count, size_t part);

/* Ends each part that a target has refused and that is not begun: targets that wait are dropped. */
void target_end_parts(struct target *targets, size_t count);

/* Refuses those that wait. */
void target_refuse(struct target *targets, size_t count, enum verdict why);

/* Delivers to the mailboxes of a part that wait: to all of them or to none; or, if the part is
 * begun, to as many as possible. */
void target_deliver(const struct target_message *message, struct target *targets, size_t count,
                    bool begun);

/* Ends the transaction for its targets. */
void target_close(struct target *targets, size_t count);

#endif
