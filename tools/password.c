#include "password.h"

#include "hash.h"
#include "usage.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

struct password {
    size_t len;
    char text[PASSWORD_MAX + 1];
};

/* The terminal as it was, for the signal handler. */
static struct termios terminal;

static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};

enum { SIGNALS = sizeof signals / sizeof signals[0] };

static void restore_and_die(int number)
{
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &terminal);
    raise(number); /* SA_RESETHAND: the default action now */
}

/* One line, byte by byte, so that no copy of it stays in a buffer of stdio. */
static int read_line(struct password *password)
{
    char c = '\0';
    ssize_t got;

    password->len = 0;
    while ((got = read(STDIN_FILENO, &c, 1)) != 0 && c != '\n') {
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return usage_fail(USAGE_FAILED, "cannot read the password");
        if (c == '\0')
            return usage_wrong(USAGE_WRONG, "a password cannot contain a NUL byte");
        if (password->len == PASSWORD_MAX)
            return usage_wrong(USAGE_WRONG, "a password can have %d bytes at most", PASSWORD_MAX);
        password->text[password->len++] = c;
    }
    if (password->len > 0 && password->text[password->len - 1] == '\r')
        password->len--;
    password->text[password->len] = '\0';
    return USAGE_DONE;
}

static int check(const struct password *password)
{
    if (password->len == 0)
        return usage_wrong(USAGE_WRONG, "no password given (-n is for a user without one)");
    if (password->len < PASSWORD_MIN)
        return usage_wrong(USAGE_WRONG,
                           "a password of %zu bytes is too easily guessed: it needs %d at least",
                           password->len, PASSWORD_MIN);
    return USAGE_DONE;
}

static int prompt(const char *text, struct password *password)
{
    fputs(text, stderr);
    int code = read_line(password);
    fputc('\n', stderr); /* the user's own newline was not echoed */
    return code;
}

static int ask_twice(struct password *password)
{
    struct password again;
    int code = prompt("Password: ", password);

    if (code == USAGE_DONE)
        code = check(password);
    if (code == USAGE_DONE)
        code = prompt("The same again: ", &again);
    if (code == USAGE_DONE && strcmp(password->text, again.text) != 0)
        code = usage_wrong(USAGE_WRONG, "the two passwords differ: nothing was changed");
    explicit_bzero(&again, sizeof again);
    return code;
}

/* Whoever interrupts us finds the echo on again; stopping us in between is not possible. */
static int ask_unseen(struct password *password)
{
    struct sigaction action = {.sa_handler = restore_and_die, .sa_flags = (int)SA_RESETHAND};
    struct sigaction before[SIGNALS], stop;
    struct termios unseen = terminal;

    for (size_t i = 0; i < SIGNALS; i++)
        sigaction(signals[i], &action, &before[i]);
    sigaction(SIGTSTP, &(struct sigaction){.sa_handler = SIG_IGN}, &stop);
    unseen.c_lflag &= ~(tcflag_t)ECHO;
    int code;
    if (tcsetattr(STDIN_FILENO, TCSAFLUSH, &unseen) == 0)
        code = ask_twice(password);
    else
        code = usage_fail(USAGE_FAILED, "cannot turn the terminal's echo off");
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &terminal);
    sigaction(SIGTSTP, &stop, NULL);
    for (size_t i = 0; i < SIGNALS; i++)
        sigaction(signals[i], &before[i], NULL);
    return code;
}

char *password_ask(int *code)
{
    struct password password = {0};
    char *hash = NULL;

    if (tcgetattr(STDIN_FILENO, &terminal) == 0)
        *code = ask_unseen(&password);
    else if ((*code = read_line(&password)) == USAGE_DONE)
        *code = check(&password);
    if (*code == USAGE_DONE && (hash = hash_make(password.text)) == NULL)
        *code = usage_fail(USAGE_FAILED, "crypt(3) cannot hash the password");
    explicit_bzero(&password, sizeof password);
    return hash;
}
