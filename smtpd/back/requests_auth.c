#include "requests_auth.h"

#include "../base/clock.h"
#include "../base/gnutls.h"
#include "log.h"
#include "requests_refused.h"

#include <string.h>

static struct auth_context auth_context(struct back *back)
{
    return (struct auth_context){&back->db, &back->settings, &back->tls, back->start->peer};
}

void requests_offer_auth(struct back *back)
{
    const struct auth_context context = auth_context(back);

    back->auth.offered = role_has_auth(back->start->role) ? auth_mechanisms(&context) : 0;
}

static void do_step(struct back *back)
{
    static struct wall_sasl asked;
    const struct auth_context context = auth_context(back);
    int64_t begun = clock_ms();
    bool begin = back->message.type == WALL_AUTH, honest = false;

    asked = back->message.sasl;
    explicit_bzero(&back->message.sasl, sizeof back->message.sasl);
    if (gnutls_load() != 0) { /* without TLS it may not be there yet */
        log_event(EVENT_AUTH_UNAVAILABLE, "what", "GnuTLS cannot be loaded", NULL);
        back->message.challenge.code = VERDICT_AUTH_UNAVAILABLE;
        honest = begin;
    } else if (begin) {
        honest = auth_begin(&back->auth, &context, &asked, &back->message.challenge);
    } else {
        honest = auth_respond(&back->auth, &context, &asked, &back->message.challenge);
    }
    explicit_bzero(&asked, sizeof asked);
    back->deadline += clock_ms() - begun;
    if (!honest) {
        back_breach(back, "authentication");
        return;
    }
    if (back->message.challenge.code == VERDICT_AUTH_MALFORMED) {
        requests_refused_auth(back, REPLY_AUTH_MALFORMED);
        if (back_too_many_errors(back))
            return;
    }
    if (back->message.challenge.code == VERDICT_AUTH_UNAVAILABLE && back_too_idle(back, 1))
        return;
    back->message.type = WALL_CHALLENGE;
    back_answer(back);
}

/* By `*`, or by what is no response: which of the two, the reply tells. */
static void do_cancel(struct back *back)
{
    uint32_t reply = back->message.refused.reply;

    if (reply >= REPLY_COUNT || reply_class((enum reply)reply) < 4 || !auth_cancel(&back->auth)) {
        back_breach(back, "authentication");
        return;
    }
    requests_refused_auth(back, (enum reply)reply);
    if (reply_class((enum reply)reply) == 5)
        back_too_many_errors(back);
    else
        back_too_idle(back, 1);
}

void requests_auth(struct back *back)
{
    if (back->message.type == WALL_CANCEL) {
        do_cancel(back);
    } else if (back->state == BACK_IDLE) {
        do_step(back);
    } else {
        back_breach(back, "authentication");
    }
}
