#include "password.h"

#include "../../smtpd/base/gnutls.h"
#include "../../smtpd/base/saslprep.h"
#include "../kit/message.h"
#include "password_check.h"

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
            return message_errno(EXIT_FAILED, "cannot read the password");
        if (c == '\0')
            return message_print(EXIT_WRONG, "a password cannot contain a NUL byte");
        if (password->len == PASSWORD_MAX)
            return message_print(EXIT_WRONG, "a password can have at most %d bytes", PASSWORD_MAX);
        password->text[password->len++] = c;
    }
    if (password->len > 0 && password->text[password->len - 1] == '\r')
        password->len--;
    password->text[password->len] = '\0';
    return EXIT_DONE;
}

/* Is libunistring there? saslprep() does not tell this from a password that is too long. */
static bool can_prepare(void)
{
    char to[SASLPREP_MAX];

    return saslprep(slice_of("\xc3\xa4"), SASLPREP_COMPATIBLE, to) > 0;
}

/* A client may also send one of the prepared forms, which can be weaker. */
static const char *check_forms(const struct password *password, struct slice address)
{
    const char *wrong = password_check(slice_of(password->text), address);
    char prepared[SASLPREP_MAX];

    for (int form = SASLPREP_COMPATIBLE; wrong == NULL && form <= SASLPREP_OPAQUE; form++) {
        int len = saslprep((struct slice){password->text, password->len}, (enum saslprep_form)form,
                           prepared);
        if (len < 0 && !can_prepare())
            break; /* credentials_make() fails, and explain() says why */
        wrong = len < 0 ? "a password can have at most 511 bytes once it is prepared (RFC 4013)"
                        : password_check((struct slice){prepared, (size_t)len}, address);
    }
    explicit_bzero(prepared, sizeof prepared);
    return wrong;
}

static int check(const struct password *password, struct slice address)
{
    if (password->len == 0)
        return message_print(EXIT_WRONG, "no password was given: use -n for a user without one");
    const char *wrong = check_forms(password, address);
    return wrong == NULL ? EXIT_DONE : message_print(EXIT_WRONG, "%s", wrong);
}

static int prompt(const char *text, struct password *password)
{
    fputs(text, stderr);
    int code = read_line(password);
    fputc('\n', stderr); /* the user's newline was not echoed */
    return code;
}

static int ask_twice(struct password *password, struct slice address)
{
    struct password again;
    int code = prompt("Password: ", password);

    if (code == EXIT_DONE)
        code = check(password, address);
    if (code == EXIT_DONE)
        code = prompt("Password again: ", &again);
    if (code == EXIT_DONE && strcmp(password->text, again.text) != 0)
        code = message_print(EXIT_WRONG, "the two passwords differ: nothing was changed");
    explicit_bzero(&again, sizeof again);
    return code;
}

/* A signal that ends the program turns the echo on again. Ctrl-Z is ignored. */
static int ask_unseen(struct password *password, struct slice address)
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
        code = ask_twice(password, address);
    else
        code = message_errno(EXIT_FAILED, "cannot turn the terminal's echo off");
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &terminal);
    sigaction(SIGTSTP, &stop, NULL);
    for (size_t i = 0; i < SIGNALS; i++)
        sigaction(signals[i], &before[i], NULL);
    return code;
}

static int explain(void)
{
    int error = errno;

    if (gnutls_load() != 0)
        return message_print(EXIT_FAILED, "no password can be stored: GnuTLS is not installed "
                                          "(package libgnutls30)");
    if (!can_prepare())
        return message_print(EXIT_FAILED, "only passwords in ASCII can be stored: libunistring is "
                                          "not installed (package libunistring2 or libunistring5)");
    errno = error;
    return message_errno(EXIT_FAILED, "cannot hash the password");
}

int password_ask(struct slice address, char credentials[CREDENTIALS_MAX])
{
    struct password password = {0};
    int code;

    if (tcgetattr(STDIN_FILENO, &terminal) == 0)
        code = ask_unseen(&password, address);
    else if ((code = read_line(&password)) == EXIT_DONE)
        code = check(&password, address);
    if (code == EXIT_DONE && credentials_make(password.text, credentials) != 0)
        code = explain();
    explicit_bzero(&password, sizeof password);
    return code;
}
