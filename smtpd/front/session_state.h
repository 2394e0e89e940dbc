/*
 * session_state: what a session remembers, what a verb consists of, and the functions that all
 * parts of the state machine share. Pure.
 */
#ifndef MAILSLOT_SESSION_STATE_H
#define MAILSLOT_SESSION_STATE_H

#include "../base/slice.h"
#include "step.h"

/* Where a session stands, as bits. From SESSION_ENVELOPE on there is a transaction. */
enum session_state {
    SESSION_START = 1 << 0,      /* before HELO, EHLO or LHLO */
    SESSION_READY = 1 << 1,      /* no transaction */
    SESSION_ENVELOPE = 1 << 2,   /* MAIL was accepted, and no RCPT came yet */
    SESSION_REFUSED = 1 << 3,    /* ... all RCPTs were refused */
    SESSION_RECIPIENTS = 1 << 4, /* ... at least one was accepted */
    SESSION_CHUNKS = 1 << 5,     /* BDAT has begun the message */
    SESSION_ANY = (1 << 6) - 1,
};

struct session {
    const struct wall_settings *settings;
    const struct verb *verb; /* of the last command; NULL: unknown */
    enum session_state state;
    uint64_t errors; /* 5xx replies so far that count */
    uint64_t idle;   /* commands since the last message that count for max-idle-commands */
    uint64_t small_chunks;
    uint64_t messages;   /* MAIL commands so far, refused ones as well (RFC 9422) */
    bool extended;       /* EHLO or LHLO was the last greeting */
    bool authenticated;  /* or known in another way (role local) */
    bool in_auth;        /* the next line is a response to a challenge */
    bool after_auth;     /* no other command came since AUTH: the line may be a password */
    bool bad_line;       /* line is the beginning of a line that is too long or malformed */
    struct slice line;   /* the one being handled; .at is NULL while the back's answer is */
    uint32_t mechanisms; /* for AUTH, offered now */
    uint16_t helo_len;
    char helo[WALL_HELO_MAX];
    struct {
        bool utf8;           /* SMTPUTF8 was asked for */
        bool prdr;           /* PRDR was asked for */
        uint64_t recipients; /* accepted ones */
    } transaction;
    struct slice said; /* what is left of WALL_SAID; its caller keeps the bytes */
    struct {           /* what became of a message, and how many of the replies were sent */
        size_t count, sent;
        enum reply replies[WALL_RESULTS_MAX + 2]; /* PRDR: one before, one after */
        char id[ID_MAX];
    } outcome;
};

/* In which protocols a verb exists, as bits. */
enum verb_protocol { VERB_SMTP = 1 << 0, VERB_LMTP = 1 << 1 };

enum verb_flag {
    VERB_BARE = 1 << 0,     /* it takes no argument */
    VERB_SECRET = 1 << 1,   /* a password may be in its argument */
    VERB_CHUNK = 1 << 2,    /* a chunk follows, even if it is refused */
    VERB_MESSAGE = 1 << 3,  /* it counts for max-messages */
    VERB_IDLE = 1 << 4,     /* it counts for max-idle: it costs time and brings no mail */
    VERB_ALWAYS = 1 << 5,   /* it is obeyed even when there were too many of those */
    VERB_FORGIVEN = 1 << 6, /* in LMTP a refusal of it does not count as an error */
};

/* A verb. All of them are in the table of session_verbs.c. */
struct verb {
    const char *name;
    unsigned protocols;
    unsigned states; /* in which it may come */
    unsigned flags;
    const char *syntax; /* after the name, for HELP; NULL: HELP does not know the verb */
    enum reply (*may)(const struct session *session); /* REPLY_OK or a refusal; NULL: it may */
    void (*act)(struct session *session, struct slice argument, struct step *step);
    enum wall_type answer; /* of the back, if act() or what follows from it asks */
    void (*answered)(struct session *session, const struct wall_message *answer, struct step *step);
};

/* Counts a reply 5xx. True: there were too many, and step closes the session. In LMTP those to a
 * VERB_FORGIVEN do not count: the client is a mail system that passes on what others have sent. */
bool session_count_error(struct session *session, struct step *step);

/* Counts commands that have led to no message. After max_idle of them the next command closes the
 * session. In LMTP, transactions do not count, as above. */
void session_count_idle(struct session *session, uint64_t count);

/* A reply, not counted. Of another server or a filter, its own text is taken from WALL_SAID, if
 * there is any that fits. A filter's 421 closes the session. insert: as in reply_write(). */
void session_write(struct session *session, struct step *step, enum reply reply,
                   const char *insert);

/* A reply, counted if it is 4xx or 5xx. If it refuses a line, step tells the back, for the log: it
 * must have nothing else to send, except WALL_CANCEL. */
void session_reply(struct session *session, struct step *step, enum reply reply);

/* The end of a transaction, in the front. */
void session_reset(struct session *session);

/* The same where the back must forget the transaction, too: at HELO, EHLO, LHLO and RSET, and
 * when the message is refused. */
void session_abandon(struct session *session, struct step *step);

/* Writes a verb with its syntax, for REPLY_SYNTAX and HELP. Returns to. */
enum { SESSION_SYNTAX_MAX = 256 };
const char *session_syntax(const struct session *session, const struct verb *verb,
                           char to[SESSION_SYNTAX_MAX]);

#endif
