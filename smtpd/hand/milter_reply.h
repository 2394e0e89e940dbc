/*
 * milter_reply: an SMTP reply that a filter wants to have sent (SMFIR_REPLYCODE), checked. Pure.
 */
#ifndef MAILSLOT_MILTER_REPLY_H
#define MAILSLOT_MILTER_REPLY_H

#include "../wall/milter.h"

#include <stdbool.h>

enum { MILTER_REPLY_LINES_MAX = 32 }; /* as in libmilter */

/*
 * Sets the reply's answer, code, status and text. A status is added where there is none: X.7.1, or
 * 4.7.0 with 421. `%%` becomes `%`, and a `%` alone is dropped, as in Postfix. What is not
 * printable becomes `?`; what is too long is cut off.
 *
 * False: the data are not a reply 4xx or 5xx (RFC 5321 section 4.2), of one line or several with
 * the same code, or its enhanced status code is of another class.
 */
bool milter_reply_read(struct slice data, struct wall_milter_reply *reply);

/* Appends text to what is in to, a string, as printable UTF-8, and cuts off what does not fit. */
void milter_reply_print(struct slice text, char *to, size_t size);

#endif
