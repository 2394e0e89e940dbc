#include "source_load.h"

#include "folders.h"
#include "sockets.h"

#include <errno.h>
#include <string.h>

/* RFC 5321 4.5.1: every domain must accept mail for its postmaster. */
static void warn_of_postmasters(const struct source *source, struct report *report)
{
    for (size_t i = 0; i < source->domains_len; i++) {
        struct slice domain = source->domains[i];
        char key[ADDRESS_KEY_MAX + sizeof "postmaster@"];
        size_t prefix_len = strlen("postmaster"), len = prefix_len + 1 + domain.len, index;
        memcpy(mempcpy(key, "postmaster@", prefix_len + 1), domain.at, domain.len);
        if (map_find(&source->alias_map, (struct slice){key, len}, &index) ||
            map_find(&source->alias_map, (struct slice){key + prefix_len, len - prefix_len},
                     &index) ||
            (map_find(&source->user_map, (struct slice){key, len}, &index) &&
             !source->users[index].disabled))
            continue;
        report_warning(report, source->aliases_text.name, 0,
                       "nobody receives mail for postmaster@%.*s, which every domain must accept: "
                       "add a line `postmaster@%.*s: USER`",
                       SLICE(domain), SLICE(domain));
    }
}

static bool read_text(struct source *source, struct report *report, struct text_file *text,
                      const char *folder, const char *name)
{
    if (text_file_read(text, folder, name) >= 0)
        return true;
    if (!report->tolerant)
        return false;
    source->unreadable = true;
    report_error(report, text->name, 0, "cannot be read: %s", strerror(errno));
    return true;
}

static int read_texts(struct source *source, struct report *report, const char *folder,
                      const struct slice *users, const char **file)
{
    int found;

    *file = NULL;
    if (!read_text(source, report, &source->conf_text, folder, "mailslot.conf"))
        *file = source->conf_text.name;
    else if (!read_text(source, report, &source->aliases_text, folder, "aliases"))
        *file = source->aliases_text.name;
    else if (users != NULL)
        text_file_borrow(&source->users_text, folder, "users", *users);
    else if ((found = text_file_read(&source->users_text, folder, "users")) < 0)
        *file = source->users_text.name;
    else if (found == 0)
        report_warning(report, source->users_text.name, 0,
                       "there is no such file, so nobody can receive mail: add a user with "
                       "`mailslot-user add ADDRESS`");
    return *file == NULL ? 0 : -1;
}

int source_load(struct source *source, struct report *report, const char *folder,
                const struct slice *users, const char **file)
{
    *source = (struct source){0};
    if (read_texts(source, report, folder, users, file) != 0)
        return -1;
    source_read_settings(source, report);
    source_read_users(source, report);
    source_check_mailboxes(source, report);
    source_read_aliases(source, report);
    source_flatten_aliases(source, report);
    folders_check(source, report);
    sockets_check(source, report);
    source_check_tls(source, report, folder);
    source_check_hops(source, report, folder);
    source_check_milters(source, report);
    source_check_forwarding(source, report);
    if (report->errors == 0)
        warn_of_postmasters(source, report);
    return 0;
}

int source_load_one(struct source *source, struct report *report, const char *folder,
                    const char *address, const char **file)
{
    struct slice written = slice_of(address);

    *source = (struct source){0};
    if (read_texts(source, report, folder, NULL, file) != 0)
        return -1;
    source_read_settings(source, report);
    if (source_key(source, report, source->users_text.name, 0, written, false, &source->only))
        source_read_users(source, report);
    source_check_mailboxes(source, report);
    source_read_aliases(source, report);
    source_flatten_aliases(source, report);
    return 0;
}
