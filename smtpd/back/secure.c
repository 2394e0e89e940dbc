#include "secure.h"

#include "../clock.h"
#include "log.h"

#include <errno.h>
#include <string.h>

bool secure_handles(uint32_t type)
{
    return type >= WALL_STARTTLS && type <= WALL_CANCEL;
}

static bool has_certificate(const struct back *back)
{
    return back->settings.certificates_len > 0;
}

/* A mail system that delivers by a socket of this machine would pay for TLS each time, for nothing:
 * nobody listens there. */
static bool has_starttls(const struct back *back)
{
    bool is_local = back->start->role == ROLE_LMTP && strcmp(back->start->peer, "local") == 0;

    return has_certificate(back) && !is_local;
}

static struct auth_context auth_context(struct back *back)
{
    return (struct auth_context){&back->db, &back->settings, &back->tls};
}

static void offer(struct back *back)
{
    const struct auth_context context = auth_context(back);

    back->auth.offered = role_has_auth(back->start->role) ? auth_mechanisms(&context) : 0;
}

static void put_session(struct back *back, struct wall_settings *wall)
{
    const struct settings *settings = &back->settings;
    int64_t left = (back->session_end - clock_ms()) / 1000;

    *wall = (struct wall_settings){
        .refuse = back->db.state == DATABASE_UNSAFE,
        .broken = back->broken,
        .vrfy = settings->vrfy,
        .normalise_newlines = settings->normalise_newlines,
        .submission = role_needs_auth(back->start->role),
        .lmtp = back->start->role == ROLE_LMTP,
        .auth = settings->auth && role_has_auth(back->start->role) &&
                (has_certificate(back) || settings->auth_without_tls),
        .tls_due = !settings->auth_without_tls,
        .mechanisms = back->auth.offered,
        .max_message_size = settings->max_message_size,
        .max_recipients = settings->max_recipients,
        .max_messages = settings->max_messages,
        /* What an earlier front has counted is counted. */
        .max_errors = settings->max_errors > back->errors ? settings->max_errors - back->errors : 0,
        .max_received = settings->max_received,
        .idle_timeout = settings->idle_timeout,
        .session_timeout = left < 1 ? 1 : (uint64_t)left,
        .min_data_rate = settings->min_data_rate,
    };
    memcpy(wall->hostname, settings->hostname, sizeof settings->hostname);
}

void secure_send_settings(struct back *back)
{
    bool handshake = back->state == BACK_HANDSHAKE;
    struct wall_settings *wall = &back->message.settings;

    offer(back);
    back->message.type = WALL_SETTINGS;
    put_session(back, wall);
    wall->greet = !back->started_tls;
    wall->starttls = !handshake && has_starttls(back);
    if (handshake) {
        wall->secure = true;
        wall->certificates = (uint32_t)back->keyring.count;
        wall->ask_certificate = back->settings.tls_client_ca.len > 0;
        /* A ticket would vouch for a client's certificate, and fronts hold what tickets are made
         * of. */
        wall->tickets =
            back->settings.tls_tickets && !wall->ask_certificate &&
            keyring_ticket_key(&back->keyring, back->start->role, wall->ticket_key) == 0;
    }
    back_answer(back);
    explicit_bzero(wall, sizeof *wall);
    if (handshake && back->state != BACK_DONE &&
        keyring_send(&back->keyring, back->wall, &back->message) != 0) {
        back->end = "front gone";
        back->state = BACK_DONE;
    }
}

int secure_prepare(struct back *back)
{
    if (keyring_prepare(&back->keyring, &back->settings, back->folder) != 0)
        return -1;
    if (back_fork(back, back->keyring.priority) != 0) {
        log_event(EVENT_CANNOT_START, "doing", "fork", "error", strerror(errno), NULL);
    } else if (keyring_load(&back->keyring) == 0) {
        return 0;
    } else {
        back_drop_next(back);
    }
    keyring_forget(&back->keyring);
    return -1;
}

static void do_starttls(struct back *back)
{
    if (back->state == BACK_HANDSHAKE || back->state > BACK_TEXT || back->tls.on ||
        !has_starttls(back) || back->auth.stage != AUTH_NONE) {
        back_breach(back, "out of order");
        return;
    }
    /* What has failed is not tried again: each time costs a process and a line in the log. */
    bool ready = !back->no_tls && secure_prepare(back) == 0;
    back->no_tls = !ready;
    back->message.type = WALL_READY;
    back->message.ready = ready;
    if (ready)
        back->state = BACK_LEAVING;
    back_answer(back);
}

static void do_sign(struct back *back)
{
    const struct wall_sign asked = back->message.sign;

    if (back->state != BACK_HANDSHAKE || asked.len > sizeof asked.hash ||
        !keyring_sign(&back->keyring, &asked, &back->message.signature)) {
        back_breach(back, "signature");
        return;
    }
    back->message.type = WALL_SIGNATURE;
    back_answer(back);
}

static void do_secured(struct back *back)
{
    struct secured *tls = &back->tls;

    if (back->state != BACK_HANDSHAKE || !secured_valid(&back->message.secured)) {
        back_breach(back, "handshake");
        return;
    }
    secured_bind(tls, &back->keyring);
    keyring_forget(&back->keyring);
    tls->on = true;
    tls->facts = back->message.secured;
    secured_identify(tls, &back->keyring, &back->db);
    offer(back);
    log_event(EVENT_TLS, "protocol", tls->facts.protocol, "cipher", tls->facts.cipher, "resumed",
              tls->facts.resumed ? "yes" : NULL, "client",
              tls->client[0] != '\0' ? tls->client : NULL, NULL);
    back->state = BACK_IDLE;
    back->message.type = WALL_MECHANISMS;
    back->message.mechanisms = back->auth.offered;
    back_answer(back);
}

static void do_insecure(struct back *back)
{
    const struct wall_insecure *why = &back->message.insecure;
    const char *alert = NULL;

    if (back->state != BACK_HANDSHAKE) {
        back_breach(back, "handshake");
        return;
    }
    if (why->alert >= 0)
        alert = gnutls.alert_get_name((gnutls_alert_description_t)why->alert);
    log_event(EVENT_TLS_FAILED, "error", gnutls.strerror(why->error), "alert", alert, NULL);
    back->end = "no TLS";
    back->state = BACK_DONE;
}

static void do_auth(struct back *back)
{
    static struct wall_sasl asked;
    const struct auth_context context = auth_context(back);
    int64_t begun = clock_ms();
    bool begin = back->message.type == WALL_AUTH, honest = false;

    asked = back->message.sasl;
    explicit_bzero(&back->message.sasl, sizeof back->message.sasl);
    if (gnutls_load() != 0) { /* without TLS it may not be there yet */
        log_event(EVENT_AUTH_UNAVAILABLE, "what", "GnuTLS cannot be loaded", NULL);
        back->message.challenge.code = WALL_AUTH_UNAVAILABLE;
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
    if (back->message.challenge.code == WALL_AUTH_MALFORMED && back_too_many_errors(back))
        return;
    back->message.type = WALL_CHALLENGE;
    back_answer(back);
}

void secure_handle(struct back *back)
{
    switch (back->message.type) {
    case WALL_STARTTLS:
        do_starttls(back);
        return;
    case WALL_SIGN:
        do_sign(back);
        return;
    case WALL_SECURED:
        do_secured(back);
        return;
    case WALL_INSECURE:
        do_insecure(back);
        return;
    case WALL_CANCEL:
        if (!auth_cancel(&back->auth))
            back_breach(back, "authentication");
        return;
    default: /* WALL_AUTH, WALL_RESPONSE */
        if (back->state == BACK_IDLE)
            do_auth(back);
        else
            back_breach(back, "authentication");
    }
}
