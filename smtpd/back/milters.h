/*
 * milters: the filters of a session. Nothing is done for them before the first MAIL. Then they are
 * connected, get a hand, and hear of the client and its HELO. They are kept from one transaction to
 * the next, and ended by STARTTLS and with the session.
 *
 * Each step of a transaction goes to one filter after the other, until one refuses. A filter that
 * has accepted the session (at connect or HELO) or the message (later) is not asked any more. What
 * a filter says at connect is its answer to every MAIL, what it says at HELO until another HELO.
 *
 * In a long session they are sometimes connected anew, with another hand.
 *
 * A filter that fails is logged, once. With `milter-failure = defer` the step, and every later one
 * of the transaction, is VERDICT_MILTER_UNAVAILABLE; with `accept` the transaction goes on without
 * that filter. The next MAIL connects it anew, unless it was too slow.
 *
 * Refusals and failures are logged here. If a filter discards the message, delivery->discarded_by
 * is set, and no filter is asked any more.
 */
#ifndef MAILSLOT_BACK_MILTERS_H
#define MAILSLOT_BACK_MILTERS_H

#include "../database/socket_path.h"
#include "delivery_state.h"
#include "milter_edit.h"
#include "milter_event.h"
#include "milter_outcome.h"
#include "worker.h"

struct draft;

/* So many times `milter-timeout` is the end of a step before the dot, and of all after it. */
enum { MILTERS_PATIENCE = 4 };

/* A hand that was waited for so long altogether, in milliseconds, is replaced at the next MAIL:
 * before its processor time is used up (confine_worker.h) in the middle of a message. */
enum { MILTERS_HAND_MS = 60000 };

struct milter {
    char path[SOCKET_PATH_MAX + 1];
    enum milter_state {
        MILTER_UNCONNECTED,
        MILTER_CONNECTED, /* it has a socket, and a hand */
        MILTER_IN_USE,    /* it knows the client */
        MILTER_LEFT,      /* it has accepted the session */
        MILTER_FAILED,    /* until the next MAIL */
        MILTER_TOO_SLOW,  /* until the session ends */
    } state;
    bool knows_helo;
    bool knows_mail; /* of a transaction that is not over */
    bool done;       /* it has accepted the message */
    /* MILTER_CONNECT or MILTER_HELO: it has refused there, with this reply. MILTER_IDLE: it has
     * not. */
    enum milter_step refused;
    struct wall_milter_reply refusal;
};

struct milters {
    const struct settings *settings;
    struct milter_client client;
    struct delivery *delivery; /* the transaction */
    struct worker hand;
    int64_t waited_ms; /* for this hand */
    struct milter all[MILTERS_MAX];
    size_t count;
    uint16_t helo_len; /* of what they know */
    char helo[WALL_HELO_MAX];
    bool kept;  /* the connections are those of earlier transactions; */
    bool stale; /* one of them was closed meanwhile */
    struct milter_event event;
    struct milter_outcome outcome; /* of the last step: milter_outcome_said() */
    struct wall_message message;   /* to and from the hand */
};

/* Those for this role. Must be called before anything else, and makes no system call. */
void milters_init(struct milters *milters, const struct settings *settings, enum role role);

/* How many there are: they have the numbers from 0. */
size_t milters_count(const struct milters *milters);

/* Does one of them want to see the message of this transaction? */
bool milters_want_message(const struct milters *milters);

/* MAIL, of this transaction. If it is not VERDICT_OK the transaction is over. */
enum verdict milters_mail(struct milters *milters, const struct milter_client *client,
                          struct delivery *delivery);

/* RCPT. own: what the directory says of it; VERDICT_OK: it goes to another domain. A recipient that
 * it refuses is shown to the filters that want to see it, but what they say does not matter:
 * returns own. */
enum verdict milters_recipient(struct milters *milters, const struct address *recipient,
                               enum verdict own);

/* After the dot: shows filter `number` the message as it is now. `to` gets what it wants to have
 * changed. milters->outcome says more: if outcome.failed, and if the verdict refuses, what it has
 * changed must be undone. deadline: clock_ms(), of everything after the dot. */
enum verdict milters_message(struct milters *milters, size_t number, struct draft *draft,
                             int64_t deadline, const struct milter_changes *to);

/* The transaction is over. */
void milters_abort(struct milters *milters);

/* Ends all connections. */
void milters_end(struct milters *milters);

#endif
