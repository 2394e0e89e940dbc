/*
 * server: the connection of mailslot-sendmail(8) to mailslot-smtpd(8) in the role local.
 *
 * Functions that return an int return EX_OK, or another exit code of sysexits.h after a message
 * that quotes the server. EX_TEMPFAIL: it may work later.
 */
#ifndef MAILSLOT_SENDMAIL_SERVER_H
#define MAILSLOT_SENDMAIL_SERVER_H

#include "../../smtpd/hand/client.h"

struct server {
    int fd;
    struct client client;
    struct client_step step;
    struct wall_message message;
    char heard[8192]; /* the beginning of what the server has sent */
    size_t heard_len;
    struct address user; /* who it takes the caller for; both lengths 0: it does not say */
};

/* The socket: $MAILSLOT_SUBMIT, or the one of mailslot-submit.socket. */
const char *server_path(void);

/* Connects to it. The descriptor, or -1 with errno. */
int server_connect(const char *path);

/* Connects and says EHLO. */
int server_open(struct server *server);

/* The envelope. The server is asked for the sender together with the first recipient. */
void server_sender(struct server *server, const struct wall_hop_mail *mail);
int server_recipient(struct server *server, const struct address *recipient);

/* Can no more recipients be asked for? It has refused the sender, or hung up. */
bool server_has_ended(const struct server *server);

/* Sends the text, in `count` parts whose lines end in LF. EX_OK: the message is
 * delivered to all recipients, and said is what the server has replied. */
int server_text(struct server *server, const struct slice *parts, size_t count, const char **said);

void server_close(struct server *server);

#endif
