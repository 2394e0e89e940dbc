/*
 * milters: the filters of a session. Nothing is done for them before the first MAIL. Then they are
 * connected, their hand is forked, and they are told about the client and its HELO. The connections
 * are kept for later transactions, until STARTTLS or the end of the session.
 *
 * Each step of a transaction goes to one filter after the other, until one refuses. A filter that
 * has accepted the session (at connect or HELO) or the message (later) is not asked any more. A
 * refusal at connect is the answer to every MAIL of the session; one at HELO, to every MAIL until
 * another HELO.
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
#include "milter_macros.h"
#include "milter_outcome.h"
#include "worker.h"

struct draft;

/* With progress, a step before the dot, or everything after it, may take so many times
 * `milter-timeout`. */
enum { MILTERS_PATIENCE = 4 };

/* A hand that was waited for so long altogether, in milliseconds, is replaced at the next MAIL:
 * before its processor time is used up (confine_worker.h) in the middle of a message. */
enum { MILTERS_HAND_MS = 60000 };

struct filter {
    char path[SOCKET_PATH_MAX + 1];
    enum filter_state {
        FILTER_UNCONNECTED,
        FILTER_CONNECTED, /* it has a socket, and a hand */
        FILTER_IN_USE,    /* it knows the client */
        FILTER_LEFT,      /* it has accepted the session */
        FILTER_FAILED,    /* until the next MAIL */
        FILTER_TOO_SLOW,  /* until the session ends */
    } state;
    bool knows_helo;
    bool knows_mail; /* of a transaction that is not over */
    bool done;       /* it has accepted the message */
    /* MILTER_CONNECT or MILTER_HELO: where it has refused the session, with this reply; or
     * MILTER_IDLE. */
    enum milter_step refused;
    struct wall_milter_reply refusal;
};

struct milters {
    const struct settings *settings;
    size_t count;
    struct worker hand;
    int64_t waited_ms;         /* for this hand */
    struct delivery *delivery; /* the transaction */
    struct milter_client client;
    bool kept;         /* the connections are those of earlier transactions; */
    bool stale;        /* one of them was closed meanwhile */
    uint16_t helo_len; /* of the HELO that they know */
    char helo[WALL_HELO_MAX];
    struct filter all[MILTERS_MAX];
    struct milter_event event;
    struct milter_outcome outcome; /* of the last step */
    struct wall_message message;   /* to and from the hand */
};

/* Finds the filters for this role. Must be called before anything else, and makes no system call.
 */
void milters_init(struct milters *milters, const struct settings *settings, enum role role);

/* How many there are: they have the numbers from 0. */
size_t milters_count(const struct milters *milters);

/* Does one of them want to see the message of this transaction? */
bool milters_want_message(const struct milters *milters);

/* MAIL, of this transaction. If it is not VERDICT_OK the transaction is over. */
enum verdict milters_mail(struct milters *milters, const struct milter_client *client,
                          struct delivery *delivery);

/* RCPT. own: what the directory says of it; VERDICT_OK: it goes to another domain. Filters
 * that ask for it also see recipients that the directory refuses; their replies change nothing, and
 * own is returned. */
enum verdict milters_recipient(struct milters *milters, const struct address *recipient,
                               enum verdict own);

/* After the dot: shows filter `number` the message as it is now. The changes that it asks for go to
 * `to`; the caller must undo them if the verdict refuses, or if milters->outcome.failed. deadline:
 * clock_ms(), of everything after the dot. */
enum verdict milters_message(struct milters *milters, size_t number, struct draft *draft,
                             int64_t deadline, const struct milter_changes *to);

/* The transaction is over. */
void milters_abort(struct milters *milters);

/* Ends all connections. */
void milters_end(struct milters *milters);

#endif
