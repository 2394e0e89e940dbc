#include "front_settings.h"

#include "../base/clock.h"

#include <string.h>

static bool has_certificate(const struct back *back)
{
    return back->settings.certificates_len > 0;
}

bool front_settings_has_starttls(const struct back *back)
{
    bool is_local = strcmp(back->start->peer, "local") == 0 &&
                    (back->start->role == ROLE_LMTP || back->start->role == ROLE_LOCAL);

    return has_certificate(back) && !is_local;
}

void front_settings_offer_auth(struct back *back)
{
    const struct auth_context context = back_auth_context(back);

    back->auth.offered = role_has_auth(back->start->role) ? auth_mechanisms(&context) : 0;
}

/* What earlier fronts have left of a limit. */
static uint64_t rest(uint64_t max, uint64_t used)
{
    return max > used ? max - used : 0;
}

/* Programs of local users need a domain for addresses without one. A text that is too long is left
 * out. */
static void write_local_user(const struct back *back, char text[static WALL_LOCAL_USER_MAX])
{
    char written[ADDRESS_TEXT_MAX];
    struct address address;

    if (back->start->role == ROLE_LOCAL && auth_user(&back->auth).len > 0 &&
        address_from_key(auth_user(&back->auth), &address) == ADDRESS_OK &&
        address_is_ascii(&address) && address_write(&address, written) < WALL_LOCAL_USER_MAX)
        strcpy(text, written);
}

static void put_session(struct back *back, struct wall_settings *wall)
{
    const struct settings *settings = &back->settings;
    int64_t left = (back->session_end - clock_ms()) / 1000;

    *wall = (struct wall_settings){
        .session = settings->session,
        .refuse = back->db.state == DATABASE_UNSAFE,
        .broken = back->broken,
        .submission = role_is_submission(back->start->role),
        .local = back->start->role == ROLE_LOCAL,
        .lmtp = back->start->role == ROLE_LMTP,
        .auth = settings->auth && role_has_auth(back->start->role) &&
                (has_certificate(back) || settings->auth_without_tls),
        .tls_due = !settings->auth_without_tls,
        .mechanisms = back->auth.offered,
    };
    write_local_user(back, wall->local_user);
    wall->session.max_errors = rest(settings->session.max_errors, back->errors);
    wall->session.max_idle = rest(settings->session.max_idle, back->idle);
    wall->session.session_timeout = left < 1 ? 1 : (uint64_t)left;
}

void front_settings_send(struct back *back)
{
    bool handshake = back->state == BACK_HANDSHAKE;
    struct wall_settings *wall = &back->message.settings;

    front_settings_offer_auth(back);
    back->message.type = WALL_SETTINGS;
    put_session(back, wall);
    wall->greet = !back->started_tls;
    wall->starttls = !handshake && front_settings_has_starttls(back);
    if (handshake) {
        wall->secure = true;
        wall->certificates = (uint32_t)back->keyring.count;
        wall->ask_certificate = back->settings.tls_client_ca.len > 0;
        /* A ticket would vouch for a client's certificate, and a front can make tickets. */
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
