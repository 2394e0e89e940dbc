#include "requests_report.h"

#include "log.h"

#include <string.h>

void requests_report_user(const struct back *back, char text[ADDRESS_TEXT_MAX])
{
    struct address address;

    *text = '\0';
    struct slice user = auth_user(&back->auth);
    if (user.len > 0 && address_from_key(user, &address) == ADDRESS_OK)
        address_write(&address, text);
}

bool requests_report_refused(struct back *back, const char *command, enum reply reply,
                             const char *user)
{
    bool in_transaction = (back->state & BACK_TRANSACTION) != 0;
    char status[REPLY_STATUS_MAX], sender[ADDRESS_TEXT_MAX], login[ADDRESS_KEY_MAX + 1];
    struct slice user_key = auth_user(&back->auth);

    if (in_transaction)
        address_write(&back->delivery.mail.sender, sender);
    *(char *)mempcpy(login, user_key.at, user_key.len) = '\0';
    log_event(EVENT_REFUSED_COMMAND, "command", command, "reply", reply_status(reply, status),
              "user", user, "sender", in_transaction ? sender : NULL, "login",
              login[0] == '\0' ? NULL : login, NULL);
    return back_refused_too_often(back, reply);
}

bool requests_report_is_refusal(uint32_t reply)
{
    return reply < REPLY_COUNT && reply_class((enum reply)reply) >= 4;
}

void requests_refused(struct back *back)
{
    const struct wall_refused *refused = &back->message.refused;
    char command[WALL_COMMAND_MAX + 1];

    if (!requests_report_is_refusal(refused->reply) || refused->len > sizeof refused->command) {
        back_breach(back, "refusal");
        return;
    }
    for (size_t i = 0; i < refused->len; i++)
        command[i] = refused->command[i] == '\0' ? '?' : refused->command[i];
    command[refused->len] = '\0';
    requests_report_refused(back, command, (enum reply)refused->reply, NULL);
}

void requests_end(struct back *back)
{
    const struct wall_end end = back->message.end;

    if (end.end == END_HANDED_OVER && back->state == BACK_LEAVING) {
        back->state = BACK_HANDED_OVER;
    } else if (end_is_of_front(end.end)) {
        if (end.in_text && (back->state & BACK_TRANSACTION) != 0)
            back->state = BACK_TEXT; /* perhaps none of it has arrived here yet */
        back_end(back, end.end);
    } else {
        back_breach(back, "end");
        return;
    }
    back->bytes += end.bytes;
}
