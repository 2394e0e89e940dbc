#include "mounts.h"

#include "../kit/shell.h"
#include "../kit/units.h"

#include <glob.h>
#include <mntent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Is there an entry for this mount point in the file? */
static bool has_entry(const char *file, const char *point)
{
    FILE *entries = setmntent(file, "re");
    const struct mntent *entry;
    bool found = false;

    while (entries != NULL && !found && (entry = getmntent(entries)) != NULL) {
        size_t len = strlen(entry->mnt_dir);
        while (len > 1 && entry->mnt_dir[len - 1] == '/')
            len--;
        found = strlen(point) == len && memcmp(entry->mnt_dir, point, len) == 0;
    }
    if (entries != NULL)
        endmntent(entries);
    return found;
}

/* The name that a mount unit for it must have: systemd.unit(5), "string escaping". */
static const char *unit_name(struct pool *pool, const char *point)
{
    static const char kept[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789:_.";
    char *name = pool_get(pool, 4 * strlen(point) + sizeof ".mount"), *to = name;

    for (const char *at = point + 1; *at != '\0'; at++) {
        bool hidden = *at == '.' && (to == name || at[-1] == '/');
        if (*at == '/')
            *to++ = '-';
        else if (strchr(kept, *at) != NULL && !hidden)
            *to++ = *at;
        else
            to += sprintf(to, "\\x%02x", (unsigned)(unsigned char)*at);
    }
    strcpy(to, ".mount");
    return name;
}

/* The folders of systemd's units; a generator makes units of fstab's lines, too. */
static bool has_unit(const char *name)
{
    static const char *const folders[] = {"/etc", "/run", "/usr/local/lib", "/usr/lib"};
    char path[4096];
    struct stat st;

    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
        snprintf(path, sizeof path, "%s/systemd/system/%s", folders[i], name);
        if (stat(path, &st) == 0) /* a masked one is a link to /dev/null */
            return S_ISREG(st.st_mode) && (units_are_used() || i == 0);
    }
    return false;
}

static bool is_missing(struct pool *pool, const char *point, struct missing_mount *missing)
{
    const char *unit = unit_name(pool, point), *quoted = shell_quote(pool, point);

    if (has_entry("/proc/self/mounts", point))
        return false;
    if (has_entry("/etc/fstab", point))
        *missing = (struct missing_mount){
            point, "/etc/fstab", pool_format(pool, "mkdir -p %s && mount %s", quoted, quoted)};
    else if (has_unit(unit))
        *missing = (struct missing_mount){
            point, unit, pool_format(pool, "systemctl start %s", shell_quote(pool, unit))};
    else
        return false;
    return true;
}

bool mounts_find_missing(struct pool *pool, const char *path, struct missing_mount *missing)
{
    for (size_t len = strlen(path); len > 1; len--)
        if ((path[len] == '\0' || path[len] == '/') && path[len - 1] != '/' &&
            is_missing(pool, pool_copy(pool, (struct slice){path, len}), missing))
            return true;
    return false;
}
