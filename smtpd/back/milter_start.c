#include "milter_start.h"

#include "../base/clock.h"
#include "../base/file.h"
#include "../confine/confine_worker.h"
#include "../hand/milters.h"
#include "hop_connect.h"
#include "milter_step.h"

#include <errno.h>
#include <string.h>

_Static_assert((int)CONFINE_FDS_MAX - (int)CONFINE_FILTERS >= (int)MILTERS_MAX, "descriptors");

static enum verdict fail(struct milters *milters, size_t number)
{
    int error = errno;

    milters->all[number].state = FILTER_FAILED;
    milters->outcome.number = number;
    milter_outcome_fail(&milters->outcome, MILTER_SOCKET, strerror(error));
    milters->outcome.given_up = error == ECANCELED;
    return milter_step_failed(milters);
}

static enum verdict connect_to(struct milters *milters, size_t number, int64_t end, int *fd)
{
    struct filter *filter = &milters->all[number];
    int64_t due = clock_ms() + (int64_t)milters->settings->milter_timeout * 1000;

    filter->knows_helo = false;
    filter->refused = MILTER_IDLE;
    if (filter->state == FILTER_TOO_SLOW)
        return VERDICT_OK;
    *fd = hop_connect(filter->path, due < end ? due : end);
    if (*fd < 0)
        return fail(milters, number);
    filter->state = FILTER_CONNECTED;
    return VERDICT_OK;
}

/* Its descriptors have the numbers of the filters. */
static int fork_hand(struct milters *milters, const int fds[CONFINE_FDS_MAX])
{
    const struct worker_task task = {
        .fds = fds,
        .fds_len = CONFINE_FILTERS + milters->count,
        .run = milters_run,
        .killed = EVENT_HAND_KILLED,
    };

    return worker_start(&milters->hand, &task);
}

enum verdict milter_start(struct milters *milters, int64_t end)
{
    int fds[CONFINE_FDS_MAX], *first = fds + CONFINE_FILTERS;
    enum verdict verdict = VERDICT_OK;
    size_t number = 0, some = milters->count;

    milters->waited_ms = 0;
    memset(fds, 0xff, sizeof fds); /* -1: none */
    for (; number < milters->count && verdict == VERDICT_OK; number++) {
        verdict = connect_to(milters, number, end, &first[number]);
        some = first[number] >= 0 ? number : some;
    }
    if (verdict == VERDICT_OK && some < milters->count && fork_hand(milters, fds) != 0)
        verdict = fail(milters, some);
    for (size_t i = 0; i < milters->count; i++)
        file_close(first[i]);
    return verdict;
}
