/* check: the systemd units that are enabled, and the programs that listen. */
#include "../kit/units.h"
#include "socket_owner.h"
#include "subjects.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The enabled socket of a role; NULL: none. */
static const char *enabled_socket(const struct units_role *role)
{
    return units_is_enabled(role->session)  ? role->session
           : units_is_enabled(role->listen) ? role->listen
                                            : NULL;
}

static void check_service_folder(struct check *check, const char *folder)
{
    char *real = realpath(folder, NULL);
    bool hidden = units_protect_home(real == NULL ? folder : real, true);
    bool may = !hidden && !units_protect_system(real == NULL ? folder : real);

    free(real);
    if (may)
        return;
    check_say(
        check, CHECK_FAIL, "units",
        UNITS_LISTENING_SERVICE
        " cannot write to %s; type: mkdir -p /etc/systemd/system/" UNITS_LISTENING_SERVICE
        ".d && printf '[Service]\\n%sReadWritePaths=\"%%s\"\\n' %s "
        ">>/etc/systemd/system/" UNITS_LISTENING_SERVICE
        ".d/mail.conf && systemctl daemon-reload && systemctl try-restart " UNITS_LISTENING_SERVICE,
        folder, hidden ? "ProtectHome=no\\n" : "", check_quote(check, folder));
}

static void check_service_folders(struct check *check)
{
    struct slice text;

    if (check->db.state != DATABASE_OPEN)
        return;
    check_service_folder(check, check->settings.mail_root);
    if (database_find(&check->db, "folders", (struct slice){0}, &text) != 1)
        return;
    while (text.len > 0)
        check_service_folder(check, pool_copy(&check->pool, slice_cut(&text, '\n')));
}

/* It is enabled, but systemd is not allowed to start it. */
static bool check_masked(struct check *check, const struct units_role *role)
{
    const char *socket = enabled_socket(role);
    const char *service = socket == role->listen ? UNITS_LISTENING_SERVICE : role->service;
    const char *masked = units_is_masked(socket) ? socket : service;

    if (!units_is_masked(masked))
        return false;
    check_say(check, CHECK_FAIL, "units",
              "%s is masked, so %s does not work; type: systemctl unmask %s && systemctl "
              "start %s",
              masked, socket, masked, socket);
    return true;
}

static bool check_both(struct check *check, const struct units_role *role)
{
    if (!units_is_enabled(role->session) || !units_is_enabled(role->listen))
        return false;
    check_say(
        check, CHECK_FAIL, "units",
        "%s and %s are both enabled, and only one of them can run; type: systemctl disable --now "
        "%s && systemctl start %s",
        role->session, role->listen, role->listen, role->session);
    return true;
}

static void check_units(struct check *check)
{
    for (size_t i = 0; i < UNITS_ROLES; i++) {
        const struct units_role *role = &units_roles[i];
        if (enabled_socket(role) != NULL && !check_both(check, role) && !check_masked(check, role))
            check_say(check, CHECK_OK, "units", "%s is enabled", enabled_socket(role));
    }
    if (units_have_listener())
        check_service_folders(check);
}

/* Another program listens. */
static void say_foreign(struct check *check, const struct units_role *role,
                        const struct socket_owner *owner)
{
    const char *socket = enabled_socket(role), *stop, *start = "";

    if (units_are_used())
        start = pool_format(&check->pool, " && systemctl enable --now %s",
                            socket == NULL ? role->session : socket);
    if (*owner->unit != '\0')
        stop = pool_format(&check->pool, "systemctl disable --now %s",
                           check_quote(check, owner->unit));
    else
        stop = pool_format(&check->pool, "kill %d", (int)owner->pid);
    check_say(check, CHECK_FAIL, "port", "%d is in use by %s (process %d); type: %s%s", role->port,
              owner->name, (int)owner->pid, stop, start);
}

/* systemd listens, or mailslot-smtpd, or a program that starts it. */
static void say_ours(struct check *check, const struct units_role *role,
                     const struct socket_owner *owner)
{
    const char *socket = enabled_socket(role);

    if (units_are_used() && owner->pid == 1 && socket == NULL)
        check_say(check, CHECK_WARN, "port",
                  "%d is served now, but not after a reboot; type: systemctl enable %s", role->port,
                  role->session);
    else
        check_say(check, CHECK_OK, "port", "%d: %s", role->port,
                  socket != NULL ? socket : owner->name);
}

static void say_nobody(struct check *check, const struct units_role *role)
{
    const char *socket = enabled_socket(role);
    const char *place = role->port > 0 ? pool_format(&check->pool, "%d", role->port) : role->path;

    if (!units_are_used())
        check_say(
            check, CHECK_WARN, "port",
            "no program listens on %s; to see how the server is started, type: man mailslot-smtpd",
            place);
    else if (socket == NULL)
        check_say(check, CHECK_WARN, "port",
                  "no program listens on %s; type: systemctl enable --now %s", place,
                  role->session);
    else
        check_say(check, CHECK_FAIL, "port",
                  "no program listens on %s, although %s is enabled; type: %ssystemctl start %s",
                  place, socket,
                  strcmp(socket, role->listen) == 0 ? "systemctl stop mailslot-listen.service; "
                                                    : "",
                  socket);
}

static bool is_super_server(const struct socket_owner *owner)
{
    return strcmp(owner->name, "inetd") == 0 || strcmp(owner->name, "xinetd") == 0;
}

static bool is_foreign(const struct socket_owner *owner)
{
    bool systemd = units_are_used() && owner->pid == 1;

    return owner->pid > 0 && !owner->is_ours && !systemd && !is_super_server(owner);
}

/* If only LMTP is enabled, another mail system listens on port 25, and delivers to us; if only
 * mailslot-submit.socket is, this host just sends mail. */
static bool needs_no_port(void)
{
    return units_are_used() && enabled_socket(&units_roles[UNITS_MX]) == NULL &&
           (enabled_socket(&units_roles[UNITS_LMTP]) != NULL ||
            enabled_socket(&units_roles[UNITS_SUBMIT]) != NULL);
}

static void check_port(struct check *check, const struct units_role *role)
{
    struct socket_owner owners[SOCKET_OWNERS_MAX];
    int len = socket_owners_of(role->port, owners), chosen = 0;

    for (int i = 0; i < len; i++)
        if (is_foreign(&owners[i]))
            chosen = i;
    if (len == 0)
        say_nobody(check, role);
    else if (owners[chosen].pid == 0)
        check_say(check, CHECK_SKIP, "port",
                  "%d: a program listens; to see which one, type: sudo %s", role->port,
                  check->commands.again);
    else if (is_foreign(&owners[chosen]))
        say_foreign(check, role, &owners[chosen]);
    else
        say_ours(check, role, &owners[chosen]);
}

/* Not reported if a drop-in may have changed the path. */
static void check_path(struct check *check, const struct units_role *role)
{
    const char *socket = enabled_socket(role);

    if (socket_is_open(role->path))
        check_say(check, CHECK_OK, "port", "%s: %s", role->path, socket);
    else if (!units_is_changed(socket))
        say_nobody(check, role);
}

void check_ports(struct check *check)
{
    bool systemd = units_are_used();

    if (systemd)
        check_units(check);
    else
        check_say(check, CHECK_SKIP, "units", "systemd is not running here");
    for (size_t i = 0; i < UNITS_ROLES; i++) {
        const struct units_role *role = &units_roles[i];
        bool due = i == UNITS_MX ? !needs_no_port() : systemd && enabled_socket(role) != NULL;
        if (due && role->port > 0)
            check_port(check, role);
        else if (due)
            check_path(check, role);
    }
}
