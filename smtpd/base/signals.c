#include "signals.h"

#include <stddef.h>

void signals_hold(const int *list, void (*handler)(int), sigset_t *waiting)
{
    const struct sigaction action = {.sa_handler = handler};
    sigset_t blocked;

    sigemptyset(waiting); /* whatever mask was inherited */
    sigemptyset(&blocked);
    for (; *list != 0; list++) {
        sigaction(*list, &action, NULL);
        sigaddset(&blocked, *list);
    }
    sigprocmask(SIG_SETMASK, &blocked, NULL);
}

void signals_deliver(const sigset_t *waiting)
{
    sigset_t blocked;

    sigprocmask(SIG_SETMASK, waiting, &blocked);
    sigprocmask(SIG_SETMASK, &blocked, NULL);
}
