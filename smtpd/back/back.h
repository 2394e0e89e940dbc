/*
 * back: the process that answers the front's questions, and trusts it in nothing.
 *
 *   WALL_SIGN                    answered; in the handshake, once
 *   WALL_SECURED, WALL_INSECURE  ends the handshake
 *   WALL_STARTTLS                answered; before there is TLS
 *   WALL_AUTH                    answered; not in a transaction, nor when authenticated
 *   WALL_RESPONSE, WALL_CANCEL   to a challenge
 *   WALL_VERIFY                  answered; not while text is coming
 *   WALL_MAIL                    answered; begins a transaction; not in one
 *   WALL_RECIPIENT               answered; in a transaction, before its text
 *   WALL_TEXT                    in a transaction with a recipient
 *   WALL_COMMIT                  likewise; ends the transaction
 *   WALL_ABANDON                 in a transaction; ends it
 *   WALL_REFUSED                 not in a handshake, nor in AUTH
 *   WALL_REFUSED_TEXT            as WALL_TEXT
 *   WALL_END                     always; ends the session, or the front behind STARTTLS
 *
 * In the roles for submission WALL_VERIFY and WALL_MAIL have their place behind authentication
 * only. Anything else, or a value out of its bounds, is a breach of the wall: it is logged, the
 * front is killed, and no mailbox is changed.
 */
#ifndef MAILSLOT_BACK_H
#define MAILSLOT_BACK_H

#include "../base/role.h"

/* Exit codes, as qmail and its kin have them. */
enum { BACK_EXIT_SERVED = 0, BACK_EXIT_CONFIGURATION = 100, BACK_EXIT_PASSING = 111 };

struct back_start {
    const char *database; /* path */
    int in, out;          /* the client; may be the same */
    enum role role;
    const char *peer; /* the client's address, or a word for where it is */
    bool confined;    /* the listener has called confine_back_system_calls() */
};

/* Forks the front and serves one session. Returns the exit code. The log is open. */
int back_run(const struct back_start *start);

/* The back alone, with whatever is at the other end of wall. Does not close it. */
int back_serve(const struct back_start *start, int wall);

#endif
