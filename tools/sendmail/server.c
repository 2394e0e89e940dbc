#include "server.h"

#include "../../smtpd/base/clock.h"
#include "../kit/message.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sysexits.h>
#include <unistd.h>

/* RFC 5321 section 4.5.3.2 demands ten minutes for the last reply; the server asks others first. */
enum { CONNECT_SECONDS = 60, REPLY_SECONDS = 600 };

const char *server_path(void)
{
    const char *path = getenv("MAILSLOT_SUBMIT");

    return path == NULL || *path == '\0' ? "/run/mailslot/submit" : path;
}

/* A backlog that is full makes connect(2) wait. */
int server_connect(const char *path)
{
    const struct timeval patience = {.tv_sec = CONNECT_SECONDS};
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    if (strlen(path) >= sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    strcpy(address.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

/* The server may have said why it no longer reads: errors show when its reply is read. Nothing is
 * sent after one: with a hole in it, a message must not get its dot. */
static bool send_all(struct server *server, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t sent = send(server->fd, bytes, len, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0) {
            shutdown(server->fd, SHUT_WR);
            return false;
        }
        bytes += sent;
        len -= (size_t)sent;
    }
    return true;
}

static void hear(struct server *server, struct slice bytes)
{
    size_t room = sizeof server->heard - server->heard_len;

    if (bytes.len > room)
        bytes.len = room;
    memcpy(server->heard + server->heard_len, bytes.at, bytes.len);
    server->heard_len += bytes.len;
}

static void feed(struct server *server, struct slice bytes)
{
    while (bytes.len > 0 && !server->step.send) {
        bytes = slice_from(bytes, client_feed(&server->client, bytes, &server->step));
        send_all(server, server->step.output, server->step.output_len);
    }
}

/* Reads until there is a message for the back, whose place we take. */
static int receive(struct server *server)
{
    char bytes[4096];
    int64_t deadline = clock_ms() + (int64_t)REPLY_SECONDS * 1000;
    struct pollfd readable = {.fd = server->fd, .events = POLLIN};

    while (!server->step.send) {
        int64_t left = deadline - clock_ms();
        int ready = left <= 0 ? 0 : poll(&readable, 1, (int)left);
        if (ready < 0 && errno == EINTR)
            continue;
        if (ready == 0)
            return message_print(EX_TEMPFAIL, "%s does not reply", server_path());
        ssize_t got = recv(server->fd, bytes, sizeof bytes, 0);
        if (got > 0) {
            hear(server, (struct slice){bytes, (size_t)got});
            feed(server, (struct slice){bytes, (size_t)got});
        } else if (got == 0 || errno != EINTR) {
            client_closed(&server->client, &server->step);
        }
    }
    return EX_OK;
}

/* Asks what is in server->message, and waits for the answer. */
static int ask(struct server *server)
{
    client_request(&server->client, &server->step);
    send_all(server, server->step.output, server->step.output_len);
    return receive(server);
}

/* RFC 3463. */
static int code_of(const struct wall_hop_reply *reply)
{
    const char *status = reply->status;

    if (reply->fault != HOP_SAID || reply->code < 500)
        return EX_TEMPFAIL;
    if (strcmp(status, "5.1.2") == 0)
        return EX_NOHOST;
    if (reply->step == HOP_RCPT &&
        (strncmp(status, "5.1.", 4) == 0 || strcmp(status, "5.2.1") == 0))
        return EX_NOUSER;
    if (strncmp(status, "5.7.", 4) == 0)
        return EX_NOPERM;
    return strncmp(status, "5.1.", 4) == 0 || strncmp(status, "5.6.", 4) == 0 ? EX_DATAERR
                                                                              : EX_UNAVAILABLE;
}

/* The answer must be a good reply. */
static int judge(const struct server *server, const char *about)
{
    const struct wall_hop_reply *reply = &server->message.hop_reply;

    if (reply->fault == HOP_SAID && reply->code < 400)
        return EX_OK;
    if (reply->fault != HOP_SAID)
        return message_print(EX_TEMPFAIL, "%s: the server has %s%s%s", about,
                             reply->fault == HOP_CLOSED ? "hung up" : "not replied properly",
                             reply->text[0] == '\0' ? "" : ": ", reply->text);
    return message_print(code_of(reply), "%s: %u %s %s", about, reply->code, reply->status,
                         reply->text);
}

/* `XLOCAL alice@example.org`, a line of the reply to EHLO. */
static void find_user(struct server *server)
{
    struct slice rest = {server->heard, server->heard_len};

    while (rest.len > 0) {
        struct slice line = slice_from(slice_trim(slice_cut(&rest, '\n')), strlen("250-"));
        if (slice_is_word(slice_cut_word(&line), "XLOCAL"))
            address_parse(slice_until(line, '\r'), &server->user);
    }
}

static void name_us(char hello[static HOP_HELLO_MAX])
{
    if (gethostname(hello, ADDRESS_DOMAIN_MAX) != 0 || hello[0] == '\0')
        strcpy(hello, "localhost");
    hello[ADDRESS_DOMAIN_MAX] = '\0';
    for (char *c = hello; *c != '\0'; c++)
        if (*c <= ' ' || *c > '~')
            *c = '_';
}

int server_open(struct server *server)
{
    struct wall_hop hop = {.lmtp = 0};

    memset(server, 0, sizeof *server);
    server->step.message = &server->message;
    server->fd = server_connect(server_path());
    if (server->fd < 0)
        return message_errno(EX_TEMPFAIL, "cannot connect to %s", server_path());
    name_us(hop.hello);
    client_begin(&server->client, &hop, &server->step);
    int code = receive(server);
    if (code != EX_OK)
        return code;
    if (server->message.type != WALL_HOP_READY)
        return judge(server, server_path());
    find_user(server);
    return EX_OK;
}

void server_sender(struct server *server, const struct wall_hop_mail *mail)
{
    server->message.type = WALL_HOP_MAIL;
    server->message.hop_mail = *mail;
    client_request(&server->client, &server->step);
}

int server_recipient(struct server *server, const struct address *recipient)
{
    char text[ADDRESS_TEXT_MAX];

    server->message.type = WALL_HOP_RCPT;
    server->message.address = *recipient;
    int code = ask(server);
    if (code != EX_OK)
        return code;
    address_write(
        server->message.hop_reply.step == HOP_MAIL ? &server->client.mail.sender : recipient, text);
    return judge(server, text[0] == '\0' ? "<>" : text);
}

bool server_has_ended(const struct server *server)
{
    const struct wall_hop_reply *reply = &server->message.hop_reply;

    return server->message.type != WALL_HOP_REPLY || reply->fault != HOP_SAID ||
           reply->code == 421 || reply->step != HOP_RCPT;
}

/* A server that has hung up has perhaps said why, instead of its reply to the dot. */
static void send_part(struct server *server, struct slice text)
{
    char bytes[65536];
    size_t len;

    while (text.len > 0) {
        text =
            slice_from(text, hop_text_feed(&server->client.text, text, bytes, sizeof bytes, &len));
        if (!send_all(server, bytes, len))
            return;
    }
}

int server_text(struct server *server, const struct slice *parts, size_t count, const char **said)
{
    server->message.type = WALL_HOP_DATA;
    int code = ask(server);
    if (code == EX_OK)
        code = judge(server, "the message");
    if (code != EX_OK)
        return code;
    for (size_t i = 0; i < count; i++)
        send_part(server, parts[i]);
    server->message.type = WALL_HOP_DOT;
    code = ask(server);
    *said = server->message.hop_reply.text;
    return code != EX_OK ? code : judge(server, "the message");
}

void server_close(struct server *server)
{
    client_quit(&server->client, &server->step);
    send_all(server, server->step.output, server->step.output_len);
    close(server->fd);
}
