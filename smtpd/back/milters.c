#include "milters.h"

#include "../base/clock.h"
#include "../database/directory.h"
#include "milter_events.h"
#include "milter_start.h"
#include "milter_step.h"

#include <string.h>

_Static_assert((int)MILTERS_MAX >= (int)SETTINGS_MILTERS_MAX, "each has a number");

void milters_init(struct milters *milters, const struct settings *settings, enum role role)
{
    struct slice paths[SETTINGS_MILTERS_MAX];

    milters->settings = settings;
    milters->hand = WORKER_NONE;
    milters->helo_len = 0;
    milters->count = directory_milters(settings, role, paths);
    for (size_t i = 0; i < milters->count; i++) {
        struct filter *filter = &milters->all[i];
        filter->state = FILTER_UNCONNECTED;
        filter->done = filter->knows_mail = false;
        *(char *)mempcpy(filter->path, paths[i].at, paths[i].len) = '\0';
    }
}

size_t milters_count(const struct milters *milters)
{
    return milters->count;
}

bool milters_want_message(const struct milters *milters)
{
    bool wanted = false;

    for (size_t i = 0; i < milters->count; i++)
        wanted = wanted || milter_step_is_asked(milters, i);
    return wanted && milters->delivery->discarded_by == NULL;
}

/* ---- MAIL --------------------------------------------------------------------------------------
 */

static int64_t patience(const struct milters *milters)
{
    return clock_ms() + (int64_t)milters->settings->milter_timeout * 1000 * MILTERS_PATIENCE;
}

/* One event, to one filter after the other. */
static enum verdict tell_all(struct milters *milters, int64_t end)
{
    enum verdict verdict = VERDICT_OK;

    for (size_t i = 0; i < milters->count && verdict == VERDICT_OK; i++)
        if (milters->delivery->discarded_by == NULL)
            verdict = milter_step_event(milters, i, end, NULL);
    return verdict;
}

/* After another HELO, all filters are asked about it, and their replies to the last one no longer
 * count. */
static void note_helo(struct milters *milters)
{
    const struct wall_mail *mail = &milters->delivery->mail;

    if (mail->helo_len == milters->helo_len &&
        memcmp(mail->helo, milters->helo, mail->helo_len) == 0)
        return;
    milters->helo_len = mail->helo_len;
    memcpy(milters->helo, mail->helo, mail->helo_len);
    for (size_t i = 0; i < milters->count; i++) {
        struct filter *filter = &milters->all[i];
        filter->knows_helo = false;
        filter->refused = filter->refused == MILTER_HELO ? MILTER_IDLE : filter->refused;
    }
}

static enum verdict say_mail(struct milters *milters)
{
    const struct delivery *delivery = milters->delivery;
    int64_t end = patience(milters);
    enum verdict verdict = VERDICT_OK;

    note_helo(milters);
    if (milters->hand.pid == 0)
        verdict = milter_start(milters, end);
    milter_events_connect(&milters->event, &milters->client, delivery);
    verdict = verdict == VERDICT_OK ? tell_all(milters, end) : verdict;
    milter_events_helo(&milters->event, &milters->client, delivery);
    verdict = verdict == VERDICT_OK ? tell_all(milters, end) : verdict;
    milter_events_mail(&milters->event, &milters->client, delivery);
    return verdict == VERDICT_OK ? tell_all(milters, end) : verdict;
}

static bool has_failed(const struct milters *milters)
{
    bool some = false;

    for (size_t i = 0; i < milters->count; i++)
        some = some || milters->all[i].state == FILTER_FAILED;
    return some;
}

enum verdict milters_mail(struct milters *milters, const struct milter_client *client,
                          struct delivery *delivery)
{
    milters->delivery = delivery;
    milters->client = *client;
    if (milters->count == 0)
        return VERDICT_OK;
    if (has_failed(milters) || milters->waited_ms > MILTERS_HAND_MS)
        milters_end(milters);
    milters->stale = false;
    milters->kept = milters->hand.pid != 0;
    enum verdict verdict = say_mail(milters);
    if (milters->stale) {
        milters_end(milters);
        milters->kept = milters->stale = false;
        verdict = say_mail(milters);
    }
    milters->kept = false;
    if (verdict != VERDICT_OK)
        milters_abort(milters);
    return verdict;
}

/* ---- the rest of a transaction -----------------------------------------------------------------
 */

enum verdict milters_recipient(struct milters *milters, const struct address *recipient,
                               enum verdict own)
{
    if (milters->count == 0 || milters->delivery->discarded_by != NULL)
        return own;
    milter_events_rcpt(&milters->event, &milters->client, milters->delivery, recipient, own);
    enum verdict verdict = tell_all(milters, patience(milters));
    return verdict_accepts(own) && verdict != VERDICT_OK ? verdict : own;
}

void milters_abort(struct milters *milters)
{
    for (size_t i = 0; i < milters->count; i++) {
        struct filter *filter = &milters->all[i];
        if (filter->knows_mail && filter->state == FILTER_IN_USE)
            milter_talk_abort(milters, i);
        filter->knows_mail = filter->done = false;
    }
}

void milters_end(struct milters *milters)
{
    milter_talk_end(milters);
    for (size_t i = 0; i < milters->count; i++) {
        struct filter *filter = &milters->all[i];
        filter->knows_mail = filter->done = false;
        if (filter->state != FILTER_TOO_SLOW)
            filter->state = FILTER_UNCONNECTED;
    }
}
