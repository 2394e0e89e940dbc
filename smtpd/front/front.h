/*
 * front: the confined process that speaks SMTP with one client.
 */
#ifndef MAILSLOT_FRONT_H
#define MAILSLOT_FRONT_H

/* Confines the calling process, a child of the back, and serves the client. in and out may be the
 * same descriptor. Does not return; the exit status is 0 once confined, 111 if it could not be. */
_Noreturn void front_run(int in, int out, int wall);

#endif
