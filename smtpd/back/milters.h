/*
 * milters: the filters of a session. Nothing is done for them before the first MAIL. Then they are
 * connected, get a hand, and hear of the client and its HELO. They are kept from one transaction to
 * the next, and ended by STARTTLS and with the session.
 *
 * Each step of a transaction goes to one filter after the other, until one refuses. A filter that
 * has accepted the session (at connect or HELO) or the message (later) is not asked any more. What
 * a filter says at connect is its answer to every MAIL, what it says at HELO until another HELO.
 *
 * A filter that fails is logged, once. With `milter-failure = defer` the step, and every later one
 * of the transaction, is VERDICT_MILTER_UNAVAILABLE; with `accept` the transaction goes on without
 * that filter. The next MAIL connects it anew, unless it was too slow.
 *
 * Refusals are logged here.
 */
#ifndef MAILSLOT_MILTERS_H
#define MAILSLOT_MILTERS_H

#include "../database/socket_path.h"
#include "delivery_state.h"
#include "milter_outcome.h"
#include "worker.h"

struct draft;

/* The client and its session, as filters get to know them. */
struct milter_client {
    enum role role;
    const char *hostname;  /* ours */
    const char *mechanism; /* of AUTH; NULL: none */
    uint16_t port;         /* the client's; 0: not known */
};

struct milter {
    char path[SOCKET_PATH_MAX + 1];
    enum milter_state {
        MILTER_UNASKED,  /* it is connected, but knows nothing yet */
        MILTER_IN_USE,   /* it knows the client */
        MILTER_LEFT,     /* it has accepted the session */
        MILTER_FAILED,   /* until the next MAIL */
        MILTER_TOO_SLOW, /* until the session ends */
    } state;
    enum milter_step refused; /* MILTER_CONNECT or MILTER_HELO: it has refused there, with */
    struct wall_milter_reply refusal; /* this; MILTER_IDLE: it has not */
    bool told;                        /* of a transaction that is not over */
    bool done;                        /* it has accepted the message */
    uint32_t actions;                 /* what it may change: SMFIF_* */
};

struct milters {
    const struct settings *settings;
    struct milter_client client;
    const struct delivery *delivery; /* the transaction */
    struct worker hand;
    struct milter all[MILTERS_MAX];
    size_t count;
    uint16_t helo_len; /* of what they were told; 0: nothing */
    char helo[WALL_HELO_MAX];
    struct milter_outcome outcome; /* of the last step: milter_outcome_said() */
    struct wall_message message;   /* to and from the hand */
};

/* A change that a filter wants; its form was checked. Lines of values are separated by LF, and the
 * value of a field begins with the blank after the colon. */
struct milter_edit {
    enum milter_change kind;
    uint32_t index;
    struct slice name, value;
};

/* Who applies changes, in their order. change() returns NULL, or what is wrong with it: then the
 * filter has failed. */
struct milter_changes {
    const char *(*change)(void *context, const struct milter_edit *edit);
    void *context;
};

/* Those for this role. Must be called before anything else, and makes no system call. */
void milters_init(struct milters *milters, const struct settings *settings, enum role role);

/* How many there are: they have the numbers from 0. */
size_t milters_count(const struct milters *milters);

/* Does one of them want to see the message of this transaction? */
bool milters_want_message(const struct milters *milters);

/* MAIL, of this transaction. If it is not VERDICT_OK the transaction is over. */
enum verdict milters_mail(struct milters *milters, const struct milter_client *client,
                          const struct delivery *delivery);

/* RCPT. own: what the directory says of it. A recipient that it refuses is shown to the filters
 * that want to see it, but what they say does not matter: returns own. */
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
