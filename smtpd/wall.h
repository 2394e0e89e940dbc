/*
 * wall: the messages between front and back.
 *
 * A SOCK_SEQPACKET pair carries one struct wall_message a packet: a type, and the body of that
 * type. The front asks, the back answers; only WALL_SETTINGS comes unasked, as the very first
 * message. wall_receive() hands on nothing but messages of a known type whose length is right for
 * that type; what is in them the back checks again (back.c), for the front may have been taken
 * over.
 */
#ifndef MAILSLOT_WALL_H
#define MAILSLOT_WALL_H

#include "address.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
    WALL_HELO_MAX = 255,
    WALL_TEXT_MAX = 65536, /* bytes of message text in one WALL_TEXT */
    WALL_ID_MAX = 24,      /* a transaction id with its NUL */
};

enum wall_type {
    /* back to front */
    WALL_SETTINGS = 1, /* struct wall_settings */
    WALL_VERDICT,      /* struct wall_verdict: the answer to WALL_VERIFY and WALL_RECIPIENT */
    WALL_RESULT,       /* struct wall_result: the answer to WALL_COMMIT */
    /* front to back */
    WALL_VERIFY,    /* struct address: VRFY */
    WALL_MAIL,      /* struct wall_mail: begin a transaction; no answer */
    WALL_RECIPIENT, /* struct address: RCPT; what is accepted is in the transaction */
    WALL_TEXT,      /* 1 to WALL_TEXT_MAX bytes of message text, lines ended by LF; no answer */
    WALL_COMMIT,    /* nothing: the message is whole, deliver it */
    WALL_ABANDON,   /* nothing: forget the transaction; no answer */
    WALL_NOTE,      /* enum wall_note as a uint32_t: for the log; no answer */
    WALL_TYPES
};

/* What the front has to know of the configuration; sizes in bytes, times in seconds. */
struct wall_settings {
    char hostname[ADDRESS_DOMAIN_MAX + 1];
    bool refuse; /* do not serve: the configuration is unsafe */
    bool vrfy;
    bool normalise_newlines;
    uint64_t max_message_size;
    uint64_t max_recipients;
    uint64_t max_errors;
    uint64_t max_received;
    uint64_t idle_timeout;
    uint64_t session_timeout;
    uint64_t min_data_rate;
};

struct wall_mail {
    struct address sender; /* null for <> */
    uint16_t helo_len;
    char helo[WALL_HELO_MAX];
    uint8_t extended; /* 1: EHLO, the trace says ESMTP; no bool, whose value cannot be checked */
};

enum wall_verdict_code {
    WALL_USER,      /* a user or an alias */
    WALL_CATCH_ALL, /* accepted, but not known by name */
    WALL_AMBIGUOUS, /* a local part of several domains */
    WALL_UNKNOWN,
    WALL_FOREIGN,
    WALL_DISABLED,
    WALL_TOO_MANY, /* more recipients or mailboxes than one transaction may have */
    WALL_BROKEN,   /* the database cannot answer */
};

struct wall_verdict {
    uint32_t code;          /* enum wall_verdict_code */
    struct address address; /* USER: the address that matched */
};

enum wall_result_code {
    WALL_DELIVERED,
    WALL_NO_SPACE,
    WALL_OVER_QUOTA,
    WALL_LOCKED,  /* another program holds the mailbox */
    WALL_MAILBOX, /* it is not a file that may be written */
    WALL_FAILED,  /* any other error of the system */
    WALL_LOOP,    /* the message was here before */
    WALL_TOO_LARGE,
};

struct wall_result {
    uint32_t code; /* enum wall_result_code */
    char id[WALL_ID_MAX];
};

/* Why a session ended, or a message was refused: what only the front has seen. */
enum wall_note {
    WALL_NOTE_QUIT,
    WALL_NOTE_CLOSED,
    WALL_NOTE_IDLE,
    WALL_NOTE_TOO_LONG,
    WALL_NOTE_TOO_SLOW,
    WALL_NOTE_ERRORS,
    WALL_NOTE_HTTP,
    WALL_NOTE_FAULT,
    WALL_NOTE_LAST_END = WALL_NOTE_FAULT, /* all so far end the session */
    WALL_NOTE_BARE_NEWLINE,
    WALL_NOTE_TOO_LARGE,
    WALL_NOTE_HOPS,
    WALL_NOTES
};

struct wall_message {
    uint32_t type;
    union {
        struct wall_settings settings;
        struct wall_verdict verdict;
        struct wall_result result;
        struct address address;
        struct wall_mail mail;
        uint32_t note;
        char text[WALL_TEXT_MAX];
    };
};

/* The size of a type's body; for WALL_TEXT its greatest size. */
size_t wall_body_size(uint32_t type);

/* Sends a message; body_len counts for WALL_TEXT alone. 0, or -1 with errno. */
int wall_send(int fd, const struct wall_message *message, size_t body_len);

/* Receives one message, waiting as long as it takes. Returns 1 with *body_len set, 0 when the other
 * side is gone, -1 with errno; EPROTO: what came is no message of a known type and right length. */
int wall_receive(int fd, struct wall_message *message, size_t *body_len);

#endif
