#include "reply.h"

#include <stdio.h>
#include <string.h>

/* "%s" stands for what the caller inserts. A code is followed by its enhanced status code where
 * RFC 2034 allows one, that is, not in the greeting, the replies to HELO and EHLO, or 3xx. */
static const struct {
    const char *code;
    const char *text;
} replies[REPLY_COUNT] = {
    [REPLY_GREETING] = {"220", "%s ESMTP mailslot"},
    [REPLY_GREETING_LMTP] = {"220", "%s LMTP mailslot"},
    [REPLY_HELO] = {"250", "%s"},
    [REPLY_HELP] = {"214", "2.0.0 %s"},
    [REPLY_HELP_COMMANDS] = {"214", "2.0.0 Commands:%s"},
    [REPLY_HELP_MORE] = {"214", "2.0.0 HELP with the name of a command shows its syntax"},
    [REPLY_QUIT] = {"221", "2.0.0 Goodbye"},
    [REPLY_OK] = {"250", "2.0.0 OK"},
    [REPLY_TLS_READY] = {"220", "2.0.0 Ready to start TLS"},
    [REPLY_TLS_UNAVAILABLE] = {"454", "4.7.0 TLS is not available, try again later"},
    [REPLY_CHALLENGE] = {"334", "%s"},
    [REPLY_AUTHENTICATED] = {"235", "2.7.0 Authentication succeeded"},
    [REPLY_AUTH_UNAVAILABLE] = {"454", "4.7.0 Temporary authentication failure, try again later"},
    [REPLY_RESPONSE_TOO_LONG] = {"500", "5.5.6 Line too long for an authentication exchange"},
    [REPLY_AUTH_CANCELLED] = {"501", "5.7.0 Authentication cancelled"},
    [REPLY_BAD_BASE64] = {"501", "5.5.2 Invalid base64"},
    [REPLY_AUTH_MALFORMED] = {"501", "5.5.2 Malformed response for this mechanism"},
    [REPLY_NEED_EHLO] = {"503", "5.5.1 Send EHLO first"},
    [REPLY_TLS_ALREADY] = {"503", "5.5.1 TLS is already active"},
    [REPLY_AUTHENTICATED_ALREADY] = {"503", "5.5.1 Already authenticated"},
    [REPLY_AUTH_IN_TRANSACTION] = {"503", "5.5.1 AUTH is not allowed during a mail transaction"},
    [REPLY_NO_SUCH_MECHANISM] = {"504", "5.5.4 Mechanism not available; EHLO lists those that are"},
    [REPLY_NEED_TLS] = {"530", "5.7.0 Encryption required; send STARTTLS first"},
    [REPLY_NEED_AUTH] = {"530", "5.7.0 Authentication required"},
    [REPLY_AUTH_FAILED] = {"535", "5.7.8 Authentication failed"},
    [REPLY_AUTH_NEEDS_TLS] = {"538", "5.7.11 Encryption required; send STARTTLS before AUTH"},
    [REPLY_NOT_YOURS] = {"550", "5.7.1 You may not send from this address"},
    [REPLY_NO_NAME] = {"550", "5.7.1 Your user id has no name on this system"},
    [REPLY_NOT_SENT_ELSEWHERE] =
        {"550", "5.7.1 This server sends no mail to other domains, not even for its own users"},
    [REPLY_SENDER] = {"250", "2.1.0 Sender accepted"},
    [REPLY_RECIPIENT] = {"250", "2.1.5 Recipient accepted"},
    [REPLY_DATA] = {"354", "Send the message; end it with a dot on a line by itself"},
    [REPLY_CHUNK] = {"250", "2.0.0 Chunk received"},
    [REPLY_EACH] = {"353", "A reply for each recipient follows, then one for all"},
    [REPLY_DELIVERED] = {"250", "2.0.0 Delivered, id %s"},
    [REPLY_VERIFIED] = {"250", "2.1.5 <%s>"},
    [REPLY_CANNOT_VERIFY] = {"252", "2.0.0 Cannot verify this address; try sending to it"},
    [REPLY_CLOSING_IDLE] = {"421", "4.4.2 Timed out waiting for input, closing"},
    [REPLY_CLOSING_SESSION] = {"421", "4.4.2 This session has lasted too long, closing"},
    [REPLY_CLOSING_SLOW] = {"421", "4.4.2 Message is arriving too slowly, closing"},
    [REPLY_CLOSING_ERRORS] = {"421", "4.7.0 Too many errors, closing"},
    [REPLY_CLOSING_MESSAGES] = {"421", "4.7.0 Too many messages in one session, closing"},
    [REPLY_CLOSING_NO_MESSAGE] = {"421", "4.7.0 Too many commands without a message, closing"},
    [REPLY_CLOSING_HTTP] = {"421", "4.7.0 This is an SMTP server, closing"},
    [REPLY_CLOSING_CHUNK] =
        {"421", "4.5.4 Invalid or missing chunk size, closing; syntax: BDAT size [LAST]"},
    [REPLY_CLOSING_TLS] = {"421", "4.7.0 TLS handshake before STARTTLS, closing"},
    [REPLY_CLOSING_STOPPED] = {"421", "4.3.2 Server is shutting down, closing"},
    [REPLY_CLOSING_FAULT] = {"421", "4.3.0 Internal error, closing"},
    [REPLY_CLOSING_UNSAFE] = {"421", "4.3.5 Server configuration is unsafe, closing"},
    [REPLY_CLOSING_USAGE] = {"421", "4.3.5 Server is misconfigured, closing"},
    [REPLY_CLOSING_CONNECTIONS] = {"421", "4.7.0 Too many connections from your address, closing"},
    [REPLY_MILTER_CLOSING] = {"421", "4.7.0 A filter has ended this session, closing"},
    [REPLY_MILTER_DEFERRED] = {"451", "4.7.1 Deferred by a filter, try again later"},
    [REPLY_MILTER_UNAVAILABLE] = {"451", "4.7.1 A filter is not available, try again later"},
    [REPLY_QUARANTINE_DEFERRED] = {"451", "4.7.1 Held by a filter, try again later"},
    [REPLY_HOP_DEFERRED] = {"451", "4.4.0 The next server cannot accept this now, try again later"},
    [REPLY_HOP_UNAVAILABLE] = {"451", "4.4.1 The next server is not available, try again later"},
    [REPLY_RELAY_LIMIT] = {"450",
                           "4.7.1 Too many recipients at other domains, try again in an hour"},
    [REPLY_LOCKED] = {"451", "4.2.0 Mailbox is locked, try again later"},
    [REPLY_MAILBOX] = {"451", "4.2.0 Cannot write to the mailbox, try again later"},
    [REPLY_FAILED] = {"451", "4.3.0 Internal error, try again later"},
    [REPLY_DIRECTORY] = {"451", "4.3.0 Cannot look up addresses at the moment, try again later"},
    [REPLY_NO_SPACE] = {"452", "4.3.1 Not enough disk space, try again later"},
    [REPLY_OVER_QUOTA] = {"452", "4.2.2 Mailbox is full"},
    [REPLY_TOO_MANY_RECIPIENTS] = {"452",
                                   "4.5.3 Too many recipients; send to the others separately"},
    [REPLY_LINE_TOO_LONG] = {"500", "5.5.2 Line too long"},
    [REPLY_LINE_BARE] = {"500", "5.5.2 Bare CR or LF in a command; end lines with CR LF"},
    [REPLY_LINE_NUL] = {"500", "5.5.2 NUL byte in a command"},
    [REPLY_UNKNOWN_COMMAND] = {"500", "5.5.1 Unknown command"},
    [REPLY_NOT_IMPLEMENTED] = {"502", "5.5.1 Command not available"},
    [REPLY_NO_PARAMETERS] = {"501", "5.5.4 This command takes no parameters"},
    [REPLY_SYNTAX] = {"501", "5.5.4 Syntax: %s"},
    [REPLY_BAD_SENDER] = {"501", "5.1.7 Invalid sender address; write <user@domain> or <>"},
    [REPLY_BAD_RECIPIENT] = {"501", "5.1.3 Invalid recipient address; write <user@domain>"},
    [REPLY_BAD_PARAMETER] = {"501", "5.5.4 Invalid parameter value"},
    [REPLY_BINARYMIME] = {"504", "5.6.1 BINARYMIME is not supported; encode the message as text"},
    [REPLY_NO_SUCH_TOPIC] = {"504", "5.5.4 No such command"},
    [REPLY_UNKNOWN_PARAMETER] = {"555", "5.5.4 Unknown parameter"},
    [REPLY_ADDRESS_UTF8] = {"553", "5.6.7 Non-ASCII address requires SMTPUTF8"},
    [REPLY_NEED_HELO] = {"503", "5.5.1 Send HELO or EHLO first"},
    [REPLY_NEED_LHLO] = {"503", "5.5.1 Send LHLO first"},
    [REPLY_NEED_MAIL] = {"503", "5.5.1 Send MAIL first"},
    [REPLY_NEED_RCPT] = {"503", "5.5.1 Send RCPT first"},
    [REPLY_NO_RECIPIENTS] = {"554", "5.5.1 No recipients were accepted"},
    [REPLY_NESTED_MAIL] = {"503", "5.5.1 Sender already given; RSET starts over"},
    [REPLY_IN_CHUNKS] = {"503", "5.5.1 Message in progress; continue with BDAT, or RSET"},
    [REPLY_AMBIGUOUS] = {"553", "5.1.4 Ambiguous name; give the full address"},
    [REPLY_AMBIGUOUS_NAME] = {"553", "5.1.4 <%s>"},
    [REPLY_UNKNOWN_USER] = {"550", "5.1.1 No such user here"},
    [REPLY_FOREIGN] = {"550", "5.7.1 Relaying denied; not a domain of this server"},
    [REPLY_DISABLED] = {"550", "5.2.1 This mailbox is disabled"},
    [REPLY_BARE_NEWLINE] = {"550", "5.5.2 Bare CR or LF in the message; end lines with CR LF"},
    [REPLY_TOO_LARGE] = {"552", "5.3.4 Message is too large"},
    [REPLY_HOPS] = {"554", "5.4.6 Too many Received fields; this looks like a mail loop"},
    [REPLY_LOOP] = {"554", "5.4.6 Mail loop; this message was delivered here before"},
    [REPLY_HOP_LOOP] = {"554", "5.4.6 Mail loop; this message comes from this server"},
    [REPLY_MILTER_REFUSED] = {"550", "5.7.1 Refused by a filter"},
    [REPLY_QUARANTINE_REFUSED] = {"550", "5.7.1 Refused by a filter as suspicious"},
    [REPLY_HEADER_TOO_LARGE] = {"552", "5.3.4 Message header is too large"},
    [REPLY_HOP_REFUSED] = {"550", "5.0.0 Refused by the next server"},
    [REPLY_HOP_8BITMIME] = {"554", "5.6.3 The next server accepts no 8-bit messages"},
    [REPLY_HOP_REQUIRETLS] = {"550", "5.7.30 The next server does not offer REQUIRETLS"},
    [REPLY_HOP_SMTPUTF8] = {"553", "5.6.7 The next server does not support SMTPUTF8"},
};

size_t reply_line(char *to, size_t size, enum reply reply, const char *insert, bool last)
{
    const char *text = replies[reply].text, *place = strstr(text, "%s");
    int before = place == NULL ? (int)strlen(text) : (int)(place - text);
    int len = snprintf(to, size, "%s%c%.*s%s%s\r\n", replies[reply].code, last ? ' ' : '-', before,
                       text, place == NULL ? "" : insert, place == NULL ? "" : place + 2);

    return (size_t)len < size ? (size_t)len : size - 1;
}

size_t reply_write(char to[REPLY_MAX], enum reply reply, const char *insert)
{
    return reply_line(to, REPLY_MAX, reply, insert, true);
}

const char *reply_status(enum reply reply, char to[REPLY_STATUS_MAX])
{
    const char *text = replies[reply].text;

    snprintf(to, REPLY_STATUS_MAX, "%s %.*s", replies[reply].code, (int)strcspn(text, " "), text);
    return to;
}

int reply_class(enum reply reply)
{
    return replies[reply].code[0] - '0';
}
