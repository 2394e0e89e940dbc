#include "check_socket.h"

#include "../kit/hop_talk.h"
#include "../kit/remedy.h"
#include "../kit/units.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PROXIES "/run/mailslot/"
#define RELAY_SOCKET "mailslot-relay.socket"

/* Servers that are recognized by a folder in the path, as Debian configures them. The texts stand
 * before "; type: " or before "type: ". */
static const struct known {
    const char *folder, *unit;
    const char *start;  /* NULL: its unit */
    const char *permit; /* NULL: unknown */
} all_known[] = {
    {"/dovecot/", "dovecot", "if Dovecot and its LMTP are installed", NULL},
    {"/cyrus/", "cyrus-imapd", "if Cyrus is installed", NULL},
    {"/rspamd/", "rspamd",
     "if rspamd is installed, set `bind_socket` to this path in "
     "/etc/rspamd/local.d/worker-proxy.inc",
     "add mode=0660 and group=_rspamd to `bind_socket` in /etc/rspamd/local.d/worker-proxy.inc"},
    {"/opendkim/", "opendkim", "if OpenDKIM is installed, set `Socket` in /etc/opendkim.conf",
     "set `UMask 007` in /etc/opendkim.conf"},
    {"/opendmarc/", "opendmarc", "if OpenDMARC is installed, set `Socket` in /etc/opendmarc.conf",
     "set `UMask 007` in /etc/opendmarc.conf"},
    {"/clamav/", "clamav-milter",
     "if clamav-milter is installed, set `MilterSocket` in /etc/clamav/clamav-milter.conf",
     "set `MilterSocketMode 660` in /etc/clamav/clamav-milter.conf"},
    {"/spamass/", "spamass-milter", "if spamass-milter is installed",
     "set SOCKETMODE=0660 and SOCKETOWNER=root:" SERVICE_USER " in /etc/default/spamass-milter"},
};

static const struct known *find_known(const char *path)
{
    for (size_t i = 0; i < sizeof all_known / sizeof all_known[0]; i++)
        if (strstr(path, all_known[i].folder) != NULL)
            return &all_known[i];
    return NULL;
}

/* /run/mailslot/HOST:PORT */
static bool is_proxy(const char *path)
{
    return strncmp(path, PROXIES, strlen(PROXIES)) == 0 && strchr(path, ':') != NULL;
}

/* How to start what should listen there. */
static const char *start_it(struct check *check, const char *path)
{
    const struct known *known = find_known(path);

    if (strcmp(path, CHECK_RELAY_PATH) == 0)
        return "type: systemctl enable --now " RELAY_SOCKET;
    if (is_proxy(path))
        return pool_format(&check->pool, "type: systemctl enable --now mailslot-proxy@%s.socket",
                           check_quote(check, path + strlen(PROXIES)));
    if (known != NULL)
        return pool_format(&check->pool, "%s, then type: systemctl enable %s; systemctl restart %s",
                           known->start, known->unit, known->unit);
    return pool_format(&check->pool,
                       "start that program, or correct the path in %s%s; to see what listens, "
                       "type: ss -xlp",
                       check->folder, check->there);
}

const char *check_who_listens(struct check *check, const char *path)
{
    if (strcmp(path, CHECK_RELAY_PATH) == 0)
        return "to see what the relay logs, type: journalctl -t mailslot-relay -n 20";
    if (is_proxy(path))
        return pool_format(&check->pool,
                           "to see what the proxy to that port logs, type: journalctl -n 20 -u "
                           "mailslot-proxy@%s.service",
                           check_quote(check, path + strlen(PROXIES)));
    return pool_format(&check->pool, "to see which program that is, type: ss -xlp src %s",
                       check_quote(check, path));
}

/* The owner, group and mode of the socket, if it can be seen. */
static const char *describe(struct check *check, const char *path, const struct stat *st)
{
    const struct passwd *user = getpwuid(st->st_uid);
    const struct group *group = getgrgid(st->st_gid);

    return pool_format(&check->pool, "%s (%s:%s %04o)", path, user == NULL ? "?" : user->pw_name,
                       group == NULL ? "?" : group->gr_name, (unsigned)st->st_mode & 07777);
}

/* The group of the socket, if its members can connect. The owner can only have chosen one of its
 * own groups; if others could have made the socket, none is trusted. */
static const char *join_group(struct check *check, const char *path, const struct stat *st)
{
    enum { SYSTEM_GROUPS_END = 1000 };
    const struct group *group =
        (st->st_mode & S_IWGRP) != 0 && st->st_gid > 0 && st->st_gid < SYSTEM_GROUPS_END
            ? getgrgid(st->st_gid)
            : NULL;

    if (group == NULL || remedy_refuse(&check->pool, path, path, st->st_uid) != NULL)
        return NULL;
    return pool_format(&check->pool, "usermod -aG %s " SERVICE_USER,
                       check_quote(check, group->gr_name));
}

static bool is_usermod(const char *command)
{
    return command != NULL && strncmp(command, "usermod", strlen("usermod")) == 0;
}

/* The program that made the socket decides about its mode, and makes it anew at each start. */
static const char *permit_it(struct check *check, const char *path, const struct stat *st)
{
    const char *grant = service_user_grant(&check->user, &check->pool, path, W_OK);
    const struct known *known = find_known(path);

    if (strcmp(path, CHECK_RELAY_PATH) == 0 && units_are_used())
        return "type: systemctl restart " RELAY_SOCKET;
    if (!is_usermod(grant) && st != NULL)
        grant = join_group(check, path, st);
    if (is_usermod(grant))
        return pool_format(
            &check->pool, "type: %s%s", grant,
            units_have_listener() ? " && systemctl try-restart mailslot-listen.service" : "");
    if (known != NULL && known->permit != NULL)
        return pool_format(&check->pool, "%s, then type: systemctl restart %s", known->permit,
                           known->unit);
    return "let the program that listens there create it for the user or group " SERVICE_USER
           "; for Dovecot and others, type: man mailslot-recipes";
}

static void say_not_connected(struct check *check, enum check_mark mark, const char *subject,
                              const char *path, int error)
{
    struct stat st;
    bool seen = stat(path, &st) == 0;

    if (error == ENOENT || error == ECONNREFUSED)
        check_say(check, mark, subject, "no program listens on %s; %s", path,
                  start_it(check, path));
    else if (error == EACCES || error == EPERM)
        check_say(check, mark, subject, "%s: " SERVICE_USER " cannot connect: %s; %s",
                  seen ? describe(check, path, &st) : path, strerror(error),
                  permit_it(check, path, seen ? &st : NULL));
    else if (error == EAGAIN)
        check_say(check, mark, subject,
                  "%s: a program listens, and accepts no connections any more; %s", path,
                  check_who_listens(check, path));
    else
        check_say(check, mark, subject, "%s: cannot connect: %s; %s", path, strerror(error),
                  check_who_listens(check, path));
}

int check_connect(struct check *check, enum check_mark mark, const char *subject, const char *path)
{
    if (check->user.testable)
        service_user_enter(&check->user);
    int fd = hop_talk_connect(slice_of(path)), error = errno;
    if (check->user.testable)
        service_user_leave(&check->user);
    if (fd < 0)
        say_not_connected(check, mark, subject, path, error);
    return fd;
}
