/*
 * command: splits a command line (RFC 5321 section 4.1.1), and parses the arguments of the commands
 * that have a grammar of their own. Pure.
 */
#ifndef MAILSLOT_COMMAND_H
#define MAILSLOT_COMMAND_H

#include "../base/slice.h"
#include "../wall/reply.h"
#include "../wall/wall.h"

struct command {
    struct slice verb;
    struct slice argument; /* without blanks around it */
};

/* Splits a line, which comes without its CR LF. */
struct command command_split(struct slice line);

/* Parses the argument of MAIL into message->mail; what HELO adds to that is left to the caller.
 * Returns REPLY_OK, or the reply that refuses it, as the next two do. */
enum reply command_parse_mail(struct slice argument, const struct wall_settings *settings,
                              struct wall_message *message);

/* The argument of RCPT, into message->address; the only local part without a domain is postmaster.
 * utf8: MAIL had SMTPUTF8. */
enum reply command_parse_rcpt(struct slice argument, bool utf8,
                              const struct wall_settings *settings, struct wall_message *message);

/* The argument of VRFY: an address, with or without brackets, or a local part. */
enum reply command_parse_vrfy(struct slice argument, struct address *address);

/* The argument of BDAT (RFC 3030 section 2). False: it is malformed, and the length of the chunk is
 * unknown. */
bool command_parse_bdat(struct slice argument, uint64_t *size, bool *last);

#endif
