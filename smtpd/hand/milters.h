/*
 * milters: the process that speaks to filters (../wall/milter.h), confined as a front is.
 *
 * Filter number i is the socket CONFINE_FILTERS + i, a connected stream; one that is not there
 * counts as one that has hung up. The hand sets no deadline, since the back has them all. It ends
 * when the back closes the wall or shuts it down, and sends QUIT to all filters then, except one
 * that is in the middle of something.
 */
#ifndef MAILSLOT_HAND_MILTERS_H
#define MAILSLOT_HAND_MILTERS_H

/* For worker_task.run; needs no context, and no TLS. */
_Noreturn void milters_run(void *context);

#endif
