#include "hop_list.h"

#include "../source/walk.h"

#include <string.h>

/* Finds or adds it; NULL if there are too many. */
static struct hop_entry *entry_of(struct check *check, struct hop_list *list, struct slice path,
                                  bool lmtp)
{
    for (size_t i = 0; i < list->len; i++)
        if (list->all[i].lmtp == lmtp && slice_is(path, list->all[i].path))
            return &list->all[i];
    if (list->len == HOP_LIST_MAX) {
        list->left_out++;
        return NULL;
    }
    struct hop_entry *entry = &list->all[list->len++];
    *entry = (struct hop_entry){.path = pool_copy(&check->pool, path), .lmtp = lmtp};
    return entry;
}

static struct slice domain_of(struct slice key)
{
    const char *at = memrchr(key.at, '@', key.len);

    return slice_from(key, at == NULL ? key.len : (size_t)(at - key.at) + 1);
}

/* A relay is a line `PATH [@DOMAIN ...]`. */
static void add_relays(struct check *check, struct hop_list *list)
{
    for (size_t i = 0; i < check->settings.relays_len; i++) {
        struct slice words = check->settings.relays[i], path = slice_cut(&words, ' ');
        struct slice first = words.len > 0 ? slice_until(words, ' ') : check->settings.domains;
        struct hop_entry *entry = entry_of(check, list, path, false);
        if (entry == NULL || entry->domain != NULL)
            continue;
        first = slice_until(first, ' ');
        entry->domain = pool_copy(&check->pool, words.len > 0 ? domain_of(first) : first);
    }
}

static void add_user(struct check *check, struct hop_list *list, struct slice key)
{
    struct directory_user user;

    if (directory_user(&check->db, key, &user) != 1 || !user.in_store)
        return;
    struct hop_entry *entry = entry_of(check, list, user.mailbox, true);
    if (entry == NULL || entry->user != NULL || user.disabled)
        return;
    entry->user = pool_copy(&check->pool, user.address);
    entry->domain = pool_copy(&check->pool, domain_of(user.address));
}

/* The stores that an alias asks. Its users are seen in their own records. */
static void add_alias(struct check *check, struct hop_list *list, struct walk *record)
{
    struct directory_match match = {.targets = record->value};
    struct directory_target target;

    while (directory_next_target(&check->db, &match, &target) == 1)
        if (target.kind == DIRECTORY_STORE && target.user.address.len == 0) {
            struct hop_entry *entry = entry_of(check, list, target.path, true);
            if (entry != NULL && entry->domain == NULL)
                entry->domain = pool_copy(&check->pool, domain_of(record->name));
        }
}

bool hop_list_find(struct check *check, struct hop_list *list)
{
    struct walk record;
    int more;

    *list = (struct hop_list){0};
    add_relays(check, list);
    walk_begin(&record, &check->db);
    while ((more = walk_next(&record)) == 1)
        if (record.kind == WALK_USER)
            add_user(check, list, record.name);
        else if (record.kind == WALK_ALIAS)
            add_alias(check, list, &record);
    return more == 0;
}
