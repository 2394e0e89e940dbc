/*
 * back_state: the back's side of one session, and what all that handle requests do with it.
 */
#ifndef MAILSLOT_BACK_STATE_H
#define MAILSLOT_BACK_STATE_H

#include "../database/directory.h"
#include "auth.h"
#include "back.h"
#include "delivery.h"
#include "secured.h"
#include "worker.h"

/* What the front is at. */
enum back_state {
    BACK_DONE = 0,
    BACK_HANDSHAKE = 1 << 0,
    BACK_IDLE = 1 << 1,
    BACK_AUTH = 1 << 2,        /* the client owes a response */
    BACK_ENVELOPE = 1 << 3,    /* after MAIL */
    BACK_READY = 1 << 4,       /* there is a recipient */
    BACK_TEXT = 1 << 5,        /* some of the text is there */
    BACK_LEAVING = 1 << 6,     /* STARTTLS is granted: the front replies 220 and exits */
    BACK_HANDED_OVER = 1 << 7, /* it has replied */

    BACK_TRANSACTION = BACK_ENVELOPE | BACK_READY | BACK_TEXT,
    BACK_COMMANDS = BACK_IDLE | BACK_TRANSACTION,
    BACK_ANY = BACK_HANDSHAKE | BACK_AUTH | BACK_COMMANDS | BACK_LEAVING,
};

struct back {
    const struct back_start *start;
    struct worker front;
    struct worker next; /* waits to take over after STARTTLS */
    enum back_state state;
    bool broken; /* the database: there is no telling what it should say */
    bool logged_broken;
    bool started_tls;    /* by STARTTLS */
    bool no_tls;         /* it was tried in vain */
    int64_t session_end; /* clock_ms() */
    int64_t deadline;    /* of the front */
    uint64_t errors;     /* that the front counts, too: no such recipients, messages refused */
    uint64_t idle;       /* commands that led to no message, since the last one; those seen here */
    uint64_t messages;
    enum end end;             /* why the session is over, */
    enum back_state ended_in; /* and in which state */
    uint64_t bytes;           /* that the client has sent to the fronts */
    struct database db;
    size_t settings_end; /* database_mark(): settings point to what is before it */
    struct settings settings;
    char folder[SETTINGS_PATH_MAX]; /* that the database is in */
    struct keyring keyring;
    struct secured tls;
    struct auth auth;
    struct delivery delivery;
    struct wall_message message;
    size_t body_len; /* of a message that was received */
};

/* Ends the session. */
void back_end(struct back *back, enum end why);

/* A front that breaks the rules is not ours any more. */
void back_breach(struct back *back, const char *what);

/* Sends back->message. */
void back_answer(struct back *back);

/* One more of the errors that a front counts, too. True: it was too many, and a breach. */
bool back_too_many_errors(struct back *back);

/* The same for commands that lead to no message (session_count_idle()). */
bool back_too_idle(struct back *back, uint64_t count);

/* What AUTH is about. */
struct auth_context back_auth_context(struct back *back);

/* What is wrong with the database is said once a session, and to the administrator alone. */
void back_log_database(struct back *back);

#endif
