/*
 * hand: the process that speaks to a hop (../wall/hop.h), confined as a front is.
 *
 * The hop is what CONFINE_IN and CONFINE_OUT are: one connected stream socket. The hand sets no
 * deadline, since the back has them all. It ends when the hop closes, after it has told the back,
 * and when the back shuts the wall down or closes it: then it sends QUIT, unless the hop awaits
 * text or a dot, and waits a second for the reply.
 */
#ifndef MAILSLOT_HAND_H
#define MAILSLOT_HAND_H

/* For worker_task.run; needs no context, and no TLS. */
_Noreturn void hand_run(void *context);

#endif
