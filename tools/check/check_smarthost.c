/* check: the smarthost, by mailslot-relay(8) itself: as its user, without its socket. */
#include "../kit/folder.h"
#include "../kit/hop_talk.h"
#include "../kit/units.h"
#include "../source/relay_file.h"
#include "relay_files.h"
#include "subjects.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define RELAY_PROGRAM "mailslot-relay"
#define SECONDS "8" /* less than HOP_TALK_SECONDS, so that it says what it waits for */

/* In the folder of this program. */
static const char *program_path(struct check *check)
{
    char own[1024];
    ssize_t len = readlink("/proc/self/exe", own, sizeof own);

    while (len > 0 && own[len - 1] != '/')
        len--;
    return pool_format(&check->pool, "%.*s" RELAY_PROGRAM, len > 0 ? (int)len : 0, own);
}

/* As systemd starts it, with the connection as standard input and output. */
static _Noreturn void become_relay(const char *program, const char *database,
                                   const struct passwd *user, int fd)
{
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

    if (dup2(fd, 0) == 0 && dup2(fd, 1) == 1 && dup2(null, 2) == 2 &&
        initgroups(user->pw_name, user->pw_gid) == 0 && setgid(user->pw_gid) == 0 &&
        setuid(user->pw_uid) == 0)
        execl(program, RELAY_PROGRAM, "-d", database, "-t", SECONDS, (char *)NULL);
    _exit(111);
}

static pid_t start_relay(const char *program, const char *database, const struct passwd *user,
                         int *fd)
{
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
        return -1;
    pid_t pid = fork();
    if (pid == 0)
        become_relay(program, database, user, pair[1]);
    close(pair[1]);
    fcntl(pair[0], F_SETFL, O_NONBLOCK);
    *fd = pair[0];
    return pid;
}

static const char *remedy_of_tls(struct check *check, const char *said,
                                 const struct relay_settings *settings, const char *name)
{
    const struct relay_host *host = &settings->hosts[0];
    bool implicit = relay_settings_tls(settings, host) == RELAY_TLS_IMPLICIT;
    const char *what = "its certificate must be valid for this name";

    if (strstr(said, "certificate") == NULL)
        what = pool_format(&check->pool,
                           implicit ? "if TLS does not begin at once on this port, set "
                                      "`smarthost-tls = starttls` in %s"
                                    : "if TLS begins at once on this port, set "
                                      "`smarthost-tls = implicit` in %s",
                           check->conf);
    else if (strstr(said, "issuer") != NULL)
        what = pool_format(&check->pool,
                           "if its authority is not one of the system's, set `smarthost-ca` in %s "
                           "to the file with the authority's certificate",
                           check->conf);
    return pool_format(&check->pool,
                       "%s; to see what it sends, type: openssl s_client -connect %s:%u%s "
                       "</dev/null",
                       what, name, host->port, implicit ? "" : " -starttls smtp");
}

/* What to type, by the step at which the relay has failed: its greeting begins with it. */
static const char *remedy_of(struct check *check, const char *said,
                             const struct relay_settings *settings)
{
    const struct relay_host *host = &settings->hosts[0];
    const char *name = check_quote_slice(check, host->name);

    if (strstr(said, "settings: ") != NULL)
        return pool_format(&check->pool, "correct that file, then type: %s", check->commands.again);
    if (strstr(said, "look-up: ") != NULL)
        return pool_format(&check->pool,
                           "correct `smarthost` in %s, or the name service; to see what it "
                           "answers, type: getent ahosts %s",
                           check->conf, name);
    if (strstr(said, "connect: ") != NULL)
        return pool_format(&check->pool,
                           "is the port right, and may this machine connect to it? to try it, "
                           "type: nc -vz %s %u",
                           name, host->port);
    if (strstr(said, "TLS: ") != NULL)
        return remedy_of_tls(check, said, settings, name);
    if (strstr(said, "log-in: ") != NULL)
        return pool_format(&check->pool,
                           "correct `smarthost-user` in %s, or the file with the password or "
                           "token, then type: %s",
                           check->conf, check->commands.build);
    return "to see what the relay logs, type: journalctl -t " RELAY_PROGRAM " -n 20";
}

static void say_ready(struct check *check, const struct relay_settings *settings,
                      const struct wall_hop_ready *ready)
{
    check_say(check, CHECK_OK, "smarthost", "%s, %s%s%s", ready->host,
              *ready->protocol == '\0' ? "without TLS" : ready->protocol,
              ready->verified ? ", verified" : "", settings->user.len > 0 ? ", logged in" : "");
}

static void try_it(struct check *check, const struct relay_settings *settings, const char *database,
                   const struct passwd *user)
{
    struct wall_hop_ready ready;
    struct wall_hop_reply reply;
    char line[HOP_TALK_LINE_MAX];
    int fd = -1;
    pid_t pid = start_relay(program_path(check), database, user, &fd);

    if (pid < 0) {
        check_say(check, CHECK_SKIP, "smarthost", "cannot start " RELAY_PROGRAM ": %s; type: %s",
                  strerror(errno), check->commands.again);
        return;
    }
    struct hop_talk *talk = hop_talk_begin(fd, false, check->settings.session.hostname);
    if (hop_talk_is_ready(talk, &ready, &reply)) {
        say_ready(check, settings, &ready);
    } else {
        hop_talk_line(&reply, line);
        check_say(check, CHECK_FAIL, "smarthost", "%s; %s", line, remedy_of(check, line, settings));
    }
    hop_talk_end(talk);
    kill(pid, SIGKILL); /* it may wait for the smarthost */
    waitpid(pid, NULL, 0);
}

/* The relay's database is open and says where to. */
static void check_settings(struct check *check, const struct relay_settings *settings,
                           const char *database)
{
    const struct passwd *user = getpwnam(RELAY_USER);
    if (user == NULL)
        check_say(check, CHECK_FAIL, "smarthost", "there is no user " RELAY_USER "; type: %s",
                  units_are_used() ? "systemd-sysusers" : "useradd -r " RELAY_USER);
    else if (geteuid() != 0)
        check_say(check, CHECK_SKIP, "smarthost",
                  "%.*s: only root can connect as the relay does; type: sudo %s",
                  SLICE(settings->hosts[0].name), check->commands.again);
    else if (relay_files_check(check, settings, database, user))
        try_it(check, settings, database, user);
}

void check_smarthost(struct check *check)
{
    char *folder = folder_of(check->path), *path = folder_path(folder, RELAY_FILE_DATABASE);
    struct relay_settings settings;
    struct database db;
    enum database_state state = database_open(&db, path);

    if (state == DATABASE_OPEN && relay_settings_read(&db, &settings) == 0) {
        if (settings.hosts_len > 0)
            check_settings(check, &settings, path);
    } else if (access(path, F_OK) == 0 && geteuid() == 0) {
        check_say(check, CHECK_FAIL, "smarthost", "%s cannot be used; type: %s", path,
                  check->commands.build);
    }
    database_close(&db);
    free(folder);
    free(path);
}
