#include "worker.h"

#include "../confine/confine_worker.h"
#include "log.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static struct {
    char *at;
    size_t len;
} kept;

void worker_keep(void *memory, size_t len)
{
    kept.at = memory;
    kept.len = len;
}

/* Whole pages are dropped, which is quicker than to write them, and takes no memory. */
static void wipe(void)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), at = (uintptr_t)kept.at;
    size_t before = (size_t)(-at & (page - 1)), after = (size_t)((at + kept.len) & (page - 1));

    if (kept.len == 0)
        return;
    if (before + after >= kept.len ||
        madvise(kept.at + before, kept.len - before - after, MADV_DONTNEED) != 0) {
        explicit_bzero(kept.at, kept.len);
        return;
    }
    explicit_bzero(kept.at, before);
    explicit_bzero(kept.at + kept.len - after, after);
}

static int confine(const struct worker_task *task, int wall)
{
    int fds[CONFINE_FDS_MAX];

    memcpy(fds, task->fds, task->fds_len * sizeof fds[0]);
    fds[CONFINE_WALL] = wall;
    return confine_worker(fds, task->fds_len, task->tls);
}

static _Noreturn void run(const struct worker_task *task, int wall)
{
    wipe();
    /* The back answers a delivery that has begun even when it is stopped, and is needed for that:
     * its end shows at the wall. */
    for (const int *ignore = (const int[]){SIGTERM, SIGINT, SIGHUP, 0}; *ignore != 0; ignore++)
        signal(*ignore, SIG_IGN);
    if (confine(task, wall) != 0)
        _exit(WORKER_UNCONFINED);
    task->run(task->context);
    _exit(0);
}

int worker_start(struct worker *worker, const struct worker_task *task)
{
    int wall[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, wall) != 0)
        return -1;
    pid_t pid = fork();
    if (pid == 0)
        run(task, wall[1]);
    close(wall[1]);
    if (pid < 0) {
        close(wall[0]);
        return -1;
    }
    *worker = (struct worker){wall[0], pid, task->killed};
    return 0;
}

static void log_signal(enum event killed, int signal)
{
    char number[16];

    snprintf(number, sizeof number, "%d", signal);
    log_event(killed, "signal", number, "meaning",
              signal == SIGSYS    ? "forbidden system call"
              : signal == SIGXCPU ? "too much processor time"
                                  : NULL,
              NULL);
}

int worker_end(struct worker *worker, int patience_ms)
{
    struct pollfd gone = {.fd = worker->wall};
    int status = 0;

    if (worker->pid == 0)
        return 0;
    poll(&gone, 1, patience_ms);
    kill(worker->pid, SIGKILL);
    while (waitpid(worker->pid, &status, 0) < 0 && errno == EINTR)
        ;
    close(worker->wall);
    if (WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL)
        log_signal(worker->killed, WTERMSIG(status));
    *worker = WORKER_NONE;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 0;
}
