/*
 * sink: a next hop that accepts everything at once and keeps nothing, by SMTP and LMTP.
 *
 *   sink PATH           listens on a UNIX-domain socket
 *   sink PORT           on 127.0.0.1
 *   sink PORT FOLDER    the same with TLS from the first byte, by FOLDER/tls.crt and FOLDER/tls.key
 *
 * A thread for each connection. It prints a line when it listens, and runs until it is killed.
 */
#include <arpa/inet.h>
#include <err.h>
#include <gnutls/gnutls.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static gnutls_certificate_credentials_t keys;

struct connection {
    int fd;
    gnutls_session_t tls; /* NULL: none */
    bool lmtp, in_text, quit;
    int recipients;
    char in[65536];
    size_t len;
    char out[4096];
    size_t out_len;
};

static void flush_replies(struct connection *c)
{
    for (size_t done = 0; done < c->out_len;) {
        ssize_t sent = c->tls != NULL ? gnutls_record_send(c->tls, c->out + done, c->out_len - done)
                                      : write(c->fd, c->out + done, c->out_len - done);
        if (sent <= 0)
            break;
        done += (size_t)sent;
    }
    c->out_len = 0;
}

static void reply(struct connection *c, const char *text)
{
    size_t len = strlen(text);

    if (c->out_len + len > sizeof c->out)
        flush_replies(c);
    memcpy(c->out + c->out_len, text, len);
    c->out_len += len;
}

static bool is_verb(const char *line, const char *verb)
{
    return strncasecmp(line, verb, 4) == 0;
}

static void command(struct connection *c, const char *line)
{
    c->lmtp = c->lmtp || is_verb(line, "LHLO");
    if (is_verb(line, "EHLO") || is_verb(line, "LHLO")) {
        reply(c, "250-sink.example\r\n250-PIPELINING\r\n250-SIZE\r\n250-8BITMIME\r\n"
                 "250 SMTPUTF8\r\n");
    } else if (is_verb(line, "DATA")) {
        c->in_text = true;
        reply(c, "354 Go on\r\n");
    } else if (is_verb(line, "QUIT")) {
        c->quit = true;
        reply(c, "221 Bye\r\n");
    } else {
        if (is_verb(line, "RCPT"))
            c->recipients++;
        else
            c->recipients = 0;
        reply(c, "250 Ok\r\n");
    }
}

static void end_of_text(struct connection *c)
{
    int replies = c->lmtp ? c->recipients : 1;

    c->in_text = false;
    for (int i = 0; i < replies; i++)
        reply(c, "250 Accepted\r\n");
}

/* Takes what it can from the input; returns how many bytes. */
static size_t take_text(struct connection *c)
{
    static const char end[] = "\r\n.\r\n";
    char *found = memmem(c->in, c->len, end, sizeof end - 1);

    if (found == NULL)
        return c->len < sizeof end ? 0 : c->len - (sizeof end - 2);
    end_of_text(c);
    return (size_t)(found - c->in) + sizeof end - 1;
}

static size_t take_command(struct connection *c)
{
    char *newline = memchr(c->in, '\n', c->len);

    if (newline == NULL)
        return 0;
    command(c, c->in);
    return (size_t)(newline - c->in) + 1;
}

static ssize_t receive(struct connection *c)
{
    char *to = c->in + c->len;
    size_t room = sizeof c->in - c->len;

    return c->tls != NULL ? gnutls_record_recv(c->tls, to, room) : read(c->fd, to, room);
}

static void talk(struct connection *c)
{
    ssize_t got = 1;

    reply(c, "220 sink.example ESMTP\r\n");
    while (got > 0) {
        size_t taken = 1;
        while (taken > 0 && !c->quit) {
            taken = c->in_text ? take_text(c) : take_command(c);
            c->len -= taken;
            memmove(c->in, c->in + taken, c->len);
        }
        flush_replies(c);
        got = c->quit ? 0 : receive(c);
        c->len += got > 0 ? (size_t)got : 0;
    }
}

static bool shake_hands(struct connection *c)
{
    int result;

    gnutls_init(&c->tls, GNUTLS_SERVER);
    gnutls_set_default_priority(c->tls);
    gnutls_credentials_set(c->tls, GNUTLS_CRD_CERTIFICATE, keys);
    gnutls_transport_set_int(c->tls, c->fd);
    do
        result = gnutls_handshake(c->tls);
    while (result < 0 && gnutls_error_is_fatal(result) == 0);
    return result == 0;
}

static void *serve(void *given)
{
    struct connection *c = given;

    if (keys == NULL || shake_hands(c))
        talk(c);
    if (c->tls != NULL) {
        gnutls_bye(c->tls, GNUTLS_SHUT_WR);
        gnutls_deinit(c->tls);
    }
    close(c->fd);
    free(c);
    return NULL;
}

static int listen_at(const char *where)
{
    const int on = 1;
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    bool is_path = strchr(where, '/') != NULL;
    int fd = socket(is_path ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (is_path) {
        snprintf(un.sun_path, sizeof un.sun_path, "%s", where);
        unlink(where);
    } else {
        in.sin_port = htons((uint16_t)atoi(where));
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    }
    if (bind(fd, is_path ? (struct sockaddr *)&un : (struct sockaddr *)&in,
             is_path ? sizeof un : sizeof in) != 0 ||
        listen(fd, 1024) != 0)
        err(1, "%s", where);
    if (is_path)
        chmod(where, 0666); /* peers run as users of their own */
    return fd;
}

static void load_keys(const char *folder)
{
    char certificate[512], key[512];

    snprintf(certificate, sizeof certificate, "%s/tls.crt", folder);
    snprintf(key, sizeof key, "%s/tls.key", folder);
    gnutls_certificate_allocate_credentials(&keys);
    if (gnutls_certificate_set_x509_key_file(keys, certificate, key, GNUTLS_X509_FMT_PEM) < 0)
        errx(1, "%s: no key", folder);
}

int main(int argc, char **argv)
{
    const int on = 1;
    pthread_t thread;

    if (argc < 2 || argc > 3)
        errx(100, "usage: sink PATH|PORT [FOLDER]");
    signal(SIGPIPE, SIG_IGN);
    if (argc == 3)
        load_keys(argv[2]);
    int listener = listen_at(argv[1]);
    puts("listening");
    fflush(stdout);
    for (;;) {
        struct connection *c = calloc(1, sizeof *c);
        if (c == NULL || (c->fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) < 0)
            err(1, "accept");
        setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        if (pthread_create(&thread, NULL, serve, c) != 0)
            errx(1, "no thread");
        pthread_detach(thread);
    }
}
