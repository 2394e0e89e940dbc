/*
 * bench-hop: sends messages to an SMTP server on 127.0.0.1, and prints how many a second it took.
 *
 *   bench-hop PORT ADDRESS SIZE CLIENTS CONNECTIONS MESSAGES
 *
 * So many clients at once make so many connections each, one after the other, with so many messages
 * of SIZE bytes on each. Every command waits for its reply. A # in ADDRESS becomes the client's
 * number, from 0.
 */
#include "measure.h"

#include <arpa/inet.h>
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *recipient;
static char rcpt[512];
static char *text;
static size_t size;
static int messages;

static void say(int fd, const char *line, const char *code)
{
    write_all(fd, line, strlen(line));
    expect(fd, code);
}

static void send_one(int fd)
{
    say(fd, "MAIL FROM:<s@bench.example>\r\n", "250");
    say(fd, rcpt, "250");
    say(fd, "DATA\r\n", "354");
    write_all(fd, text, size);
    expect(fd, "250");
}

static void name_recipient(int client)
{
    int len = (int)strcspn(recipient, "#");

    if (recipient[len] == '#')
        snprintf(rcpt, sizeof rcpt, "RCPT TO:<%.*s%d%s>\r\n", len, recipient, client,
                 recipient + len + 1);
    else
        snprintf(rcpt, sizeof rcpt, "RCPT TO:<%s>\r\n", recipient);
}

static void one_connection(int client)
{
    int fd = connect_to_listener();

    name_recipient(client);
    if (fd < 0)
        err(1, "connect");
    expect(fd, "220");
    say(fd, "EHLO bench.example\r\n", "250");
    for (int i = 0; i < messages; i++)
        send_one(fd);
    say(fd, "QUIT\r\n", "221");
    close(fd);
}

/* Lines of 64 bytes, and the dot. */
static void make_text(void)
{
    static const char head[] = "From: <s@bench.example>\r\nSubject: bench\r\n\r\n",
                      end[] = "\r\n.\r\n";
    size_t len = sizeof head - 1;

    text = malloc(size + sizeof end);
    if (text == NULL || size < 2 * len)
        errx(1, "no text of %zu bytes", size);
    memcpy(text, head, len);
    for (size_t i = len; i < size; i++)
        text[i] = (i - len) % 64 == 62 ? '\r' : (i - len) % 64 == 63 ? '\n' : 'x';
    text[size - 2] = text[size - 1] = 'x';
    memcpy(text + size, end, sizeof end - 1);
    size += sizeof end - 1;
}

int main(int argc, char **argv)
{
    if (argc != 7)
        errx(100, "usage: bench-hop PORT ADDRESS SIZE CLIENTS CONNECTIONS MESSAGES");
    address = (struct sockaddr_in){.sin_family = AF_INET,
                                   .sin_addr = {htonl(INADDR_LOOPBACK)},
                                   .sin_port = htons((uint16_t)atoi(argv[1]))};
    recipient = argv[2];
    size = strtoul(argv[3], NULL, 10);
    messages = atoi(argv[6]);
    make_text();
    printf("%.2f\n", messages * run_clients(atoi(argv[4]), atoi(argv[5]), one_connection));
    return 0;
}
