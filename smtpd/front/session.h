/*
 * session: the rules of an SMTP session (RFC 5321 section 4), and of one of LMTP (RFC 2033), as a
 * pure state machine. Its parts: session_mail.h, session_text.h, session_auth.h.
 *
 * A line goes in; a step comes out: a reply for the client, a message for the back, or both, or the
 * demand to read a message's text. No I/O, no allocation.
 *
 *   state                 MAIL       RCPT       DATA, BDAT  HELO, EHLO, RSET
 *   before HELO           503        503        503         (RSET: 250)
 *   no transaction        asks back  503        503         250
 *   transaction           503        asks back  554 or 503  forgets it, 250
 *   ... with recipients   503        asks back  354, 250    forgets it, 250
 *   ... behind BDAT       503        503        503, 250    forgets it, 250
 *
 * MAIL asks the back, too; where AUTH is due it is 530 before. STARTTLS ends the session: the next
 * front begins a new one. In LMTP there is LHLO instead of HELO and EHLO, 503 instead of 554, and a
 * message has as many replies as recipients; by PRDR it has two more.
 */
#ifndef MAILSLOT_SESSION_H
#define MAILSLOT_SESSION_H

#include "data.h"
#include "step.h"

struct session {
    const struct wall_settings *settings;
    uint64_t errors; /* replies 5xx so far, as far as they count */
    uint64_t idle;   /* commands since the last message that led to none */
    uint64_t small_chunks;
    uint64_t messages; /* MAIL commands so far, refused ones as well (RFC 9422) */
    bool greeted;      /* HELO, EHLO or LHLO was said */
    bool extended;     /* ... not HELO */
    bool authenticated;
    bool forgiven;    /* LMTP: a refusal of this command is no error of who passes mail on */
    bool in_auth;     /* the next line is a response to a challenge */
    bool after_auth;  /* no other command since AUTH: what comes may be a password */
    bool bad_line;    /* line is the beginning of a line that is too long or malformed */
    const char *line; /* the one being handled; NULL while the back's answer is */
    size_t line_len;
    uint32_t mechanisms; /* of AUTH, offered now */
    uint16_t helo_len;
    char helo[WALL_HELO_MAX];
    struct {
        bool open; /* MAIL was accepted */
        bool refused_some;
        bool chunked;        /* BDAT has begun the message */
        bool utf8;           /* SMTPUTF8 was asked for */
        bool prdr;           /* PRDR was asked for */
        uint64_t recipients; /* accepted ones */
    } transaction;
    struct { /* what became of a message, and how much of it is said */
        size_t count, said;
        enum reply replies[WALL_RESULTS_MAX + 2]; /* PRDR: one before, one behind */
        char id[ID_MAX];
    } outcome;
    enum session_asked {
        SESSION_ASKED_NOTHING,
        SESSION_ASKED_STARTTLS,
        SESSION_ASKED_AUTH,
        SESSION_ASKED_VRFY,
        SESSION_ASKED_MAIL,
        SESSION_ASKED_RCPT,
        SESSION_ASKED_COMMIT
    } asked;
};

/* The greeting (none behind STARTTLS), or the refusal to serve. */
void session_begin(struct session *session, const struct wall_settings *settings,
                   struct session_step *step);

/* A command line, or a response if in_auth, without its CR LF; no CR, LF or NUL in it. */
void session_line(struct session *session, const char *line, size_t len, struct session_step *step);

/* Something that is not such a line, or its beginning: the reply tells what is wrong with it. */
void session_bad_line(struct session *session, enum reply reply, const char *line, size_t len,
                      struct session_step *step);

/* A TLS handshake where a command line is due. */
void session_unexpected_tls(struct session *session, struct session_step *step);

/* The back's answer to the last step that waited for one. */
void session_answer(struct session *session, const struct wall_message *answer,
                    struct session_step *step);

/* Counts a reply 5xx. True: there were too many, and step closes the session. In LMTP those to
 * MAIL, RCPT, DATA and BDAT do not count: what others have sent is no error of the mail system that
 * passes it on. */
bool session_count_error(struct session *session, struct session_step *step);

/* Counts commands that have led to no message. After max_idle of them the next command closes the
 * session. In LMTP transactions do not count: the client passes on what others send. */
void session_count_idle(struct session *session, uint64_t count);

/* A reply, counted if it is 4xx or 5xx. If it refuses a line, step tells the back, for the log: it
 * must have nothing else to send, except WALL_CANCEL. */
void session_refuse(struct session *session, struct session_step *step, enum reply reply);

/* A line that is no response: is it AUTH, even if it is written wrong? Passwords may be in it, and
 * in what follows it up to the next command. */
void session_note_auth(struct session *session, const char *line, size_t len);

/* Of one transaction. */
uint64_t session_max_recipients(const struct session *session);

/* A message for the back, whose answer is due. */
void session_ask(struct session *session, struct session_step *step, enum wall_type type,
                 enum session_asked asked);

/* What is said where no HELO, or LHLO, was. */
enum reply session_need_greeting(const struct session *session);

/* The session is over from outside: a deadline, the client or the back gone. */
void session_end(enum end end, struct session_step *step);

#endif
