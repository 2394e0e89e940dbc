#include "../base/clock.h"
#include "../base/gnutls.h"
#include "../wall/sasl.h"
#include "log.h"
#include "requests_report.h"

#include <stdio.h>
#include <string.h>

/* Any other name may be a password that was typed in the wrong place, which may be why the
 * client cancelled. */
static bool is_user(struct back *back, const char *name)
{
    struct directory_user user;
    char key[ADDRESS_KEY_MAX];
    ptrdiff_t len = directory_login(&back->settings, slice_of(name), key);

    return len > 0 && directory_user(&back->db, (struct slice){key, (size_t)len}, &user) == 1;
}

static bool report(struct back *back, enum reply reply)
{
    const char *mechanism = sasl_name(back->auth.mechanism), *name = back->auth.name;
    char command[64];

    snprintf(command, sizeof command, "AUTH %s", mechanism == NULL ? "" : mechanism);
    return requests_report_refused(back, command, reply, is_user(back, name) ? name : NULL);
}

static void do_step(struct back *back, bool begin)
{
    static struct wall_sasl asked;
    const struct auth_context context = back_auth_context(back);
    int64_t begun = clock_ms();
    bool honest = false;

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
    back->state = back->auth.stage == AUTH_NONE ? BACK_IDLE : BACK_AUTH;
    if (!honest) {
        back_breach(back, "authentication");
        return;
    }
    if (back->message.challenge.code == VERDICT_AUTH_MALFORMED &&
        report(back, REPLY_AUTH_MALFORMED))
        return;
    if (back->message.challenge.code == VERDICT_AUTH_UNAVAILABLE && back_too_idle(back, 1))
        return;
    back->message.type = WALL_CHALLENGE;
    back_answer(back);
}

void requests_auth(struct back *back)
{
    do_step(back, true);
}

void requests_response(struct back *back)
{
    do_step(back, false);
}

/* By `*`, or by a malformed response; the reply tells which. */
void requests_cancel(struct back *back)
{
    uint32_t reply = back->message.refused.reply;

    if (!requests_report_is_refusal(reply)) {
        back_breach(back, "authentication");
        return;
    }
    auth_cancel(&back->auth);
    back->state = BACK_IDLE;
    report(back, (enum reply)reply);
}
