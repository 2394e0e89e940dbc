#include "fronts.h"

#include "../confine/confine_worker.h"
#include "../front/front.h"
#include "log.h"

#include <errno.h>
#include <string.h>

static void run(void *priority)
{
    front_run(priority);
}

static int start(struct back *back, struct gnutls_priority_st *priority)
{
    const int client[] = {[CONFINE_IN] = back->start->in, [CONFINE_OUT] = back->start->out, -1};
    const struct worker_task front = {
        .fds = client,
        .fds_len = CONFINE_FILTERS,
        .tls = priority != NULL,
        .run = run,
        .context = priority,
        .killed = EVENT_FRONT_KILLED,
    };

    if (worker_start(&back->next, &front) == 0)
        return 0;
    log_event(EVENT_CANNOT_START, "doing", "fork", "error", strerror(errno), NULL);
    return -1;
}

int fronts_prepare(struct back *back)
{
    return start(back, NULL);
}

int fronts_prepare_tls(struct back *back)
{
    struct keyring *keyring = &back->keyring;

    if (keyring_prepare(keyring, &back->settings, back->folder) != 0)
        return -1;
    if (start(back, keyring->priority) == 0) {
        if (keyring_load(keyring) == 0)
            return 0;
        worker_end(&back->next, 0);
    }
    keyring_forget(keyring);
    return -1;
}

void fronts_take_over(struct back *back)
{
    back->front = back->next;
    back->next = WORKER_NONE;
}
