#include "confine_back.h"

#include "../database/certificate.h"
#include "../database/directory.h"
#include "landlock.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "filter_back.h"

struct rules {
    int ruleset, version;
};

static int allow(const struct rules *rules, const char *path, uint64_t rights)
{
    return landlock_allow(rules->ruleset, rules->version, path, rights, true);
}

static int allow_folder_of(const struct rules *rules, char *path, uint64_t rights)
{
    char *slash = strrchr(path, '/');

    slash[slash == path] = '\0';
    return allow(rules, path, rights);
}

/* The folder of a file, and the folder of its target if it is a link. Changes the path. */
static int allow_real(const struct rules *rules, char *path, uint64_t rights)
{
    char *real = realpath(path, NULL);
    int result = real == NULL ? 0 : allow_folder_of(rules, real, rights);

    free(real);
    return result != 0 ? -1 : allow_folder_of(rules, path, rights);
}

/* Of a file for TLS, which certbot makes a link. */
static int allow_file(const struct rules *rules, const char *folder, struct slice name)
{
    char path[SETTINGS_PATH_MAX];

    if (name.len == 0 || certificate_path(folder, name, path) != 0)
        return 0;
    return allow_real(rules, path, LANDLOCK_READ);
}

static int allow_reading(const struct rules *rules, const struct settings *settings,
                         const char *folder)
{
    static const char *const system[] = {
        "/usr",  "/lib", "/lib64", "/etc", "/proc/sys/kernel", /* undo.c: overflowuid */
#ifdef __SANITIZE_ADDRESS__ /* its run-time reads its own memory map */
        "/proc",
#endif
        NULL};

    for (const char *const *path = system; *path != NULL; path++)
        if (allow(rules, *path, LANDLOCK_READ) != 0)
            return -1;
    for (size_t i = 0; i < settings->certificates_len && i < settings->keys_len; i++)
        if (allow_file(rules, folder, settings->certificates[i]) != 0 ||
            allow_file(rules, folder, settings->keys[i]) != 0)
            return -1;
    if (settings->certificates_len > 0 &&
        (allow_file(rules, folder, settings->tls_client_ca) != 0 ||
         allow_file(rules, folder, settings->tls_ticket_secret) != 0))
        return -1;
    return allow(rules, folder, LANDLOCK_READ);
}

/* mail-root, or the folder to make it in if it does not exist (unless that is `/`). */
static int allow_mail_root(const struct rules *rules, const char *root)
{
    char path[SETTINGS_PATH_MAX];

    snprintf(path, sizeof path, "%s", root);
    if (access(path, F_OK) == 0)
        return allow(rules, path, LANDLOCK_MAIL);
    for (size_t len = strlen(path); len > 1 && path[len - 1] == '/'; len--)
        path[len - 1] = '\0';
    return allow_folder_of(rules, path, LANDLOCK_MAIL);
}

/* The next line of a record, NUL-terminated. Returns false at its end; a damaged database leads to
 * no mailbox and to no server anyway. */
static bool next_line(struct slice *text, char path[SETTINGS_PATH_MAX])
{
    struct slice line = slice_until(*text, '\n');

    if (line.len == text->len || line.len >= SETTINGS_PATH_MAX)
        return false;
    snprintf(path, SETTINGS_PATH_MAX, "%.*s", SLICE(line));
    *text = slice_from(*text, line.len + 1);
    return true;
}

/* The folders of mailboxes that have absolute paths. Users may own them, and could redirect us by a
 * symbolic link: no mailbox is opened through one. */
static int allow_mailboxes(const struct rules *rules, struct database *db)
{
    char path[SETTINGS_PATH_MAX];
    struct slice text = {0};

    if (database_find(db, "folders", (struct slice){0}, &text) != 1)
        return 0;
    while (next_line(&text, path))
        if (landlock_allow(rules->ruleset, rules->version, path, LANDLOCK_MAIL, false) != 0)
            return -1;
    return 0;
}

/* The folder of another server's socket, and that of its target if it is a link. */
static int allow_socket(const struct rules *rules, struct slice socket)
{
    char path[SETTINGS_PATH_MAX];

    if (socket.len == 0 || socket.len >= sizeof path || *socket.at != '/')
        return 0;
    snprintf(path, sizeof path, "%.*s", SLICE(socket));
    return allow_real(rules, path, LANDLOCK_ACCESS_FS_RESOLVE_UNIX);
}

static int allow_filters(const struct rules *rules, const struct confine_back *session)
{
    struct slice paths[SETTINGS_MILTERS_MAX];
    size_t count = directory_milters(session->settings, session->role, paths);

    for (size_t i = 0; i < count; i++)
        if (allow_socket(rules, paths[i]) != 0)
            return -1;
    return 0;
}

/* The sockets of other servers: those of the settings, those that users and aliases have (in a
 * record of their own), and the journal's; and those of filters. */
static int allow_sockets(const struct rules *rules, const struct confine_back *session)
{
    const struct settings *settings = session->settings;
    char path[SETTINGS_PATH_MAX];
    struct slice text = {0};

    if (rules->version < LANDLOCK_SOCKETS) /* there is no such right */
        return 0;
    for (size_t i = 0; i < settings->relays_len; i++)
        if (allow_socket(rules, slice_until(settings->relays[i], ' ')) != 0)
            return -1;
    if (allow_socket(rules, settings->mailboxes) != 0 ||
        allow_socket(rules, slice_of("/run/systemd/journal/socket")) != 0 ||
        allow_filters(rules, session) != 0)
        return -1;
    if (database_find(session->db, "sockets", (struct slice){0}, &text) != 1)
        return 0;
    while (next_line(&text, path))
        if (allow_socket(rules, slice_of(path)) != 0)
            return -1;
    return 0;
}

int confine_back_paths(const struct confine_back *session)
{
    const struct settings *settings = session->settings;
    struct rules rules = {.version = landlock_version()};

    if (rules.version < 2) /* version 1 cannot allow a lock file to be linked to its name */
        return rules.version < 0 ? -1 : 0;
    /* The back must be able to kill the first front, which was forked before. */
    rules.ruleset = landlock_begin(rules.version, true);
    if (rules.ruleset < 0 || allow_reading(&rules, settings, session->folder) != 0 ||
        allow_mail_root(&rules, settings->mail_root) != 0 ||
        allow_mailboxes(&rules, session->db) != 0 || allow_sockets(&rules, session) != 0)
        return -1;
    return landlock_enforce(rules.ruleset);
}

static int add_filter(struct sock_filter *filter, size_t len)
{
    struct sock_fprog program = {(unsigned short)len, filter};

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return -1;
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

static bool names_sockets(const struct confine_back *session)
{
    const struct settings *settings = session->settings;
    struct slice ignored, paths[SETTINGS_MILTERS_MAX];

    return settings->relays_len > 0 || settings->mailboxes.len > 0 ||
           directory_milters(settings, session->role, paths) > 0 ||
           database_find(session->db, "sockets", (struct slice){0}, &ignored) == 1;
}

/* The filter below counts as well, and kills what is of another architecture. */
int confine_back_connections(const struct confine_back *session)
{
    static struct sock_filter none[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_connect, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };

    return names_sockets(session) ? 0 : add_filter(none, sizeof none / sizeof none[0]);
}

int confine_back_system_calls(void)
{
    return add_filter(filter_for_back, sizeof filter_for_back / sizeof filter_for_back[0]);
}
