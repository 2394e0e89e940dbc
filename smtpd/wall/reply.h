/*
 * reply: every reply of the server, in one table: code, enhanced status code (RFC 3463), text.
 */
#ifndef MAILSLOT_REPLY_H
#define MAILSLOT_REPLY_H

#include <stdbool.h>
#include <stddef.h>

/* Room for the longest reply: HELP's lines, or EHLO's. */
enum { REPLY_MAX = 1600 };

enum reply {
    REPLY_GREETING,
    REPLY_GREETING_LMTP,
    REPLY_HELO,
    REPLY_HELP,
    REPLY_HELP_COMMANDS,
    REPLY_HELP_MORE,
    REPLY_QUIT,
    REPLY_OK,
    REPLY_TLS_READY,
    REPLY_TLS_UNAVAILABLE,
    REPLY_CHALLENGE,
    REPLY_AUTHENTICATED,
    REPLY_AUTH_CANCELLED,
    REPLY_AUTH_FAILED,
    REPLY_AUTH_IN_TRANSACTION,
    REPLY_AUTH_MALFORMED,
    REPLY_AUTH_NEEDS_TLS,
    REPLY_AUTH_UNAVAILABLE,
    REPLY_AUTHENTICATED_ALREADY,
    REPLY_BAD_BASE64,
    REPLY_NO_SUCH_MECHANISM,
    REPLY_RESPONSE_TOO_LONG,
    REPLY_TLS_ALREADY,
    REPLY_NEED_AUTH,
    REPLY_NEED_EHLO,
    REPLY_NEED_TLS,
    REPLY_NOT_SENT_ELSEWHERE,
    REPLY_NOT_YOURS,
    REPLY_NO_NAME,
    REPLY_SENDER,
    REPLY_RECIPIENT,
    REPLY_DATA,
    REPLY_CHUNK,
    REPLY_EACH,
    REPLY_DELIVERED,
    REPLY_VERIFIED,
    REPLY_CANNOT_VERIFY,
    REPLY_CLOSING_IDLE,
    REPLY_CLOSING_SESSION,
    REPLY_CLOSING_SLOW,
    REPLY_CLOSING_ERRORS,
    REPLY_CLOSING_MESSAGES,
    REPLY_CLOSING_NO_MESSAGE,
    REPLY_CLOSING_HTTP,
    REPLY_CLOSING_CHUNK,
    REPLY_CLOSING_TLS,
    REPLY_CLOSING_STOPPED,
    REPLY_CLOSING_FAULT,
    REPLY_CLOSING_UNSAFE,
    REPLY_CLOSING_USAGE,
    REPLY_CLOSING_CONNECTIONS,
    REPLY_HOP_DEFERRED,
    REPLY_HOP_UNAVAILABLE,
    REPLY_RELAY_LIMIT,
    REPLY_LOCKED,
    REPLY_MAILBOX,
    REPLY_FAILED,
    REPLY_DIRECTORY,
    REPLY_NO_SPACE,
    REPLY_OVER_QUOTA,
    REPLY_TOO_MANY_RECIPIENTS,
    REPLY_LINE_TOO_LONG,
    REPLY_LINE_BARE,
    REPLY_LINE_NUL,
    REPLY_UNKNOWN_COMMAND,
    REPLY_NOT_IMPLEMENTED,
    REPLY_NO_PARAMETERS,
    REPLY_SYNTAX,
    REPLY_BAD_SENDER,
    REPLY_BAD_RECIPIENT,
    REPLY_BAD_PARAMETER,
    REPLY_BINARYMIME,
    REPLY_NO_SUCH_TOPIC,
    REPLY_UNKNOWN_PARAMETER,
    REPLY_ADDRESS_UTF8,
    REPLY_NEED_HELO,
    REPLY_NEED_LHLO,
    REPLY_NEED_MAIL,
    REPLY_NEED_RCPT,
    REPLY_NO_RECIPIENTS,
    REPLY_NESTED_MAIL,
    REPLY_IN_CHUNKS,
    REPLY_AMBIGUOUS,
    REPLY_AMBIGUOUS_NAME,
    REPLY_UNKNOWN_USER,
    REPLY_FOREIGN,
    REPLY_DISABLED,
    REPLY_BARE_NEWLINE,
    REPLY_TOO_LARGE,
    REPLY_HOPS,
    REPLY_LOOP,
    REPLY_HOP_LOOP,
    REPLY_HOP_REFUSED,
    REPLY_HOP_8BITMIME,
    REPLY_HOP_SMTPUTF8,
    REPLY_HOP_REQUIRETLS,
    REPLY_COUNT
};

/* Writes the reply, CRLF included and NUL-terminated, with insert where its text has a place for it
 * (else NULL). Returns the length. */
size_t reply_write(char to[REPLY_MAX], enum reply reply, const char *insert);

/* The same as one line of several: unless it is the last, "-" follows the code. */
size_t reply_line(char *to, size_t size, enum reply reply, const char *insert, bool last);

/* Its code and enhanced status code, for the log: "550 5.1.1". Returns to. */
enum { REPLY_STATUS_MAX = 20 };
const char *reply_status(enum reply reply, char to[REPLY_STATUS_MAX]);

/* Its code's first digit: 2 done, 3 go on, 4 not now, 5 no. */
int reply_class(enum reply reply);

#endif
