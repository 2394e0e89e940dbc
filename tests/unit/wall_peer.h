/*
 * wall_peer: for the tests of the wall: a folder with a database and one mailbox, the back in its
 * own process, our end of the wall, and what must hold after the back has ended.
 */
#ifndef MAILSLOT_TESTS_WALL_PEER_H
#define MAILSLOT_TESTS_WALL_PEER_H

#include "../../smtpd/wall/reply.h"
#include "../../smtpd/wall/wall.h"

#include "../../smtpd/back/back.h"
#include "../../smtpd/back/log.h"
#include "../../smtpd/database/database.h"

#include <cdb.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define OLD "From a@b Thu Jan  1 00:00:00 1970\n\nold\n\n"

enum {
    MAX_SIZE = 65536,
    MAX_RECIPIENTS = 3,
    MAX_ERRORS = 4,
    MANY = 401,          /* mailboxes: more than a transaction can lock */
    PATIENCE_MS = 10000, /* for the back to end */
    HEAD = offsetof(struct wall_message, text),
};

static char folder[32];
static int wall; /* our end */
static pid_t back;
static enum role role;
static struct wall_message message;
static time_t leap;           /* added to the back's clock after its first use */
static time_t delivery_takes; /* added during each delivery */
static time_t ahead;

/* Replaces the C library's function in the back, so that tests of silence need not wait. */
int clock_gettime(clockid_t clock, struct timespec *time)
{
    static time_t due;
    int result = (int)syscall(SYS_clock_gettime, clock, time);

    time->tv_sec += ahead;
    if (clock == CLOCK_MONOTONIC && due != leap)
        ahead = due = leap;
    return result;
}

/* Likewise, so that tests of slow deliveries need not wait. */
int fdatasync(int fd)
{
    ahead += delivery_takes;
    return (int)syscall(SYS_fdatasync, fd);
}

static void add(struct cdb_make *cdb, const char *key, const char *value)
{
    assert_int_equal(cdb_make_add(cdb, key, (unsigned)strlen(key), value, (unsigned)strlen(value)),
                     0);
}

/* More lines for the settings. */
static const char *more_settings = "";

/* The targets of the alias erin; NULL: there is no such alias. */
static const char *more_aliases;

/* The credential of alice, and that of nobody. */
#define USUAL_CRYPT "crypt=$1$VYSjw66Y$atWlW3AZ7Bxi5RqFupE9M0\n"
#define USUAL_DECOY "decoy=$1$VYSjw66Y$PVUIc5hxl.6knSvRBSBZY1\n"
static const char *crypt_line = USUAL_CRYPT, *decoy_line = USUAL_DECOY;

static void make_database(const char *vrfy)
{
    static const char *const names[] = {"alice", "bob", "carol", "dave"};
    char key[64], text[512], everyone[MANY * 24] = "";
    struct cdb_make cdb;
    int fd = open("mailslot.cdb", O_RDWR | O_CREAT | O_TRUNC, 0600);

    assert_int_equal(cdb_make_start(&cdb, fd), 0);
    snprintf(text, sizeof text,
             "hostname=mx.example.org\ndomains=example.org\nmail-root=%s/mail\nvrfy=%s\n"
             "max-message-size=%d\nmax-recipients=%d\nmax-errors=%d\nsession-timeout=1\n%s",
             folder, vrfy, MAX_SIZE, MAX_RECIPIENTS, MAX_ERRORS, more_settings);
    add(&cdb, "settings", text);
    add(&cdb, "domain:example.org", "");
    add(&cdb, "credential:alice@example.org", crypt_line);
    snprintf(text, sizeof text, "%sscram=yes\n", decoy_line);
    add(&cdb, "auth", text);
    for (int i = 0; i < MANY + 4; i++) {
        char name[8];
        if (i < 4)
            strcpy(name, names[i]);
        else
            snprintf(name, sizeof name, "u%d", i);
        snprintf(key, sizeof key, "user:%s@example.org", name);
        snprintf(text, sizeof text, "address=%s\nmailbox=example.org/%s\n", key + 5, name);
        add(&cdb, key, text);
        if (i >= 4)
            strcat(strcat(everyone, key + 5), "\n");
    }
    add(&cdb, "alias:everyone@example.org", everyone);
    if (more_aliases != NULL)
        add(&cdb, "alias:erin@example.org", more_aliases);
    assert_int_equal(cdb_make_finish(&cdb), 0);
    assert_int_equal(seal_write(fd), 0);
    close(fd);
}

static void put(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static const char *get(const char *path)
{
    static char text[65536];
    int fd = open(path, O_RDONLY);

    assert_true(fd >= 0);
    ssize_t len = read(fd, text, sizeof text - 1);
    close(fd);
    assert_true(len >= 0);
    text[len] = '\0';
    return text;
}

static int set_up(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/mailslot-test-XXXXXX");
    if (mkdtemp(folder) == NULL || chdir(folder) != 0 || mkdir("mail", 0700) != 0 ||
        mkdir("mail/example.org", 0700) != 0)
        return -1;
    put("mail/example.org/alice", OLD);
    make_database("yes");
    signal(SIGPIPE, SIG_IGN);
    leap = delivery_takes = 0;
    back = 0;
    role = ROLE_SMTP;
    more_settings = "";
    return 0;
}

static int clean(void **state)
{
    char command[64];

    (void)state;
    if (back > 0 && kill(back, SIGKILL) == 0)
        waitpid(back, NULL, 0);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return chdir("/") == 0 && system(command) == 0 ? 0 : -1;
}

/* Starts the back and receives its settings. */
static void begin(void)
{
    const struct timeval patience = {.tv_sec = PATIENCE_MS / 1000};
    int pair[2];
    size_t len;

    unlink("log");
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    wall = pair[0];
    setsockopt(wall, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(wall, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    back = fork();
    if (back == 0) {
        const struct back_start start = {
            .database = "mailslot.cdb", .in = -1, .out = -1, .role = role, .peer = "192.0.2.1"};
        close(pair[0]);
        if (dup2(open("log", O_WRONLY | O_CREAT | O_APPEND, 0600), 2) != 2)
            _exit(1);
        umask(077);
        log_open(-1, -1);
        time_t later = leap;
        leap = 0; /* because this also uses the clock */
        log_session(start.peer);
        leap = later;
        _exit(back_serve(&start, pair[1]));
    }
    close(pair[1]);
    assert_int_equal(wall_receive(wall, &message, &len), 1);
    assert_int_equal(message.type, WALL_SETTINGS);
}

/* The back must end by itself, in time. Closes our end afterwards. Returns its exit code. */
static int end(void)
{
    int status = 0;

    for (int ms = 0; waitpid(back, &status, WNOHANG) == 0; ms++) {
        if (ms == PATIENCE_MS)
            fail_msg("the back has not ended; its log: %s", get("log"));
        usleep(1000);
    }
    back = 0;
    close(wall);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* One mailbox with its old mail, one that was never created; no lock, no undo file, nothing else.
 */
static void assert_unchanged(void)
{
    DIR *box = opendir("mail/example.org");
    struct dirent *entry;

    assert_non_null(box);
    while ((entry = readdir(box)) != NULL)
        if (entry->d_name[0] != '.' && strcmp(entry->d_name, "alice") != 0)
            fail_msg("there is a %s", entry->d_name);
    closedir(box);
    assert_string_equal(get("mail/example.org/alice"), OLD);
}

static void assert_breach(const char *script, const char *what)
{
    char line[128];
    int code = end();
    const char *log = get("log"), *first;

    snprintf(line, sizeof line, ": breach peer=192.0.2.1 what=%s session=", what);
    first = strstr(log, line);
    if (code != 0 || first == NULL || strstr(first + strlen(line), "breach peer") != NULL ||
        strstr(log, ": end peer=192.0.2.1 reason=breach messages=0") == NULL)
        fail_msg("%s: exit %d, no '%s' but: %s", script, code, what, log);
    assert_unchanged();
}

static void assert_no_breach(const char *script, const char *reason)
{
    char line[64];
    int code = end();

    snprintf(line, sizeof line, "reason=%s", reason);
    if (code != 0 || strstr(get("log"), "breach") != NULL || strstr(get("log"), line) == NULL)
        fail_msg("%s: exit %d, log: %s", script, code, get("log"));
}

static void hang_up(void)
{
    shutdown(wall, SHUT_RDWR);
}

/* Tests the cell of a table for the message just sent: b means that it was out of order. */
static inline void assert_order(const char *script, char cell)
{
    if (cell == 'b') {
        assert_breach(script, "\"out of order\"");
    } else {
        hang_up();
        assert_no_breach(script, "\"front gone\"");
    }
}

static struct address user(const char *name)
{
    struct address address = {.local_len = (uint16_t)strlen(name), .domain_len = 11};

    memcpy(address.local, name, address.local_len);
    memcpy(address.domain, "example.org", 11);
    return address;
}

/* Makes a valid message of this type. */
static void make(uint32_t type)
{
    memset(&message, 0, sizeof message);
    message.type = type;
    if (type == WALL_MAIL)
        message.mail = (struct wall_mail){
            .sender = user("carol"), .helo_len = 6, .helo = "client", .extended = true};
    else if (type == WALL_VERIFY || type == WALL_RECIPIENT)
        message.address = user("alice");
    else if (type == WALL_TEXT)
        memcpy(message.text, "x\n", 2);
    else if (type == WALL_REFUSED)
        message.refused =
            (struct wall_refused){.reply = REPLY_UNKNOWN_COMMAND, .len = 8, .command = "NONSENSE"};
    else if (type == WALL_REFUSED_TEXT)
        message.fault = VERDICT_BARE_NEWLINE;
}

static void send_message(void)
{
    assert_int_equal(wall_send(wall, &message, 2), 0);
}

/* The code of the back's answer, or -1 if the back has closed. */
static int64_t answer(uint32_t due)
{
    size_t len;

    if (wall_receive(wall, &message, &len) != 1)
        return -1;
    assert_int_equal(message.type, due);
    return due == WALL_VERDICT     ? message.verdict.code
           : due == WALL_CHALLENGE ? message.challenge.code
                                   : message.result.codes[0];
}

static inline int64_t ask(uint32_t type, const char *name)
{
    make(type);
    message.address = user(name);
    send_message();
    return answer(WALL_VERDICT);
}

/* Sends valid messages, a letter for each: Mail, Recipient, Text, Commit, Abandon. */
static inline void say(const char *letters)
{
    for (; *letters != '\0'; letters++) {
        make(*letters == 'M'   ? WALL_MAIL
             : *letters == 'R' ? WALL_RECIPIENT
             : *letters == 'T' ? WALL_TEXT
             : *letters == 'C' ? WALL_COMMIT
                               : WALL_ABANDON);
        send_message();
        if (*letters == 'M')
            assert_int_equal(answer(WALL_VERDICT), VERDICT_OK);
        else if (*letters == 'R')
            assert_int_equal(answer(WALL_VERDICT), VERDICT_OK);
        else if (*letters == 'C')
            assert_int_equal(answer(WALL_RESULT), VERDICT_OK);
    }
}

#endif
