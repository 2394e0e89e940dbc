#include "socket_owner.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LISTENING = 0x0a, UNIX_LISTENING = 0x10000, LINE_MAX_LEN = 512 };

/* The socket's inode, if this line of /proc/net/tcp is one that listens on the port. */
static unsigned long listening_inode(const char *line, int port)
{
    unsigned local, state;
    unsigned long inode;

    if (sscanf(line, " %*d: %*[0-9A-F]:%x %*[0-9A-F]:%*x %x %*s %*s %*s %*u %*u %lu", &local,
               &state, &inode) != 3)
        return 0;
    return local == (unsigned)port && state == LISTENING ? inode : 0;
}

static int find_inodes(const char *table, int port, unsigned long *inodes, int len)
{
    FILE *file = fopen(table, "re");
    char line[LINE_MAX_LEN];

    while (file != NULL && len < SOCKET_OWNERS_MAX && fgets(line, sizeof line, file) != NULL)
        if ((inodes[len] = listening_inode(line, port)) != 0)
            len++;
    if (file != NULL)
        fclose(file);
    return len;
}

/* Reads the beginning of a process's file as text. */
static void read_of(pid_t pid, const char *name, char *text, size_t size)
{
    char path[64];

    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t len = fd < 0 ? 0 : read(fd, text, size - 1);
    if (fd >= 0)
        close(fd);
    text[len < 0 ? 0 : len] = '\0';
    for (ssize_t i = 0; i + 1 < len; i++)
        if (text[i] == '\0')
            text[i] = ' '; /* between arguments */
}

static bool has_socket(pid_t pid, unsigned long inode)
{
    char path[300], link[64], wanted[64];
    const struct dirent *entry;
    bool found = false;

    snprintf(wanted, sizeof wanted, "socket:[%lu]", inode);
    snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
    DIR *folder = opendir(path);
    while (folder != NULL && !found && (entry = readdir(folder)) != NULL) {
        ssize_t len = readlinkat(dirfd(folder), entry->d_name, link, sizeof link - 1);
        link[len < 0 ? 0 : len] = '\0';
        found = strcmp(link, wanted) == 0;
    }
    if (folder != NULL)
        closedir(folder);
    return found;
}

/* The socket that systemd opened for a service is open in both: the service is the owner. */
static pid_t find_owner(unsigned long inode)
{
    const struct dirent *entry;
    pid_t owner = 0;
    DIR *proc = opendir("/proc");

    while (proc != NULL && owner <= 1 && (entry = readdir(proc)) != NULL) {
        pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
        if (pid > 0 && has_socket(pid, inode))
            owner = pid;
    }
    if (proc != NULL)
        closedir(proc);
    return owner;
}

static bool is_first_of(pid_t pid, const char *path)
{
    FILE *file = fopen(path, "re");
    int other;
    bool first = file != NULL;

    while (first && fscanf(file, "%d", &other) == 1)
        first = other >= pid;
    if (file != NULL)
        fclose(file);
    return first;
}

/* Is it the first process of its control group, the main one of a service? */
static bool is_first(pid_t pid, const char *group)
{
    static const char *const hierarchies[] = {"", "/systemd", "/unified"};
    char path[1200];
    bool first = false;

    for (size_t i = 0; i < sizeof hierarchies / sizeof hierarchies[0] && !first; i++) {
        snprintf(path, sizeof path, "/sys/fs/cgroup%s%s/cgroup.procs", hierarchies[i], group);
        first = is_first_of(pid, path);
    }
    return first;
}

/* The service is the last component of its control group, as in /system.slice/exim4.service. Only
 * a service of which it is the main process is to be stopped: not cron, or ssh, for a program that
 * was started from there. */
static void find_unit(struct socket_owner *owner)
{
    static const char services[] = "/system.slice/", end[] = ".service";
    char groups[1024];

    read_of(owner->pid, "cgroup", groups, sizeof groups);
    char *group = strstr(groups, services);
    if (group == NULL)
        return;
    group[strcspn(group, "\n")] = '\0';
    const char *name = strrchr(group, '/') + 1;
    size_t len = strlen(name);
    if (len < sizeof end || strcmp(name + len - (sizeof end - 1), end) != 0 ||
        !is_first(owner->pid, group))
        return;
    snprintf(owner->unit, sizeof owner->unit, "%s",
             strcmp(name, "postfix@-.service") == 0 ? "postfix.service" : name);
}

static void describe(struct socket_owner *owner)
{
    char command[4096];

    read_of(owner->pid, "comm", owner->name, sizeof owner->name);
    owner->name[strcspn(owner->name, "\n")] = '\0';
    read_of(owner->pid, "cmdline", command, sizeof command);
    owner->is_ours = strstr(command, "mailslot-smtpd") != NULL;
    find_unit(owner);
}

bool socket_is_open(const char *path)
{
    FILE *file = fopen("/proc/net/unix", "re");
    char line[LINE_MAX_LEN];
    bool found = false;

    while (file != NULL && !found && fgets(line, sizeof line, file) != NULL) {
        unsigned flags;
        int begin = 0;
        line[strcspn(line, "\n")] = '\0';
        found = sscanf(line, "%*s %*x %*x %x %*x %*x %*u %n", &flags, &begin) == 1 && begin > 0 &&
                (flags & UNIX_LISTENING) != 0 && strcmp(line + begin, path) == 0;
    }
    if (file != NULL)
        fclose(file);
    return found;
}

int socket_owners_of(int port, struct socket_owner owners[SOCKET_OWNERS_MAX])
{
    unsigned long inodes[SOCKET_OWNERS_MAX + 1];
    int len = find_inodes("/proc/net/tcp", port, inodes, 0);

    len = find_inodes("/proc/net/tcp6", port, inodes, len);
    for (int i = 0; i < len; i++) {
        owners[i] = (struct socket_owner){.pid = find_owner(inodes[i])};
        if (owners[i].pid > 0)
            describe(&owners[i]);
    }
    return len;
}
