#include "directory.h"

#include "../base/international.h"
#include "record.h"
#include "socket_path.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

static int parse_user(struct slice text, struct directory_user *user)
{
    struct slice name, value;
    int more;

    *user = (struct directory_user){0};
    while ((more = record_line(&text, &name, &value)) == 1) {
        if (slice_is(name, "address")) {
            user->address = value;
        } else if (slice_is(name, "mailbox")) {
            user->in_store = socket_path_of_store(value, &value);
            user->mailbox = value;
        } else if (slice_is(name, "quota")) {
            if (!slice_number(value, &user->quota))
                return -1;
        } else if (slice_is(name, "disabled")) {
            user->disabled = slice_is(value, "yes");
        } else if (slice_is(name, "aliased")) {
            user->aliased = slice_is(value, "yes");
        }
    }
    bool whole = user->address.len > 0 && user->address.len <= ADDRESS_KEY_MAX &&
                 user->mailbox.len > 0 && user->mailbox.len < SETTINGS_PATH_MAX;
    if (whole && user->in_store)
        whole = socket_path_wrong(user->mailbox) == NULL;
    return more == 0 && whole ? 1 : -1;
}

int directory_user(struct database *db, struct slice key, struct directory_user *user)
{
    struct slice text;
    int found = database_find(db, "user", key, &text);

    return found == 1 ? parse_user(text, user) : found;
}

/* Is it the user whose own address, with or without detail, the client wrote? */
static bool is_direct(const struct directory_match *match, struct slice user)
{
    char key[ADDRESS_KEY_MAX];
    size_t len = address_key(&match->address, key);

    return slice_equal((struct slice){key, len}, user);
}

static int user_target(struct database *db, const struct directory_match *match, struct slice key,
                       struct directory_target *target)
{
    struct directory_user *user = &target->user;
    int found = directory_user(db, key, user);

    if (found != 1)
        return -1; /* mailslot-build writes no dangling target */
    if (user->in_store) {
        target->kind = DIRECTORY_STORE;
        target->path = user->mailbox;
        if (!is_direct(match, user->address))
            target->address = user->address;
    }
    return 1;
}

/* A line of an alias that is not the key of a user. */
static int other_target(struct slice line, struct directory_target *target)
{
    static const char elsewhere[] = "@relay:";
    struct address address;

    if (socket_path_of_store(slice_from(line, 1), &target->path)) {
        target->kind = DIRECTORY_STORE;
        return socket_path_wrong(target->path) == NULL ? 1 : -1;
    }
    if (!slice_begins(line, elsewhere))
        return -1;
    target->kind = DIRECTORY_ELSEWHERE;
    target->address = slice_from(line, strlen(elsewhere));
    return address_from_key(target->address, &address) == ADDRESS_OK && address.local_len > 0 &&
                   address.domain_len > 0
               ? 1
               : -1;
}

int directory_next_target(struct database *db, struct directory_match *match,
                          struct directory_target *target)
{
    struct slice *targets = &match->targets;

    *target = (struct directory_target){.kind = DIRECTORY_MAILBOX};
    if (targets->len == 0)
        return 0;
    struct slice line = slice_until(*targets, '\n');
    if (line.len == targets->len) /* no newline */
        return -1;
    *targets = slice_from(*targets, line.len + 1);
    return slice_begins(line, "@") ? other_target(line, target)
                                   : user_target(db, match, line, target);
}

void directory_store_address(const struct directory_match *match,
                             const struct directory_target *target, const struct address *recipient,
                             struct address *asked)
{
    const struct address *found = &match->address;

    if (target->address.len > 0 && address_from_key(target->address, asked) == ADDRESS_OK)
        return;
    *asked = *recipient;
    if (recipient->domain_len == found->domain_len &&
        strncasecmp(recipient->domain, found->domain, found->domain_len) == 0)
        return;
    asked->domain_len = found->domain_len;
    memcpy(asked->domain, found->domain, found->domain_len);
}

static bool is_for(struct slice domains, struct slice domain)
{
    bool any = domains.len == 0;

    while (!any && domains.len > 0)
        any = slice_equal(slice_from(slice_cut_word(&domains), 1), domain);
    return any;
}

struct slice directory_relay(const struct settings *settings, const struct address *sender)
{
    struct address folded = *sender;
    char key[ADDRESS_KEY_MAX];

    if (settings->relays_len == 0)
        return (struct slice){0};
    if (international_fold(&folded) != 0)
        folded.domain_len = 0;
    size_t len = address_key(&folded, key);
    struct slice domain = {key + len - folded.domain_len, folded.domain_len};
    for (size_t i = 0; i < settings->relays_len; i++) {
        struct slice rest = settings->relays[i], path = slice_cut_word(&rest);
        if (is_for(rest, domain))
            return path;
    }
    return (struct slice){0};
}

size_t directory_milters(const struct settings *settings, enum role role,
                         struct slice paths[SETTINGS_MILTERS_MAX])
{
    size_t len = 0;

    for (size_t i = 0; i < settings->milters_len; i++)
        if (settings_milter_is_for(settings->milters[i], role, &paths[len]))
            len++;
    return len;
}

void directory_mailbox(const struct settings *settings, const struct directory_user *user,
                       char path[DIRECTORY_PATH_MAX])
{
    bool absolute = slice_begins(user->mailbox, "/");

    snprintf(path, DIRECTORY_PATH_MAX, "%s%s%.*s", absolute ? "" : settings->mail_root,
             absolute ? "" : "/", SLICE(user->mailbox));
}
