#include "show_user.h"

#include "../../smtpd/database/record.h"
#include "../source/hash.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

int64_t show_user_size(const char *path, bool *absent)
{
    struct stat st;
    bool found = stat(path, &st) == 0;

    *absent = !found && errno == ENOENT;
    if (*absent)
        return 0;
    return found && S_ISREG(st.st_mode) ? (int64_t)st.st_size : -1;
}

int show_user_records(struct database *db, const struct directory_user *user, struct slice *record,
                      struct slice *credentials)
{
    *credentials = (struct slice){0};
    if (database_find(db, "user", user->address, record) != 1)
        return -1;
    return database_find(db, "credential", user->address, credentials) < 0 ? -1 : 0;
}

bool show_user_is_locked(struct slice record)
{
    struct slice name, value;

    while (record_line(&record, &name, &value) == 1)
        if (slice_is(name, "locked"))
            return slice_is(value, "yes");
    return false;
}

bool show_user_next_send_as(struct slice *record, struct slice *address)
{
    struct slice name;

    while (record_line(record, &name, address) == 1)
        if (slice_is(name, "send-as"))
            return true;
    return false;
}

bool show_user_next_kind(struct slice *credentials, char kind[SHOW_KIND_MAX])
{
    struct slice name, value;

    while (record_line(credentials, &name, &value) == 1) {
        struct slice iterations = slice_until(value, ',');
        if (slice_is(name, "crypt"))
            snprintf(kind, SHOW_KIND_MAX, "%s", hash_kind(value));
        else if (slice_is(name, "scram-sha-256"))
            snprintf(kind, SHOW_KIND_MAX, "SCRAM-SHA-256, %.*s iterations", SLICE(iterations));
        else
            continue;
        return true;
    }
    return false;
}
