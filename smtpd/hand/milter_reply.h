/*
 * milter_reply: an SMTP reply that a filter wants to have sent (SMFIR_REPLYCODE), checked. Pure.
 */
#ifndef MAILSLOT_MILTER_REPLY_H
#define MAILSLOT_MILTER_REPLY_H

#include "../wall/milter.h"

#include <stdbool.h>

enum { MILTER_REPLY_LINES_MAX = 32 }; /* as in libmilter */

/*
 * Sets the answer, code, status and text of the reply. If the filter gives no enhanced status code,
 * it is X.7.1, or 4.7.0 with 421. `%%` becomes `%`, and a single `%` is dropped, as in Postfix.
 * Unprintable bytes become `?`. Text that does not fit is truncated.
 *
 * Returns false unless the data are a reply 4xx or 5xx (RFC 5321 section 4.2) of one or more lines
 * with the same code, and with an enhanced status code, if any, of the same class.
 */
bool milter_reply_read(struct slice data, struct wall_milter_reply *reply);

/* Appends text to the string in to, as printable UTF-8, and truncates it at size. */
void milter_reply_print(struct slice text, char *to, size_t size);

#endif
