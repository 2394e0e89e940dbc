#include "client_certificate.h"
#include "front_settings.h"
#include "fronts.h"
#include "log.h"
#include "requests_table.h"

#include <string.h>

void requests_starttls(struct back *back)
{
    if (back->tls.on || !front_settings_has_starttls(back)) {
        back_breach(back, "out of order");
        return;
    }
    if (back->message.errors > back->errors) /* of commands that only the front has seen */
        back->errors = back->message.errors;
    /* After a failure it is not tried again: each try costs a process and a line in the log. */
    bool ready = !back->no_tls && fronts_prepare_tls(back) == 0;
    back->no_tls = !ready;
    back->message.type = WALL_READY;
    back->message.ready = ready;
    if (ready)
        back->state = BACK_LEAVING;
    else if (back_too_idle(back, 1))
        return;
    back_answer(back);
}

void requests_sign(struct back *back)
{
    const struct wall_sign asked = back->message.sign;

    if (asked.len > sizeof asked.hash ||
        !keyring_sign(&back->keyring, &asked, &back->message.signature)) {
        back_breach(back, "signature");
        return;
    }
    back->message.type = WALL_SIGNATURE;
    back_answer(back);
}

void requests_secured(struct back *back)
{
    struct secured *tls = &back->tls;

    if (!secured_valid(&back->message.secured)) {
        back_breach(back, "handshake");
        return;
    }
    secured_bind(tls, &back->keyring);
    keyring_forget(&back->keyring);
    tls->on = true;
    tls->facts = back->message.secured;
    client_certificate_identify(tls, &back->keyring, &back->db);
    front_settings_offer_auth(back);
    log_event(EVENT_TLS, "protocol", tls->facts.protocol, "cipher", tls->facts.cipher, "resumed",
              tls->facts.resumed ? "yes" : NULL, "client",
              tls->client[0] != '\0' ? tls->client : NULL, NULL);
    back->state = BACK_IDLE;
    back->message.type = WALL_MECHANISMS;
    back->message.mechanisms = back->auth.offered;
    back_answer(back);
}

void requests_insecure(struct back *back)
{
    const struct wall_insecure *why = &back->message.insecure;
    const char *alert = NULL;

    if (why->alert >= 0)
        alert = gnutls.alert_get_name((gnutls_alert_description_t)why->alert);
    log_event(EVENT_TLS_FAILED, "error", gnutls_error(why->error), "alert", alert, NULL);
    back_end(back, why->error == GNUTLS_E_TIMEDOUT ? END_IDLE : END_NO_TLS);
}
