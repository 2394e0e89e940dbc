#include "wall.h"

#include <errno.h>
#include <sys/socket.h>

enum { HEAD_SIZE = offsetof(struct wall_message, text) };

size_t wall_body_size(uint32_t type)
{
#define BODY_SIZE(type, body) [type] = sizeof(((struct wall_message *)0)->body),
    static const size_t sizes[WALL_TYPES] = {WALL_MESSAGES(BODY_SIZE)};

    return type < WALL_TYPES ? sizes[type] : 0;
}

bool wall_is_variable(uint32_t type)
{
    return wall_body_size(type) == WALL_TEXT_MAX;
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

    do /* MSG_TRUNC: the length that was sent, so that too long a packet shows */
        got = recv(fd, message, sizeof *message, MSG_TRUNC);
    while (got < 0 && errno == EINTR);
    if (got <= 0)
        return got < 0 && errno != ECONNRESET ? -1 : 0;
    bool known = got >= HEAD_SIZE && message->type > WALL_NONE && message->type < WALL_TYPES;
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
