/*
 * command: a command line taken apart (RFC 5321 4.1.1, parameters 4.1.1.11). Pure.
 */
#ifndef MAILSLOT_COMMAND_H
#define MAILSLOT_COMMAND_H

#include "../base/address.h"
#include "../wall/reply.h"

#include <stdbool.h>

enum command_verb {
    COMMAND_HELO,
    COMMAND_EHLO,
    COMMAND_LHLO, /* of LMTP */
    COMMAND_STARTTLS,
    COMMAND_AUTH,
    COMMAND_MAIL,
    COMMAND_RCPT,
    COMMAND_DATA,
    COMMAND_BDAT,
    COMMAND_RSET,
    COMMAND_VRFY,
    COMMAND_HELP,
    COMMAND_NOOP,
    COMMAND_QUIT,
    COMMAND_ELSEWHERE, /* a verb of SMTP that this server does not have */
    COMMAND_HTTP,      /* a verb of HTTP: somebody's browser was sent here (ALPACA) */
    COMMAND_UNKNOWN,
};

struct command {
    enum command_verb verb;
    const char *argument; /* points into the line; no blanks around it */
    size_t argument_len;
};

struct command_mail {
    struct address sender;
    uint64_t size;    /* 0: not declared */
    bool require_tls; /* RFC 8689 */
    bool utf8;        /* SMTPUTF8 (RFC 6531) */
    bool prdr;        /* PRDR (draft-hall-prdr) */
    bool has_auth;    /* AUTH= was there (RFC 4954 section 5); whom it names is not believed */
};

/* Takes a line without its CR LF apart. */
struct command command_parse(const char *line, size_t len);

/* The argument of MAIL. Returns REPLY_OK, or the reply that refuses it. */
enum reply command_parse_mail(const struct command *command, struct command_mail *mail);

/* The argument of RCPT; a local part without domain is postmaster. utf8: of MAIL. The same returns.
 */
enum reply command_parse_rcpt(const struct command *command, bool utf8, struct address *recipient);

/* The argument of VRFY: an address, with or without brackets, or a local part. The same returns. */
enum reply command_parse_vrfy(const struct command *command, struct address *address);

/* The argument of BDAT (RFC 3030 section 2). False: how long the chunk is cannot be known. */
bool command_parse_bdat(const struct command *command, uint64_t *size, bool *last);

/* A verb's syntax for HELP; NULL where there is nothing to tell. */
const char *command_syntax(enum command_verb verb);

#endif
