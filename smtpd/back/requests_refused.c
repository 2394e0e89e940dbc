#include "requests_refused.h"

#include "../wall/sasl.h"
#include "log.h"

#include <stdio.h>
#include <string.h>

static void log_refused(struct back *back, const char *command, enum reply reply, const char *user)
{
    bool in_transaction = back->state == BACK_ENVELOPE || back->state == BACK_TEXT;
    char status[REPLY_STATUS_MAX], sender[ADDRESS_TEXT_MAX], login[ADDRESS_KEY_MAX + 1];

    if (in_transaction)
        address_write(&back->delivery.mail.sender, sender);
    *(char *)mempcpy(login, back->auth.user, back->auth.user_len) = '\0';
    log_event(EVENT_REFUSED_COMMAND, "command", command, "reply", reply_status(reply, status),
              "user", user, "sender", in_transaction ? sender : NULL, "login",
              login[0] == '\0' ? NULL : login, NULL);
}

void requests_refused(struct back *back)
{
    const struct wall_refused *refused = &back->message.refused;
    char command[WALL_COMMAND_MAX + 1];

    if (back->auth.stage != AUTH_NONE || back->state > BACK_TEXT || back->state == BACK_HANDSHAKE ||
        refused->reply >= REPLY_COUNT || reply_class((enum reply)refused->reply) < 4 ||
        refused->len > sizeof refused->command) {
        back_breach(back, "refusal");
        return;
    }
    for (size_t i = 0; i < refused->len; i++)
        command[i] = refused->command[i] == '\0' ? '?' : refused->command[i];
    command[refused->len] = '\0';
    log_refused(back, command, (enum reply)refused->reply, NULL);
    if (reply_class((enum reply)refused->reply) == 5)
        back_too_many_errors(back);
    else
        back_too_idle(back, 1);
}

/* Anything else may be the password, typed in the wrong place and cancelled for that reason. */
static bool is_user(struct back *back, const char *name)
{
    struct directory_user user;
    char key[ADDRESS_KEY_MAX];
    ptrdiff_t len = directory_login(&back->settings, name, strlen(name), key);

    return len > 0 && directory_user(&back->db, key, (size_t)len, &user) == 1;
}

void requests_refused_auth(struct back *back, enum reply reply)
{
    const char *mechanism = sasl_name(back->auth.mechanism), *name = back->auth.name;
    char command[64];

    snprintf(command, sizeof command, "AUTH %s", mechanism == NULL ? "" : mechanism);
    log_refused(back, command, reply, is_user(back, name) ? name : NULL);
}
