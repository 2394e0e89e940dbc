/*
 * client: the rules of SMTP (RFC 5321) and of LMTP (RFC 2033) as a client, as a pure state machine.
 *
 * Messages of the back go in, and bytes of the hop; a step comes out: bytes for the hop, a message
 * for the back, both, or neither. No I/O, no allocation.
 *
 * The client keeps in step with the hop: each command has exactly one reply, and none arrives
 * before its command is sent. Of what a hop can send besides, only 421 is common, when it hangs up
 * a connection that is idle. Commands are sent together only where the hop offers PIPELINING
 * (RFC 2920), and DATA and the dot never with others.
 */
#ifndef MAILSLOT_CLIENT_H
#define MAILSLOT_CLIENT_H

#include "../wall/wall.h"
#include "hop_reply.h"
#include "hop_text.h"

/* Room for RSET, MAIL and RCPT. */
enum { CLIENT_OUTPUT_MAX = 2 * ADDRESS_TEXT_MAX + 256 };

struct client_step {
    char output[CLIENT_OUTPUT_MAX]; /* for the hop */
    size_t output_len;
    struct wall_message *message; /* the caller's */
    bool send;                    /* the message, to the back */
    bool close;                   /* then end */
};

struct client {
    bool lmtp;
    bool helo; /* the hop knows no EHLO */
    bool open; /* it has accepted MAIL, or was asked DATA */
    bool in_text;
    bool reset_due, mail_due, recipient_due; /* still to be sent */
    bool refused;                            /* MAIL is: */
    struct wall_hop_reply refusal;
    size_t accepted;           /* recipients */
    enum hop_step expected[3]; /* whose replies are to come */
    size_t expected_len;
    size_t results; /* how many replies to the dot are to come */
    struct wall_hop hop;
    struct wall_hop_ready offers;
    struct wall_hop_mail mail;
    struct address recipient;
    struct hop_reply reply;
    struct hop_text text;
};

/* Begins with WALL_HOP; the hop greets first. */
void client_begin(struct client *client, const struct wall_hop *hop, struct client_step *step);

/* A message of the back, not while client_is_busy(). All that the hop has sent must have been fed
 * before. After WALL_TEXT the caller feeds client->text with the text. */
void client_request(struct client *client, struct client_step *step);

/* Bytes of the hop. Returns how many were read; the rest is fed after the step was carried out. */
size_t client_feed(struct client *client, struct slice bytes, struct client_step *step);

/* Nothing else is asked for now: a RSET that was to go with the next MAIL goes at once, so that the
 * hop knows that no transaction is open. */
void client_rest(struct client *client, struct client_step *step);

/* The hop has hung up. */
void client_closed(struct client *client, struct client_step *step);

/* The back needs the hop no longer: QUIT, if it may come now. */
void client_quit(struct client *client, struct client_step *step);

/* Is a reply to come? */
bool client_is_busy(const struct client *client);

#endif
