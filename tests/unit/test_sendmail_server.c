/*
 * server: mailslot-sendmail's connection. A part of the text that could not be sent in time is
 * missing, so the server must not get the dot, even if it reads again.
 */
#include "../../tools/sendmail/server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include <cmocka.h>

enum { LONG = 1000 };

static bool failing; /* one send(2) of a long text */

/* In place of the C library's. */
ssize_t send(int fd, const void *bytes, size_t len, int flags)
{
    if (failing && len >= LONG) {
        failing = false;
        errno = EAGAIN;
        return -1;
    }
    return sendto(fd, bytes, len, flags, NULL, 0);
}

static char folder[] = "/tmp/mailslot-server-XXXXXX", path[64];

/* Replies to the commands; the exit code says whether a dot has come. */
static _Noreturn void serve(int listener)
{
    static const char *const replies[] = {"220 mx ESMTP\r\n", "250 mx\r\n", "250 2.1.0 OK\r\n",
                                          "250 2.1.5 OK\r\n", "354 Go on\r\n"};
    int fd = accept(listener, NULL, NULL);
    FILE *in = fdopen(fd, "r");
    char line[2 * LONG];

    alarm(60);
    for (size_t i = 0; i < sizeof replies / sizeof replies[0]; i++)
        if ((i > 0 && fgets(line, sizeof line, in) == NULL) || dprintf(fd, "%s", replies[i]) < 0)
            _exit(9);
    while (fgets(line, sizeof line, in) != NULL)
        if (strcmp(line, ".\r\n") == 0) {
            dprintf(fd, "250 2.0.0 OK\r\n");
            _exit(1);
        }
    _exit(0);
}

static pid_t start_server(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/submit", folder);
    strcpy(address.sun_path, path);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(listener, 1), 0);
    setenv("MAILSLOT_SUBMIT", path, 1);
    pid_t pid = fork();
    if (pid == 0)
        serve(listener);
    close(listener);
    return pid;
}

/* The result, and whether the server has got a dot. */
static int deliver(bool with_failure, bool *dot)
{
    static struct server server;
    static char text[LONG + 1];
    const struct wall_hop_mail mail = {.sender = {.local = "a", .local_len = 1}};
    const struct address recipient = {.local = "b", .local_len = 1};
    const char *said;
    int status;
    pid_t pid = start_server();

    memset(text, 'x', LONG);
    text[LONG - 1] = '\n';
    assert_int_equal(server_open(&server), EX_OK);
    server_sender(&server, &mail);
    assert_int_equal(server_recipient(&server, &recipient), EX_OK);
    failing = with_failure;
    int code =
        server_text(&server, (struct slice[]){{text, LONG}, slice_of("the rest\n")}, 2, &said);
    server_close(&server);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) <= 1);
    *dot = WEXITSTATUS(status) == 1;
    unlink(path);
    rmdir(folder);
    strcpy(folder, "/tmp/mailslot-server-XXXXXX");
    return code;
}

static void test_whole(void **state)
{
    bool dot;

    (void)state;
    assert_int_equal(deliver(false, &dot), EX_OK);
    assert_true(dot);
}

static void test_part_missing(void **state)
{
    bool dot;

    (void)state;
    assert_int_equal(deliver(true, &dot), EX_TEMPFAIL);
    assert_false(dot);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole),
        cmocka_unit_test(test_part_missing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
