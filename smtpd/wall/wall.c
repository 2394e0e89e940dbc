#include "wall.h"

#include <errno.h>
#include <sys/socket.h>

enum { HEAD_SIZE = offsetof(struct wall_message, text) };

size_t wall_body_size(uint32_t type)
{
    static const size_t sizes[WALL_TYPES] = {
        [WALL_SETTINGS] = sizeof(struct wall_settings),
        [WALL_CERTIFICATE] = WALL_TEXT_MAX,
        [WALL_VERDICT] = sizeof(struct wall_verdict),
        [WALL_RESULT] = sizeof(struct wall_result),
        [WALL_READY] = sizeof(uint32_t),
        [WALL_SIGNATURE] = sizeof(struct wall_signature),
        [WALL_MECHANISMS] = sizeof(uint32_t),
        [WALL_CHALLENGE] = sizeof(struct wall_challenge),
        [WALL_STARTTLS] = sizeof(uint32_t),
        [WALL_SIGN] = sizeof(struct wall_sign),
        [WALL_SECURED] = sizeof(struct wall_secured),
        [WALL_INSECURE] = sizeof(struct wall_insecure),
        [WALL_AUTH] = sizeof(struct wall_sasl),
        [WALL_RESPONSE] = sizeof(struct wall_sasl),
        [WALL_VERIFY] = sizeof(struct address),
        [WALL_MAIL] = sizeof(struct wall_mail),
        [WALL_RECIPIENT] = sizeof(struct address),
        [WALL_TEXT] = WALL_TEXT_MAX,
        [WALL_CANCEL] = sizeof(struct wall_refused),
        [WALL_REFUSED] = sizeof(struct wall_refused),
        [WALL_REFUSED_TEXT] = sizeof(uint32_t),
        [WALL_END] = sizeof(struct wall_end),
    };

    return type < WALL_TYPES ? sizes[type] : 0;
}

bool wall_is_variable(uint32_t type)
{
    return type == WALL_TEXT || type == WALL_CERTIFICATE;
}

int wall_send(int fd, const struct wall_message *message, size_t body_len)
{
    size_t size =
        HEAD_SIZE + (wall_is_variable(message->type) ? body_len : wall_body_size(message->type));
    ssize_t sent;

    do
        sent = send(fd, message, size, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return sent < 0 ? -1 : 0;
}

int wall_receive(int fd, struct wall_message *message, size_t *body_len)
{
    ssize_t got;

    do /* MSG_TRUNC: the length as it was sent, so that too long a packet shows */
        got = recv(fd, message, sizeof *message, MSG_TRUNC);
    while (got < 0 && errno == EINTR);
    if (got <= 0)
        return got < 0 && errno != ECONNRESET ? -1 : 0;
    bool known = got >= HEAD_SIZE && message->type >= WALL_SETTINGS && message->type < WALL_TYPES;
    size_t len = known ? (size_t)got - HEAD_SIZE : 0;
    size_t due = known ? wall_body_size(message->type) : 0;
    bool variable = known && wall_is_variable(message->type);
    if (!known || (variable ? len == 0 || len > due : len != due)) {
        errno = EPROTO;
        return -1;
    }
    *body_len = len;
    return 1;
}
