/*
 * hop_talk: asks another mail server, which the database names, what it would reply to a recipient:
 * by SMTP or LMTP, as the server does, with the same client (../../smtpd/hand/client.h). No message
 * is ever sent. All waits together end after HOP_TALK_SECONDS.
 */
#ifndef MAILSLOT_HOP_TALK_H
#define MAILSLOT_HOP_TALK_H

#include "../../smtpd/base/slice.h"
#include "../../smtpd/wall/hop.h"

#include <stdbool.h>

enum { HOP_TALK_SECONDS = 10 };

struct hop_talk;

/* Connects to a UNIX-domain socket, as the present effective user. The descriptor, or -1 with
 * errno. A full backlog is EAGAIN. */
int hop_talk_connect(struct slice path);

/* Takes the descriptor, and greets as a session of this host does. Never NULL. ready is what the
 * server offers; *reply is why it is not ready. */
struct hop_talk *hop_talk_begin(int fd, bool lmtp, const char *hostname);

/* Is the server ready for transactions? If not, reply says why. */
bool hop_talk_is_ready(const struct hop_talk *talk, struct wall_hop_ready *ready,
                       struct wall_hop_reply *reply);

/* MAIL and RCPT, in a transaction of its own. */
void hop_talk_ask(struct hop_talk *talk, const struct address *sender,
                  const struct address *recipient, struct wall_hop_reply *reply);

/* QUIT, and frees. */
void hop_talk_end(struct hop_talk *talk);

/* A reply as a line, such as `550 5.1.1 No such user`; or why there is none. */
enum { HOP_TALK_LINE_MAX = HOP_TEXT_MAX + HOP_STATUS_MAX + 64 };
void hop_talk_line(const struct wall_hop_reply *reply, char line[HOP_TALK_LINE_MAX]);

#endif
