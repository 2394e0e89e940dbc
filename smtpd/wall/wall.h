/*
 * wall: the messages between front and back, and between back and hand.
 *
 * A SOCK_SEQPACKET pair carries one struct wall_message per packet: a type, and the body of that
 * type. The front asks and the back answers; only WALL_SETTINGS comes unasked, as the very first
 * message, with the certificates after it. wall_receive() accepts only known types, with the right
 * length. The back does not trust what a message contains, because an attacker may have taken the
 * front over.
 */
#ifndef MAILSLOT_WALL_H
#define MAILSLOT_WALL_H

#include "../base/address.h"
#include "../base/id.h"
#include "../base/session_settings.h"
#include "end.h"
#include "hop.h"
#include "milter.h"
#include "verdict.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
    WALL_HELO_MAX = 255,
    WALL_AUTHOR_MAX = 255,
    WALL_TEXT_MAX = 65536,  /* bytes of message text in one WALL_TEXT */
    WALL_COMMAND_MAX = 256, /* bytes of a refused command, for the log */
    WALL_CERTIFICATES_MAX = 8,
    WALL_RESULTS_MAX = 400, /* recipients of one transaction of LMTP, or by PRDR */
    WALL_SASL_MAX = 9216,   /* bytes of 12,288 characters of base64 (RFC 4954 section 4) */
    WALL_CHALLENGE_MAX = 1020,
    WALL_HASH_MAX = 64,
    WALL_SIGNATURE_MAX = 1024, /* RSA of 8,192 bits */
    WALL_TICKET_KEY = 64,
    WALL_PROTOCOL_MAX = 16, /* names with their NUL */
    WALL_CIPHER_MAX = 64,
    WALL_SAID_MAX = HOP_STATUS_MAX + HOP_TEXT_MAX + 4, /* of one line, without LF */
    /* Of a filter's reply, whose lines are separated by CR. */
    MILTER_SAID_MAX = HOP_STATUS_MAX + MILTER_TEXT_MAX + 4,
    WALL_BINDING_MAX = 64,        /* bytes of one channel binding */
    WALL_CLIENT_CHAIN_MAX = 8192, /* of the chain of a client's certificates */
    WALL_LOCAL_USER_MAX = 320,
};

/*
 * The messages, and which member of struct wall_message is the body of each. Bodies that are as
 * large as WALL_TEXT_MAX (`text`, and those of milter.h with strings) have any length from 1 to
 * that; every other body has the size of its member.
 */
/* clang-format off */
#define WALL_MESSAGES(MESSAGE) \
    /* back to front */ \
    MESSAGE(WALL_SETTINGS, settings)     /* the first message, unasked */ \
    MESSAGE(WALL_CERTIFICATE, text)      /* a chain (chain.h), before a handshake */ \
    MESSAGE(WALL_SAID, text)             /* what hops have said; before one of the next two */ \
    MESSAGE(WALL_VERDICT, verdict)       /* answers WALL_VERIFY, WALL_MAIL, WALL_RECIPIENT */ \
    MESSAGE(WALL_RESULT, result)         /* answers WALL_COMMIT */ \
    MESSAGE(WALL_READY, ready)           /* answers WALL_STARTTLS */ \
    MESSAGE(WALL_SIGNATURE, signature)   /* answers WALL_SIGN */ \
    MESSAGE(WALL_MECHANISMS, mechanisms) /* answers WALL_SECURED */ \
    MESSAGE(WALL_CHALLENGE, challenge)   /* answers WALL_AUTH and WALL_RESPONSE */ \
    /* front to back; requests_table.h says when */ \
    MESSAGE(WALL_STARTTLS, errors)       /* may another front take over, for a handshake? */ \
    MESSAGE(WALL_SIGN, sign)             /* in the handshake */ \
    MESSAGE(WALL_SECURED, secured)       /* the handshake is done */ \
    MESSAGE(WALL_INSECURE, insecure)     /* it failed, and the session ends; no answer */ \
    MESSAGE(WALL_AUTH, sasl)             /* AUTH */ \
    MESSAGE(WALL_RESPONSE, sasl)         /* the client's response to a challenge */ \
    MESSAGE(WALL_CANCEL, refused)        /* the client ended AUTH; no answer */ \
    MESSAGE(WALL_VERIFY, address)        /* VRFY */ \
    MESSAGE(WALL_MAIL, mail)             /* MAIL begins a transaction */ \
    MESSAGE(WALL_RECIPIENT, address)     /* RCPT adds to it, if it is accepted */ \
    MESSAGE(WALL_TEXT, text)             /* of the message, lines end in LF; no answer */ \
    MESSAGE(WALL_COMMIT, nothing)        /* the message is whole: deliver it */ \
    MESSAGE(WALL_ABANDON, nothing)       /* forget the transaction; no answer */ \
    MESSAGE(WALL_REFUSED, refused)       /* a command, for the log; no answer */ \
    MESSAGE(WALL_REFUSED_TEXT, fault)    /* the message, for the log; no answer */ \
    MESSAGE(WALL_END, end)               /* the last message of a front */ \
    /* back to hand, with WALL_TEXT: hop.h says when */ \
    MESSAGE(WALL_HOP, hop)               /* the first message: greet the hop */ \
    MESSAGE(WALL_HOP_MAIL, hop_mail)     /* MAIL begins a transaction; no answer */ \
    MESSAGE(WALL_HOP_RCPT, address)      /* RCPT */ \
    MESSAGE(WALL_HOP_DATA, nothing)      /* DATA; the text comes after it */ \
    MESSAGE(WALL_HOP_DOT, nothing)       /* the text is whole: have it delivered */ \
    MESSAGE(WALL_HOP_RESET, nothing)     /* RSET, before text; no answer */ \
    /* hand to back */ \
    MESSAGE(WALL_HOP_READY, hop_ready)   /* answers WALL_HOP */ \
    MESSAGE(WALL_HOP_REPLY, hop_reply)   /* a reply of the hop, or why none came */ \
    /* back to the hand of filters: milter.h says when */ \
    MESSAGE(WALL_MILTER_EVENT, milter_event)   /* asks a filter about a step of the session */ \
    MESSAGE(WALL_MILTER_HEADER, text)          /* whole fields, with their LFs; or the first bytes \
                                                  of one that is longer than a message */ \
    MESSAGE(WALL_MILTER_BODY, text)            /* a part of the body, lines end in LF */ \
    /* from there to the back */ \
    MESSAGE(WALL_MILTER_REPLY, milter_reply)   /* its answer, or why none came */ \
    MESSAGE(WALL_MILTER_CHANGE, milter_change) /* a change that it asks for */ \
    MESSAGE(WALL_MILTER_PROGRESS, nothing)     /* it is still at work */
/* clang-format on */

#define WALL_TYPE(type, body) type,
enum wall_type { WALL_NONE, WALL_MESSAGES(WALL_TYPE) WALL_TYPES };

/* SASL mechanisms, as bits. */
enum wall_mechanism {
    WALL_PLAIN = 1 << 0,
    WALL_LOGIN = 1 << 1,
    WALL_SCRAM = 1 << 2,      /* SCRAM-SHA-256 */
    WALL_SCRAM_PLUS = 1 << 3, /* SCRAM-SHA-256-PLUS */
    WALL_EXTERNAL = 1 << 4,
};

/* The settings of a front. */
struct wall_settings {
    struct session_settings session; /* less what the fronts before it have used up */
    bool refuse;                     /* do not serve: the configuration is unsafe */
    bool broken; /* the database cannot be asked: what needs it is deferred, not refused */
    bool greet;  /* false after STARTTLS: the client speaks first */
    bool secure; /* begin with a TLS handshake; so many WALL_CERTIFICATE follow: */
    uint32_t certificates;
    bool ask_certificate;
    bool tickets;
    unsigned char ticket_key[WALL_TICKET_KEY];
    bool submission; /* a role for submission: MAIL and VRFY need AUTH first, unless */
    bool local;      /* the role local: the back knows the user already */
    char local_user[WALL_LOCAL_USER_MAX]; /* the user's address, NUL-terminated ASCII; or empty */
    bool lmtp;                            /* the role lmtp */
    bool starttls;                        /* is offered */
    bool auth;                            /* is offered, if not now, then with TLS */
    bool tls_due;        /* before AUTH; in the roles for submission before MAIL, too */
    uint32_t mechanisms; /* offered now; after a handshake WALL_MECHANISMS counts */
};

/* A hash to be signed by the key of a certificate. */
struct wall_sign {
    uint32_t certificate; /* its number, from 0 */
    uint32_t algorithm;   /* gnutls_sign_algorithm_t */
    uint32_t len;
    unsigned char hash[WALL_HASH_MAX];
};

struct wall_signature {
    uint32_t len; /* 0: it was not signed */
    unsigned char bytes[WALL_SIGNATURE_MAX];
};

/* The result of a handshake. Names are NUL-terminated letters, digits, `.`, `_` and `-`. */
struct wall_secured {
    char protocol[WALL_PROTOCOL_MAX];
    char cipher[WALL_CIPHER_MAX];
    uint32_t resumed;
    uint32_t chain_len; /* of the client's certificates (chain.h); 0: it has sent none */
    struct wall_binding {
        uint32_t len; /* 0: there is none of this kind */
        unsigned char bytes[WALL_BINDING_MAX];
    } exporter, unique; /* RFC 9266, RFC 5929; the back knows tls-server-end-point itself */
    unsigned char chain[WALL_CLIENT_CHAIN_MAX];
};

/* Why there is no TLS. */
struct wall_insecure {
    int32_t error; /* of GnuTLS */
    int32_t alert; /* from the client, or -1 */
};

struct wall_sasl {
    uint32_t mechanism;    /* one bit; of WALL_AUTH */
    uint32_t has_response; /* of WALL_AUTH: 0 if AUTH had no initial response */
    uint32_t len;
    char data[WALL_SASL_MAX]; /* decoded */
};

struct wall_challenge {
    uint32_t code; /* enum verdict; VERDICT_CHALLENGE: it is in data */
    uint32_t len;
    char data[WALL_CHALLENGE_MAX];
};

struct wall_mail {
    struct address sender; /* null for <> */
    uint64_t size;         /* as declared; 0: not declared */
    uint16_t helo_len;
    char helo[WALL_HELO_MAX];
    uint8_t prdr;        /* 1: PRDR, each recipient has a result of its own */
    uint8_t utf8;        /* 1: SMTPUTF8; then addresses may be other than ASCII */
    uint8_t extended;    /* 0: HELO, and the trace has SMTP. Not a bool, whose value could not be
                            checked */
    uint8_t require_tls; /* 1: REQUIRETLS (RFC 8689) */
    /* For filters alone: */
    uint8_t body; /* enum wall_body */
    uint8_t author_len;
    char author[WALL_AUTHOR_MAX]; /* AUTH=, in xtext (RFC 4954 section 5); empty: none, or longer */
};

/* BODY= (RFC 6152). */
enum wall_body { WALL_BODY_NOT_GIVEN, WALL_BODY_7BIT, WALL_BODY_8BITMIME, WALL_BODIES };

struct wall_verdict {
    uint32_t code;  /* enum verdict */
    uint32_t count; /* in answer to WALL_VERIFY: how many users have that name; the first are: */
    struct address names[VERDICT_NAMES_MAX];
};

/* WALL_SAID has a line for each verdict that verdict_is_said(), in their order, such as `550 5.1.1
 * No such user`, ended by LF. An empty one stands for a reply that was too long: verdict_reply()
 * takes its place. */
struct wall_result {
    char id[ID_MAX];
    uint32_t count; /* 1; in LMTP, and by PRDR, one for each recipient in their order */
    uint8_t codes[WALL_RESULTS_MAX]; /* enum verdict */
};

/* The front ends. */
struct wall_end {
    uint32_t end;     /* enum end */
    uint32_t in_text; /* 1: in the middle of a message's text */
    uint64_t bytes;   /* received from the client */
};

/* A command that the front itself has refused. */
struct wall_refused {
    uint32_t reply; /* enum reply */
    uint32_t len;
    char command[WALL_COMMAND_MAX]; /* what may be logged of it; empty in WALL_CANCEL */
};

struct wall_message {
    uint32_t type;
    union {
        struct wall_settings settings;
        struct wall_sign sign;
        struct wall_signature signature;
        struct wall_secured secured;
        struct wall_insecure insecure;
        struct wall_sasl sasl;
        struct wall_challenge challenge;
        struct wall_verdict verdict;
        struct wall_result result;
        struct address address;
        struct wall_mail mail;
        struct wall_end end;
        struct wall_refused refused;
        struct wall_hop hop;
        struct wall_hop_mail hop_mail;
        struct wall_hop_ready hop_ready;
        struct wall_hop_reply hop_reply;
        struct wall_milter_event milter_event;
        struct wall_milter_reply milter_reply;
        struct wall_milter_change milter_change;
        uint32_t ready;      /* 1 or 0 */
        uint32_t mechanisms; /* bits of enum wall_mechanism */
        uint32_t errors;     /* so far */
        uint32_t fault;      /* enum verdict */
        char nothing[0];
        char text[WALL_TEXT_MAX];
    };
};

/* The size of a type's body; the maximum if it is variable. */
size_t wall_body_size(uint32_t type);
bool wall_is_variable(uint32_t type);

/* Sends a message; body_len matters only where the type is variable. 0, or -1 with errno. */
int wall_send(int fd, const struct wall_message *message, size_t body_len);

/* Receives one message, and waits as long as it takes. Returns 1 with *body_len set, 0 when the
 * other side is gone, -1 with errno; EPROTO: the type is unknown or the length is wrong. */
int wall_receive(int fd, struct wall_message *message, size_t *body_len);

#endif
