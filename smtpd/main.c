/*
 * mailslot-smtpd: how was I started? Then the listener, or the back of one session.
 */
#include "back/back.h"
#include "back/log.h"
#include "base/file.h"
#include "base/gnutls.h"
#include "base/peer.h"
#include "base/systemd.h"
#include "base/version.h"
#include "confine/become.h"
#include "database/directory.h"
#include "listen.h"
#include "wall/reply.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char usage[] =
    "usage: mailslot-smtpd [-d DATABASE] [-r ROLE] [-u USER] [-l [ADDRESS:]PORT]...\n"
    "Receives mail by SMTP or LMTP: on standard input, on a socket from systemd, or on its own.\n"
    "\n"
    "  -d DATABASE          the database from mailslot-build (" MAILSLOT_SYSCONFDIR
    "/mailslot/mailslot.cdb)\n"
    "  -r ROLE              smtp (the default), mx, submission, submissions, lmtp or local\n"
    "  -u USER              the user to switch to if root starts it (" BECOME_USER ")\n"
    "  -l [ADDRESS:]PORT    listen there; can be given several times\n"
    "      --help           this text\n"
    "      --version        the version\n"
    "\n"
    "Exit code: 0 session served, 100 wrong usage or configuration, 111 system failure.\n"
    "See mailslot-smtpd(8).\n";

/* Under inetd stderr is the client, who gets a short reply; the log gets the rest. */
static int wrong_usage(const char *what, const char *argument)
{
    struct stat in, err;
    char reply[REPLY_MAX];
    bool client_sees = fstat(STDIN_FILENO, &in) == 0 && fstat(STDERR_FILENO, &err) == 0 &&
                       S_ISSOCK(err.st_mode) && in.st_dev == err.st_dev && in.st_ino == err.st_ino;

    if (client_sees) {
        reply_write(reply, REPLY_CLOSING_USAGE, NULL);
        fputs(reply, stdout);
        log_open(STDIN_FILENO, STDOUT_FILENO);
        log_event(EVENT_USAGE, "what", what, "argument", argument, NULL);
    } else {
        fprintf(stderr, "mailslot-smtpd: %s%s\n%s", what, argument, usage);
    }
    return BACK_EXIT_CONFIGURATION;
}

static int serve_connection(const struct listener *options, int in, int out)
{
    struct back_start start = {
        .database = options->database, .role = options->role, .in = in, .out = out};
    char peer[PEER_MAX];

    peer_name(in, peer);
    start.peer = peer;
    if (options->role == ROLE_LOCAL && strcmp(peer, "local") != 0)
        return wrong_usage("the role local is for clients on a UNIX-domain socket, not for ", peer);
    log_open(in, out);
    log_session(peer);
    if (geteuid() == 0 && options->user == NULL && strcmp(peer, "local") != 0 &&
        strcmp(peer, "unknown") != 0)
        log_event(EVENT_ROOT, "do", "let inetd or tcpserver start it as another user, or use -u",
                  NULL);
    return back_run(&start);
}

static int serve_listener(const struct listener *listener)
{
    static struct settings settings;
    struct database db;
    enum database_state state = database_open(&db, listener->database);

    if (state != DATABASE_OPEN && state != DATABASE_UNSAFE)
        log_event(EVENT_DATABASE, "path", listener->database, "what", database_problem(state),
                  "error", db.error != 0 ? strerror(db.error) : NULL, "do", "run mailslot-build",
                  NULL);
    /* Loading GnuTLS takes a third of the time of a session with TLS; sessions that are forked here
     * have it already. */
    if (directory_settings(&db, &settings) == 0 && settings.certificates_len > 0)
        gnutls_load();
    database_close(&db);
    explicit_bzero(&settings, sizeof settings); /* a front inherits nothing */
    if (state != DATABASE_UNSAFE)
        return listen_run(listener);
    fprintf(
        stderr,
        "mailslot-smtpd: %s: can be changed by others: it must belong to root or to this user, and "
        "neither its group nor others may be able to write to it\n",
        listener->database);
    return BACK_EXIT_CONFIGURATION;
}

/* Sockets from systemd: one connection, or listening sockets, each in the role that
 * FileDescriptorName= gives it. */
static int serve_systemd(struct listener *listener, int count, char **names)
{
    int listening = systemd_is_listening(SYSTEMD_FIRST_FD);

    if (listening == 0)
        return serve_connection(listener, SYSTEMD_FIRST_FD, SYSTEMD_FIRST_FD);
    if (listening < 0 || count > LISTEN_SOCKETS_MAX) {
        fprintf(stderr, "mailslot-smtpd: sockets from systemd: %s\n",
                listening < 0 ? strerror(errno) : "too many");
        return listening < 0 ? BACK_EXIT_PASSING : BACK_EXIT_CONFIGURATION;
    }
    for (int fd = SYSTEMD_FIRST_FD; fd < SYSTEMD_FIRST_FD + count; fd++) {
        if (systemd_is_listening(fd) != 1) {
            fputs("mailslot-smtpd: a socket from systemd is not a listening socket: write "
                  "ListenStream= and Accept=no\n",
                  stderr);
            return BACK_EXIT_CONFIGURATION;
        }
        fcntl(fd, F_SETFL,
              fcntl(fd, F_GETFL) | O_NONBLOCK); /* other processes may accept on it as well */
        enum role role = names == NULL ? ROLES : role_parse(names[fd - SYSTEMD_FIRST_FD]);
        listen_add(listener, fd, role);
    }
    listener->leave_when_idle = true;
    return serve_listener(listener);
}

/* Root only binds the ports: no session runs as root except with `-u root`, or where there is no
 * user to become. In the latter case a listener does not start, but a single connection is served,
 * so that no mail is turned away; serve_connection() logs it. */
static int leave_root(const struct listener *options, bool listens)
{
    const char *user = options->user == NULL ? BECOME_USER : options->user;

    if (options->user == NULL && !become_is_root())
        return BACK_EXIT_SERVED;
    switch (become_user(user)) {
    case BECOME_DONE:
        return BACK_EXIT_SERVED;
    case BECOME_NO_USER:
        if (options->user != NULL)
            return wrong_usage("no such user: ", user);
        if (!listens)
            return BACK_EXIT_SERVED;
        return wrong_usage("started as root, but the user to switch to does not exist; create it "
                           "with systemd-sysusers, or name another with -u: ",
                           user);
    case BECOME_NOT_ROOT:
        return wrong_usage("only root can switch to the user ", user);
    case BECOME_FAILED:
        break;
    }
    log_event(EVENT_CANNOT_START, "doing", "switch to the user", "user", user, "error",
              strerror(errno), NULL);
    return BACK_EXIT_PASSING;
}

/* Reads the options. Returns -1 to go on, else the exit code. */
static int parse_options(int argc, char **argv, struct listener *listener)
{
    static const struct option options[] = {
        {"help", no_argument, NULL, 'h'}, {"version", no_argument, NULL, 'V'}, {NULL, 0, NULL, 0}};
    int result = 0;

    opterr = 0; /* wrong_usage() reports it */
    for (int option; (option = getopt_long(argc, argv, "d:r:u:l:", options, NULL)) != -1;) {
        switch (option) {
        case 'd':
            listener->database = optarg;
            break;
        case 'r':
            listener->role = role_parse(optarg);
            if (listener->role == ROLES)
                return wrong_usage("no such role: ", optarg);
            break;
        case 'u':
            listener->user = optarg;
            break;
        case 'l':
            result = listen_open(listener, optarg);
            if (result != 0)
                return result;
            break;
        case 'h':
        case 'V':
            fputs(option == 'h' ? usage : "mailslot-smtpd " MAILSLOT_VERSION "\n", stdout);
            return fflush(stdout) == 0 ? BACK_EXIT_SERVED : BACK_EXIT_PASSING;
        default:
            return wrong_usage("unknown option, or its value is missing: ",
                               optopt > ' ' && optopt <= '~' ? (const char[]){'-', (char)optopt, 0}
                                                             : argv[optind - 1]);
        }
    }
    return optind < argc ? wrong_usage("unexpected argument: ", argv[optind]) : -1;
}

int main(int argc, char **argv)
{
    struct listener listener = {.database = MAILSLOT_SYSCONFDIR "/mailslot/mailslot.cdb"};

    if (file_fill_standard(O_RDWR) != 0)
        return BACK_EXIT_PASSING;
    log_open(-1, -1);
    int result = parse_options(argc, argv, &listener);
    if (result >= 0)
        return result;
    static char **names; /* to outlive this function */
    int passed = listener.count > 0 ? 0 : systemd_listen_fds(&names);
    if (passed < 0) {
        fprintf(stderr, "mailslot-smtpd: LISTEN_FDS is set, but: %s\n", strerror(errno));
        return BACK_EXIT_PASSING;
    }
    bool listens =
        listener.count > 0 || (passed > 0 && systemd_is_listening(SYSTEMD_FIRST_FD) == 1);
    result = leave_root(&listener, listens);
    if (result != BACK_EXIT_SERVED)
        return result;
    if (listener.count > 0)
        return serve_listener(&listener);
    return passed > 0 ? serve_systemd(&listener, passed, names)
                      : serve_connection(&listener, STDIN_FILENO, STDOUT_FILENO);
}
