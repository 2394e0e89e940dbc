/* back_state: the back's side of one session, and what all handlers of requests do with it. */
#ifndef MAILSLOT_BACK_STATE_H
#define MAILSLOT_BACK_STATE_H

#include "../database/directory.h"
#include "auth.h"
#include "back_start.h"
#include "delivery.h"
#include "hops.h"
#include "local_user.h"
#include "milters.h"
#include "secured.h"
#include "worker.h"

/* What the front is doing. */
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
    bool broken; /* the database: its answers are unknown */
    bool logged_broken;
    bool started_tls;    /* by STARTTLS */
    bool no_tls;         /* it was tried and failed */
    int64_t session_end; /* clock_ms() */
    int64_t deadline;    /* when the front must have ended */
    uint64_t errors;     /* that the front counts too: unknown recipients, refused messages */
    uint64_t idle; /* the same of commands that led to no message, as far as the back sees them */
    uint64_t messages;
    enum end end;             /* why the session is over, */
    enum back_state ended_in; /* and in which state */
    uint64_t bytes;           /* received from the client by all fronts */
    struct database db;
    size_t settings_end; /* database_mark(): settings point to what is before it */
    struct settings settings;
    char folder[SETTINGS_PATH_MAX]; /* of the database */
    struct keyring keyring;
    struct secured tls;
    struct auth auth;
    struct local_user local; /* in the role local */
    struct hops hops;
    struct milters milters;
    struct delivery delivery;
    struct wall_message message;
    size_t body_len; /* of a message that was received */
};

/* Ends the session. */
void back_end(struct back *back, enum end why);

/* Ends it because of a signal. */
void back_stop(struct back *back);

/* Logs that the front has broken the rules, and ends the session. */
void back_breach(struct back *back, const char *what);

/* Sends back->message. */
void back_answer(struct back *back);

/* The same with a message of this length. */
void back_answer_text(struct back *back, size_t len);

/* Counts an error that a front counts too. True: it was one too many, and a breach. */
bool back_too_many_errors(struct back *back);

/* The same for commands that lead to no message (session_count_idle()). */
bool back_too_idle(struct back *back, uint64_t count);

/* Counts a reply: a 5xx as an error, a 4xx as a command that leads to no message. */
bool back_refused_too_often(struct back *back, enum reply reply);

/* What AUTH depends on in this session. */
struct auth_context back_auth_context(struct back *back);

/* Logs what is wrong with the database, once a session. */
void back_log_database(struct back *back);

/* Logs that if the verdict is VERDICT_DATABASE. Returns the verdict. */
enum verdict back_found(struct back *back, enum verdict verdict);

#endif
