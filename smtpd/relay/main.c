/*
 * mailslot-relay: how was I started? Then the listener, or one session.
 */
#include "../base/file.h"
#include "../base/systemd.h"
#include "../base/version.h"
#include "../confine/become.h"
#include "relay.h"
#include "relay_listen.h"
#include "relay_log.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define RELAY_USER "mailslot-relay"

static const char usage[] =
    "usage: mailslot-relay [-d DATABASE] [-l PATH] [-t SECONDS] [-u USER]\n"
    "Connects sessions of mailslot-smtpd to the smarthost: a socket from systemd, or standard\n"
    "input, is one of them.\n"
    "\n"
    "  -d DATABASE    the database from mailslot-build (" MAILSLOT_SYSCONFDIR
    "/mailslot/relay.cdb)\n"
    "  -l PATH        listen there on a UNIX-domain socket\n"
    "  -t SECONDS     the time for connecting and logging in (50)\n"
    "  -u USER        the user to switch to if root starts it (" RELAY_USER ")\n"
    "      --help     this text\n"
    "      --version  the version\n"
    "\n"
    "Exit code: 0 session served, 100 wrong usage or configuration, 111 system failure, or the\n"
    "smarthost cannot be used.\n"
    "See mailslot-relay(8).\n";

static int wrong_usage(const char *what, const char *argument)
{
    fprintf(stderr, "mailslot-relay: %s%s\n%s", what, argument, usage);
    return RELAY_EXIT_CONFIGURATION;
}

static bool parse_seconds(const char *text, int *seconds)
{
    *seconds = strspn(text, "0123456789") == strlen(text) && strlen(text) < 5 ? atoi(text) : 0;
    return *seconds > 0 && *seconds <= RELAY_PATIENCE_MAX;
}

/* Returns -1 to go on, else the exit code. */
static int parse_options(int argc, char **argv, struct relay_start *start, const char **path,
                         const char **user)
{
    static const struct option options[] = {
        {"help", no_argument, NULL, 'h'}, {"version", no_argument, NULL, 'V'}, {NULL, 0, NULL, 0}};

    opterr = 0; /* wrong_usage() reports it */
    for (int option; (option = getopt_long(argc, argv, "d:l:t:u:", options, NULL)) != -1;) {
        switch (option) {
        case 'd':
            start->database = optarg;
            break;
        case 'l':
            *path = optarg;
            break;
        case 't':
            if (!parse_seconds(optarg, &start->patience))
                return wrong_usage("write 1 to 3600 seconds, not ", optarg);
            break;
        case 'u':
            *user = optarg;
            break;
        case 'h':
        case 'V':
            fputs(option == 'h' ? usage : "mailslot-relay " MAILSLOT_VERSION "\n", stdout);
            return fflush(stdout) == 0 ? RELAY_EXIT_SERVED : RELAY_EXIT_PASSING;
        default:
            return wrong_usage("unknown option, or its value is missing: ",
                               optopt > ' ' && optopt <= '~' ? (const char[]){'-', (char)optopt, 0}
                                                             : argv[optind - 1]);
        }
    }
    return optind < argc ? wrong_usage("unexpected argument: ", argv[optind]) : -1;
}

/* No session runs as root, except with `-u root`. Returns -1 to go on, else the exit code. */
static int leave_root(const char *user)
{
    if (user == NULL && !become_is_root())
        return -1;
    user = user == NULL ? RELAY_USER : user;
    switch (become_user(user)) {
    case BECOME_DONE:
        return -1;
    case BECOME_NO_USER:
        return wrong_usage("the user to switch to does not exist; create it with systemd-sysusers, "
                           "or name another with -u: ",
                           user);
    case BECOME_NOT_ROOT:
        return wrong_usage("only root can switch to the user ", user);
    case BECOME_FAILED:
        break;
    }
    fprintf(stderr, "mailslot-relay: cannot switch to the user %s: %s\n", user, strerror(errno));
    return RELAY_EXIT_PASSING;
}

static bool is_connection(int fd)
{
    struct sockaddr_storage address;
    socklen_t len = sizeof address;

    return getpeername(fd, (struct sockaddr *)&address, &len) == 0;
}

int main(int argc, char **argv)
{
    struct relay_start start = {
        .database = MAILSLOT_SYSCONFDIR "/mailslot/relay.cdb",
        .client = STDIN_FILENO,
        .patience = RELAY_PATIENCE_SECONDS,
    };
    const char *path = NULL, *user = NULL;
    static char **names; /* to outlive this function */

    if (file_fill_standard(O_RDWR) != 0)
        return RELAY_EXIT_PASSING;
    int code = parse_options(argc, argv, &start, &path, &user);
    if (code < 0)
        code = leave_root(user);
    if (code >= 0)
        return code;
    int passed = path == NULL ? systemd_listen_fds(&names) : 0;
    if (passed < 0) {
        fprintf(stderr, "mailslot-relay: LISTEN_FDS is set, but: %s\n", strerror(errno));
        return RELAY_EXIT_PASSING;
    }
    if (passed > 0)
        start.client = SYSTEMD_FIRST_FD;
    if (path == NULL && !is_connection(start.client))
        return wrong_usage("not started with a connected socket; use -l, or write Accept=yes", "");
    relay_log_open(path == NULL ? start.client : -1);
    if (path == NULL)
        return relay_serve(&start);
    int fd = relay_listen_open(path, &code);
    return fd < 0 ? code : relay_listen_run(fd, path, &start);
}
