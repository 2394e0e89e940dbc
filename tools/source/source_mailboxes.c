#include "../kit/memory.h"
#include "source.h"

#include <string.h>

/* mail-root, and DOMAIN/LOCALPART beneath it. */
enum { OWN_PATH_MAX = SETTINGS_PATH_MAX + ADDRESS_KEY_MAX + 2 };

struct check {
    struct source *source;
    struct report *report;
    struct map given; /* the users with `mailbox=`, by its path */
};

/* The path of the mailbox, without repeated slashes; `to` has room for mail-root and the mailbox.
 */
static size_t write_path(const struct source *source, struct slice mailbox, char *to)
{
    const char *root = *mailbox.at == '/' ? "" : source->settings.mail_root;
    char *start = to;

    for (; *root != '\0'; root++)
        if (*root != '/' || to == start || to[-1] != '/')
            *to++ = *root;
    if (*mailbox.at != '/' && (to == start || to[-1] != '/'))
        *to++ = '/';
    to = mempcpy(to, mailbox.at, mailbox.len);
    return (size_t)(to - start);
}

struct slice source_mailbox(struct source *source, const struct source_user *user)
{
    struct slice mailbox = user->mailbox, store;

    if (mailbox.at == NULL)
        return (struct slice){"", 0};
    if (source_in_store(user, &store))
        return mailbox;
    char *path = pool_get(&source->pool, strlen(source->settings.mail_root) + 1 + mailbox.len + 1);
    return (struct slice){path, write_path(source, mailbox, path)};
}

static void say_same(const struct check *check, struct slice path, size_t one, size_t other)
{
    const struct source_user *users = check->source->users;
    size_t later = one > other ? one : other, earlier = one > other ? other : one;

    report_error(check->report, check->source->users_text.name, users[later].line,
                 "mailbox %.*s already belongs to %.*s: give one of the two another one",
                 SLICE(path), SLICE(users[earlier].key));
}

static void say_beneath(const struct check *check, struct slice path, size_t one, size_t other)
{
    const struct source_user *users = check->source->users;

    report_error(
        check->report, check->source->users_text.name, users[one > other ? one : other].line,
        "mailbox %.*s would be inside the mailbox of %.*s, which is a file: choose another path",
        SLICE(path), SLICE(users[other].key));
}

static bool is_own(const struct source_user *user)
{
    struct slice store;

    return user->mailbox.at != NULL && *user->mailbox.at != '/' && !source_in_store(user, &store);
}

static bool is_given(const struct source_user *user)
{
    return user->mailbox.at != NULL && *user->mailbox.at == '/';
}

/* The user without `mailbox=` whose mailbox has this path. */
static bool find_own(const struct check *check, struct slice path, size_t *index)
{
    const struct source *source = check->source;
    char root[OWN_PATH_MAX], key[OWN_PATH_MAX];
    size_t root_len = write_path(source, (struct slice){"x", 1}, root) - 1; /* with the slash */

    if (path.len <= root_len || path.len - root_len > ADDRESS_KEY_MAX ||
        memcmp(path.at, root, root_len) != 0)
        return false;
    struct slice domain = {path.at + root_len, path.len - root_len};
    const char *slash = memchr(domain.at, '/', domain.len);
    if (slash == NULL)
        return false;
    domain.len = (size_t)(slash - domain.at);
    size_t local_len = path.len - root_len - domain.len - 1;
    char *to = mempcpy(key, slash + 1, local_len);
    *to++ = '@';
    to = mempcpy(to, domain.at, domain.len);
    return map_find(&source->user_map, (struct slice){key, (size_t)(to - key)}, index) &&
           is_own(&source->users[*index]);
}

/* Is no folder in the path a mailbox? */
static bool check_folders(const struct check *check, struct slice path, size_t index)
{
    size_t other;
    bool good = true;

    for (size_t len = path.len; len-- > 1;)
        if (path.at[len] == '/' && (map_find(&check->given, (struct slice){path.at, len}, &other) ||
                                    (!is_own(&check->source->users[index]) &&
                                     find_own(check, (struct slice){path.at, len}, &other)))) {
            say_beneath(check, path, index, other);
            good = false;
        }
    return good;
}

/* The mailboxes below mail-root. Those of one domain have the same folders. */
static void check_own(const struct check *check)
{
    const struct source *source = check->source;
    char path[OWN_PATH_MAX], known[OWN_PATH_MAX];
    size_t known_len = 0, other;

    for (size_t i = 0; i < source->users_len; i++) {
        if (!is_own(&source->users[i]))
            continue;
        size_t len = write_path(source, source->users[i].mailbox, path);
        if (map_find(&check->given, (struct slice){path, len}, &other))
            say_same(check, (struct slice){path, len}, i, other);
        size_t folder_len = len;
        while (path[folder_len - 1] != '/')
            folder_len--;
        if (folder_len == known_len && memcmp(path, known, known_len) == 0)
            continue;
        known_len = 0;
        if (check_folders(check, (struct slice){path, len}, i))
            memcpy(known, path, known_len = folder_len);
    }
}

void source_check_mailboxes(struct source *source, struct report *report)
{
    struct check check = {.source = source, .report = report};

    for (size_t i = 0; i < source->users_len; i++) {
        struct slice path = source->users[i].mailbox;
        size_t other = i;
        if (is_given(&source->users[i]) && !map_add(&check.given, path, &other))
            say_same(&check, path, i, other);
    }
    /* No two addresses have the same DOMAIN/LOCALPART, and none is a folder of another. */
    if (check.given.used > 0)
        check_own(&check);
    for (size_t i = 0; check.given.used > 0 && i < source->users_len; i++)
        if (is_given(&source->users[i]))
            check_folders(&check, source->users[i].mailbox, i);
    map_free(&check.given);
}
