/*
 * The back, and fronts (fronts.h) and hands (hands.h) that an attacker controls: whole sessions,
 * with STARTTLS and the next front, handshakes, AUTH with its challenges, transactions with
 * mailboxes, a store and a relay. In every case the mailboxes must contain whole messages.
 *
 * fuzz_wall sends messages of any type and length ahead, without reading answers.
 */
#include "../../smtpd/back/back.h"
#include "../../smtpd/back/log.h"
#include "../../smtpd/database/database.h"
#include "database.h"
#include "fronts.h"
#include "hands.h"

#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

enum { HEAD = offsetof(struct wall_message, text), MESSAGES_MAX = 60, NOBODY = 1 << 23 };

static int messages;
static int wall = -1, next_wall = -1; /* our ends: of this front, and of the next one */
static int made[2];                   /* the last pair */
static bool connected;                /* since the last fork */
static struct wall_message answer;

/* ---- replacements for what the back calls ---------------------------------------------------- */

/* The delay after a failed AUTH: none here. */
int nanosleep(const struct timespec *time, struct timespec *left)
{
    (void)time;
    (void)left;
    return 0;
}

int socketpair(int domain, int type, int protocol, int pair[2])
{
    int result = (int)syscall(SYS_socketpair, domain, type, protocol, pair);

    memcpy(made, pair, sizeof made);
    return result;
}

/* To a hop or a filter. */
int connect(int fd, const struct sockaddr *address, socklen_t len)
{
    (void)fd;
    (void)address;
    (void)len;
    connected = true;
    return 0;
}

/* We play the next front, or the hand for what was connected. */
pid_t fork(void)
{
    if (connected) {
        hands_add(made[0], dup(made[1]));
    } else {
        MUST(next_wall < 0);
        next_wall = dup(made[1]);
    }
    connected = false;
    return NOBODY;
}

int kill(pid_t pid, int signal)
{
    return pid == NOBODY || pid == 0 ? 0 : (int)syscall(SYS_kill, pid, signal);
}

pid_t waitpid(pid_t pid, int *status, int options)
{
    if (pid != NOBODY && pid != 0)
        return (pid_t)syscall(SYS_wait4, pid, status, options, NULL);
    if (status != NULL)
        *status = 0;
    return pid;
}

/* ---- the front ----------------------------------------------------------------------------------
 */

static void hand_over(void)
{
    close(wall);
    wall = next_wall;
    next_wall = -1;
}

static void note_answer(void)
{
    if (answer.type != WALL_CHALLENGE)
        return;
    if (answer.challenge.code == VERDICT_CHALLENGE)
        challenge = answer.challenge;
    else if (answer.challenge.code == VERDICT_OK)
        hands_may_relay = true;
}

/* Reads the answers, and sends the next message. The front ends at the end of the input. */
static void play(void)
{
    while (recv(wall, &answer, sizeof answer, MSG_DONTWAIT) > 0)
        note_answer();
    if (input.at == input.end || ++messages > MESSAGES_MAX) {
        shutdown(wall, SHUT_RDWR);
        return;
    }
    size_t len = make();
    poke(&input, message.text, len);
    if (message.type == WALL_TEXT &&
        (memchr(message.text, '\r', len) != NULL || memchr(message.text, '\0', len) != NULL))
        hands_clean = false;
    send(wall, &message, HEAD + len, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (message.type == WALL_END && message.end.end == END_HANDED_OVER && next_wall >= 0)
        hand_over();
}

/* The back waits for its front, or for a hand. */
int ppoll(struct pollfd *fds, nfds_t count, const struct timespec *time, const sigset_t *mask)
{
    (void)mask;
    (void)time;
    if (count > 1)
        return hands_poll(fds, count);
    play();
    fds->revents = POLLIN;
    return 1;
}

int __ppoll_chk(struct pollfd *fds, nfds_t count, const struct timespec *time, const sigset_t *mask,
                size_t size);
int __ppoll_chk(struct pollfd *fds, nfds_t count, const struct timespec *time, const sigset_t *mask,
                size_t size)
{
    (void)size;
    return ppoll(fds, count, time, mask);
}

/* The back looks, but does not wait: whoever ends has ended. */
int poll(struct pollfd *fds, nfds_t count, int time)
{
    static const struct timespec none;

    (void)time;
    return (int)syscall(SYS_ppoll, fds, count, &none, NULL, 0);
}

int __poll_chk(struct pollfd *fds, nfds_t count, int time, size_t size);
int __poll_chk(struct pollfd *fds, nfds_t count, int time, size_t size)
{
    (void)size;
    return poll(fds, count, time);
}

/* ---- the back -------------------------------------------------------------------------------- */

/* Without filters, and with two. */
static void make_databases(char paths[2][128])
{
    char settings[2][512];

    for (const char *const *name = (const char *const[]){"store", "relay", "f0", "f1", NULL};
         *name != NULL; name++)
        hands_socket(*name);
    scratch_put("certificate", test_certificate, strlen(test_certificate));
    scratch_put("key", test_key, strlen(test_key));
    snprintf(settings[0], sizeof settings[0],
             "max-recipients=9\nmax-message-size=100000\nauth-without-tls=yes\nlock-timeout=1\n"
             "tls-certificate=certificate\ntls-key=key\ntls-client-ca=certificate\n"
             "relay=%s/relay\n",
             scratch);
    snprintf(settings[1], sizeof settings[1],
             "%smilter=%s/f0 smtp submission lmtp\nmilter=%s/f1\nquarantine=deliver\n", settings[0],
             scratch, scratch);
    database_make(paths[0], settings[1]);
    snprintf(paths[1], sizeof paths[1], "%s/with-filters", scratch);
    MUST(rename(paths[0], paths[1]) == 0);
    database_make(paths[0], settings[0]);
}

/* A line that begins with `From ` begins a message, which begins with our Return-Path field. */
static void check_messages(const char *text, size_t len)
{
    const char *at = text;

    MUST(len == 0 ||
         (len > 7 && memcmp(text, "From ", 5) == 0 && memcmp(text + len - 2, "\n\n", 2) == 0));
    for (; (at = memmem(at, len - (size_t)(at - text), "From ", 5)) != NULL; at++) {
        const char *end = memchr(at, '\n', len - (size_t)(at - text));
        if (at > text && at[-1] != '\n')
            continue;
        MUST(at == text || (at >= text + 2 && at[-2] == '\n'));
        MUST(end != NULL && memcmp(end, "\nReturn-Path: <", 15) == 0);
    }
    hands_check_text(text, len);
}

static void check_mailbox(const char *name)
{
    static char text[1 << 20];
    char path[128];

    snprintf(path, sizeof path, "%s/mail/example.org/%s", scratch, name);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return;
    ssize_t len = read(fd, text, sizeof text - 16);
    MUST(len >= 0);
    if ((size_t)len < sizeof text - 16)
        check_messages(text, (size_t)len);
    MUST(ftruncate(fd, 0) == 0);
    close(fd);
    strcat(path, ".undo");
    MUST(access(path, F_OK) != 0);
}

/* What a message that was partly delivered leaves behind for its next try. */
static void forget_marks(void)
{
    char path[128];

    snprintf(path, sizeof path, "%s/mail/.done", scratch);
    if (access(path, F_OK) == 0)
        nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    static char databases[2][128];
    struct back_start start = {.in = -1, .out = -1, .peer = "192.0.2.1"};
    int pair[2], first = dup(0);

    close(first);
    if (databases[0][0] == '\0') {
        make_databases(databases);
        log_open(-1, -1);
    }
    log_session(start.peer);
    input = (struct input){bytes, bytes + len};
    hands_begin(&input);
    connected = false;
    messages = 0;
    challenge.len = 0;
    uint8_t how = next_byte(&input);
    start.database = databases[how >> 7];
    start.role = (enum role)(how % ROLES);
    MUST(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
    wall = pair[0];
    back_serve(&start, pair[1]);
    close_range((unsigned)first, ~0U, 0); /* ours, and those that the back has not closed */
    next_wall = -1;
    check_mailbox("alice");
    check_mailbox("bob");
    forget_marks();
    return 0;
}
