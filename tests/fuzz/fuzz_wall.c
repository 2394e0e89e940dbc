/*
 * The back, and a front that an attacker controls. A message of the input is a byte for its type,
 * two for its length (0: the length of that type), and the first bytes of its body; the rest is as
 * in an honest message. In every case the mailbox must contain whole messages.
 */
#include "../../smtpd/back/back.h"
#include "../../smtpd/back/log.h"
#include "../../smtpd/database/database.h"
#include "../../smtpd/wall/wall.h"
#include "database.h"

#include <sys/socket.h>
#include <time.h>

enum { HEAD = offsetof(struct wall_message, text), MESSAGES_MAX = 40 };

/* A failure of AUTH is answered later: not here. */
int nanosleep(const struct timespec *time, struct timespec *left)
{
    (void)time;
    (void)left;
    return 0;
}

/* An honest message of this type. */
static void make_message(struct wall_message *message, uint32_t type)
{
    memset(message, 0, HEAD + wall_body_size(type));
    message->type = type;
    if (type == WALL_MAIL) {
        MUST(address_parse(slice_of("s@client.example"), &message->mail.sender) == ADDRESS_OK);
        message->mail.helo_len = 6;
        memcpy(message->mail.helo, "client", 6);
    } else if (type == WALL_RECIPIENT || type == WALL_VERIFY) {
        MUST(address_parse(slice_of("alice@example.org"), &message->address) == ADDRESS_OK);
    } else if (type == WALL_AUTH) {
        message->sasl.mechanism = WALL_PLAIN;
    }
}

static void send_all(int wall, struct input *input)
{
    static struct wall_message message;

    for (int i = 0; i < MESSAGES_MAX && input->at < input->end; i++) {
        uint32_t type = next_byte(input) % (WALL_TYPES + 1);
        size_t claimed = next_byte(input), body;
        claimed |= (size_t)next_byte(input) << 8;
        bool known = type >= WALL_SETTINGS && type < WALL_TYPES;
        size_t size = known ? wall_body_size(type) : 16;
        make_message(&message, known ? type : WALL_SETTINGS);
        message.type = type;
        const char *poked = next_bytes(input, next_byte(input), &body);
        memcpy(message.text, poked, body);
        if (claimed > 0 && claimed <= sizeof message.text)
            size = claimed;
        else if (known && wall_is_variable(type))
            size = body;
        if (send(wall, &message, HEAD + size, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
            break;
    }
    shutdown(wall, SHUT_WR);
}

static void check_mailbox(const char *name)
{
    static char text[65536];
    char path[128];

    snprintf(path, sizeof path, "%s/mail/example.org/%s", scratch, name);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return;
    ssize_t len = read(fd, text, sizeof text);
    MUST(len == 0 ||
         (len > 7 && memcmp(text, "From ", 5) == 0 && memcmp(text + len - 2, "\n\n", 2) == 0));
    MUST(ftruncate(fd, 0) == 0);
    close(fd);
    strcat(path, ".undo");
    MUST(access(path, F_OK) != 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    static char database[128];
    struct input input = {bytes, bytes + len};
    struct back_start start = {.in = -1, .out = -1, .peer = "192.0.2.1"};
    int wall[2];

    if (database[0] == '\0') {
        database_make(database, "max-recipients=3\nmax-message-size=10000\nauth-without-tls=yes\n");
        log_open(-1, -1);
    }
    start.database = database;
    start.role = (enum role)(next_byte(&input) % ROLES);
    MUST(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, wall) == 0);
    send_all(wall[0], &input);
    back_serve(&start, wall[1]);
    close(wall[0]);
    close(wall[1]);
    check_mailbox("alice");
    check_mailbox("bob");
    return 0;
}
