/*
 * parameters: those of MAIL and RCPT (RFC 5321 section 4.1.1.11), one row of a table each. Pure.
 */
#ifndef MAILSLOT_PARAMETERS_H
#define MAILSLOT_PARAMETERS_H

#include "../base/slice.h"
#include "../wall/reply.h"
#include "../wall/wall.h"

/* Parses what follows the path in the argument of a command, "MAIL" or "RCPT", into the message
 * that goes to the back. Returns REPLY_OK, or the reply that refuses it. */
enum reply parameters_parse(const char *command, struct slice text,
                            const struct wall_settings *settings, struct wall_message *message);

enum { PARAMETERS_TEXT_MAX = 160 };

/* Is MAIL offered this parameter? EHLO then announces the extension that it belongs to. */
bool parameters_offer(const char *keyword, const struct wall_settings *settings);

/* Writes the parameters that are offered to a command as a syntax, each after a blank:
 * " [SIZE=n] [SMTPUTF8]". Returns to. */
const char *parameters_syntax(const char *command, const struct wall_settings *settings,
                              char to[PARAMETERS_TEXT_MAX]);

#endif
