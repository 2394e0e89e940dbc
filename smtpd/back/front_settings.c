#include "front_settings.h"

#include "../base/clock.h"
#include "requests_auth.h"

#include <string.h>

static bool has_certificate(const struct back *back)
{
    return back->settings.certificates_len > 0;
}

bool front_settings_has_starttls(const struct back *back)
{
    bool is_local = back->start->role == ROLE_LMTP && strcmp(back->start->peer, "local") == 0;

    return has_certificate(back) && !is_local;
}

static void put_session(struct back *back, struct wall_settings *wall)
{
    const struct settings *settings = &back->settings;
    int64_t left = (back->session_end - clock_ms()) / 1000;

    *wall = (struct wall_settings){
        .refuse = back->db.state == DATABASE_UNSAFE,
        .broken = back->broken,
        .vrfy = settings->vrfy,
        .bare_newline = settings->bare_newline,
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
        .max_idle = settings->max_idle > back->idle ? settings->max_idle - back->idle : 0,
        .max_received = settings->max_received,
        .idle_timeout = settings->idle_timeout,
        .session_timeout = left < 1 ? 1 : (uint64_t)left,
        .min_data_rate = settings->min_data_rate,
    };
    memcpy(wall->hostname, settings->hostname, sizeof settings->hostname);
}

void front_settings_send(struct back *back)
{
    bool handshake = back->state == BACK_HANDSHAKE;
    struct wall_settings *wall = &back->message.settings;

    requests_offer_auth(back);
    back->message.type = WALL_SETTINGS;
    put_session(back, wall);
    wall->greet = !back->started_tls;
    wall->starttls = !handshake && front_settings_has_starttls(back);
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
        keyring_send(&back->keyring, back->front.wall, &back->message) != 0)
        back_end(back, END_FRONT_GONE);
}
