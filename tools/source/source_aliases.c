#include "../../smtpd/database/directory.h"
#include "../../smtpd/database/socket_path.h"
#include "../kit/memory.h"
#include "source.h"

#include <string.h>

enum state { STATE_NEW, STATE_OPEN, STATE_DONE, STATE_WRONG };

static const size_t none = SIZE_MAX;

/* The part before the colon: an address, or `@domain` for the domain's catch-all. */
static bool alias_key(struct source *source, struct report *report, struct slice written,
                      struct slice *key)
{
    const struct text_file *text = &source->aliases_text;
    size_t index;

    if (written.len == 0 || *written.at != '@')
        return source_key(source, report, text->name, text->line, written, true, key);
    if (source_domain_key(source, written, key) &&
        map_find(&source->domain_map, slice_from(*key, 1), &index))
        return true;
    report_error(report, text->name, text->line,
                 "`%.*s` is not one of the `domains` in mailslot.conf%s", SLICE(written),
                 source_hint());
    return false;
}

/* Where the domain of a key begins. */
static size_t domain_at(struct slice key)
{
    const char *at = memrchr(key.at, '@', key.len);

    return (size_t)(at - key.at) + 1;
}

/* Opens a new alias, the last in the array. */
static bool add_alias(struct source *source, struct report *report, struct slice key)
{
    const struct text_file *text = &source->aliases_text;
    size_t index = source->aliases_len;

    if (!map_add(&source->alias_map, key, &index)) {
        report_error(report, text->name, text->line,
                     "alias %.*s is already defined in line %u: merge the two", SLICE(key),
                     source->aliases[index].line);
        return false;
    }
    source->aliases = memory_grow(source->aliases, source->aliases_len, &source->aliases_room,
                                  sizeof *source->aliases);
    source->aliases[source->aliases_len++] =
        (struct source_alias){.key = key, .line = text->line, .first_target = source->targets_len};
    return true;
}

/* Addresses with blanks or semicolons between them? In quotes these are part of an address. */
static bool is_several(struct slice written)
{
    return memchr(written.at, '"', written.len) == NULL &&
           (memchr(written.at, ' ', written.len) != NULL ||
            memchr(written.at, '\t', written.len) != NULL ||
            memchr(written.at, ';', written.len) != NULL);
}

static size_t add_hop(struct source *source, struct slice hop)
{
    size_t index = source->hops_len;

    if (map_add(&source->hop_map, hop, &index)) {
        source->hops =
            memory_grow(source->hops, source->hops_len, &source->hops_room, sizeof *source->hops);
        source->hops[source->hops_len++] = hop;
    }
    return index;
}

/* `lmtp:PATH` */
static void read_store(struct source *source, struct report *report, struct slice written,
                       struct slice path, struct source_target *target)
{
    const char *wrong = source_store_wrong(source, path);

    if (wrong != NULL)
        report_error(report, source->aliases_text.name, target->line, "`%.*s`: %s", SLICE(written),
                     wrong);
    else
        target->index =
            add_hop(source, slice_of(pool_format(&source->pool, SOURCE_STORE "%.*s", SLICE(path))));
    target->kind = SOURCE_HOP;
}

/* An address of another domain. */
static void read_elsewhere(struct source *source, struct report *report, struct slice written,
                           struct source_target *target)
{
    const struct text_file *text = &source->aliases_text;
    struct slice key, domain = slice_from(target->key, domain_at(target->key));

    target->kind = SOURCE_HOP;
    target->key = (struct slice){0};
    if (source->settings.relays_len == 0) {
        report_error(
            report, text->name, text->line,
            "`%.*s`: %.*s is not one of the `domains` in mailslot.conf, and no `smarthost` "
            "or `relay` is set there, through which mail could leave",
            SLICE(written), SLICE(domain));
        return;
    }
    if (slice_is(domain, source->settings.session.hostname))
        report_warning(report, text->name, text->line,
                       "`%.*s`: %.*s is this server's hostname, but not one of its `domains`, so "
                       "the mail would leave and come back to be refused",
                       SLICE(written), SLICE(domain));
    source_written_key(source, written, &key);
    target->index =
        add_hop(source, slice_of(pool_format(&source->pool, SOURCE_ELSEWHERE "%.*s", SLICE(key))));
}

static void read_target(struct source *source, struct report *report, struct slice written,
                        struct source_target *target)
{
    const struct text_file *text = &source->aliases_text;
    struct slice path, domain;
    size_t index;

    if (is_several(written))
        report_error(report, text->name, text->line,
                     "`%.*s` is not one address: write commas between targets", SLICE(written));
    else if (socket_path_of_store(written, &path))
        read_store(source, report, written, path, target);
    else if (source_key(source, report, text->name, text->line, written, false, &target->key)) {
        domain = slice_from(target->key, domain_at(target->key));
        if (!map_find(&source->domain_map, domain, &index))
            read_elsewhere(source, report, written, target);
    }
}

static void add_targets(struct source *source, struct report *report, struct slice rest)
{
    const struct text_file *text = &source->aliases_text;
    struct source_alias *alias = &source->aliases[source->aliases_len - 1];

    while (rest.at != NULL) {
        struct slice written = slice_trim(text_file_cut(&rest, ','));
        struct source_target target = {.line = text->line, .index = none};
        if (written.len == 0)
            continue; /* a comma at a line's end is usual */
        alias->targets++;
        read_target(source, report, written, &target);
        source->targets = memory_grow(source->targets, source->targets_len, &source->targets_room,
                                      sizeof *source->targets);
        source->targets[source->targets_len++] = target;
    }
}

void source_read_aliases(struct source *source, struct report *report)
{
    struct text_file *text = &source->aliases_text;
    struct slice line, key;
    bool open = false, first = true;

    while (text_file_line(text, report, &line)) {
        struct slice rest = line;
        if (*line.at != ' ' && *line.at != '\t') {
            struct slice written = slice_trim(text_file_cut(&rest, ':'));
            open = false;
            if (rest.at == NULL)
                report_error(report, text->name, text->line, "write ADDRESS: TARGET, TARGET");
            else if (alias_key(source, report, written, &key))
                open = add_alias(source, report, key);
        } else if (first) {
            report_error(
                report, text->name, text->line,
                "a line that begins with a blank continues an alias, but there is none before it");
        }
        first = false;
        if (open)
            add_targets(source, report, rest);
    }
}

/* An alias takes precedence over a user of the same name, except in the alias itself. */
static void resolve(const struct source *source, struct report *report,
                    const struct source_alias *alias, struct source_target *target)
{
    struct slice key = target->key;
    bool own = slice_equal(key, alias->key);

    if (key.len == 0)
        return; /* a hop, or already reported */
    if (!own && map_find(&source->alias_map, key, &target->index)) {
        target->kind = SOURCE_ALIAS;
        return;
    }
    if (map_find(&source->user_map, key, &target->index))
        return;
    target->index = none;
    if (own)
        report_error(report, source->aliases_text.name, target->line,
                     "%.*s refers to itself, and there is no user of that name: add the user, or "
                     "remove this target",
                     SLICE(key));
    else
        report_error(report, source->aliases_text.name, target->line,
                     "%.*s: no such user or alias: %s", SLICE(key),
                     *key.at == '|' || *key.at == '/' ? "a target cannot be a program or a file"
                                                      : "add it, or remove this target");
}

/* What one alias reaches, each once, while it is collected: as source_alias.reached. */
struct fan {
    size_t len;
    uint32_t reached[DIRECTORY_MAILBOXES_MAX];
    uint32_t *marks; /* for each user and hop: the alias that had it last, plus 1 */
};

static bool fan_add(struct fan *fan, uint32_t one, size_t alias)
{
    if (fan->marks[one] == alias + 1)
        return true;
    fan->marks[one] = (uint32_t)alias + 1;
    if (fan->len == DIRECTORY_MAILBOXES_MAX)
        return false;
    fan->reached[fan->len++] = one;
    return true;
}

/* Collects what an alias reaches. All aliases that it names are done. */
static void collect(struct source *source, struct report *report, struct fan *fan, size_t index)
{
    struct source_alias *alias = &source->aliases[index];
    bool fits = true;

    fan->len = 0;
    for (size_t i = 0; i < alias->targets; i++) {
        const struct source_target *target = &source->targets[alias->first_target + i];
        const struct source_alias *other = NULL;
        if (target->kind == SOURCE_ALIAS && target->index != none)
            other = &source->aliases[target->index];
        if (target->index == none || (other != NULL && other->state != STATE_DONE)) {
            alias->state = STATE_WRONG;
            return;
        }
        size_t base = target->kind == SOURCE_HOP ? source->users_len : 0;
        if (other == NULL)
            fits = fits && fan_add(fan, (uint32_t)(base + target->index), index);
        for (size_t j = 0; other != NULL && j < other->reached_len; j++)
            fits = fits && fan_add(fan, other->reached[j], index);
    }
    alias->state = fits && fan->len > 0 ? STATE_DONE : STATE_WRONG;
    if (fan->len == 0)
        report_error(report, source->aliases_text.name, alias->line,
                     "%.*s: name at least one user or alias after the colon", SLICE(alias->key));
    if (!fits)
        report_error(report, source->aliases_text.name, alias->line,
                     "%.*s reaches more than %d mailboxes, the limit of one delivery: split it",
                     SLICE(alias->key), DIRECTORY_MAILBOXES_MAX);
    alias->reached_len = fan->len;
    alias->reached = pool_get(&source->pool, fan->len * sizeof *alias->reached);
    memcpy(alias->reached, fan->reached, fan->len * sizeof *alias->reached);
}

/* An alias whose targets are being looked at, and how far. */
struct frame {
    size_t alias;
    size_t next;
};

static void report_loop(const struct source *source, struct report *report,
                        const struct frame *stack, size_t depth, size_t again)
{
    enum { NAMES_SHOWN = 6 };
    char path[(NAMES_SHOWN + 1) * (ADDRESS_KEY_MAX + 8)] = "", *to = path;
    size_t start = depth;

    while (stack[--start].alias != again)
        ;
    for (size_t i = start; i < depth; i++) {
        struct slice key = source->aliases[stack[i].alias].key;
        if (i == start + NAMES_SHOWN - 1 && depth - i > 1) {
            to = mempcpy(to, "... -> ", 7);
            i = depth - 1;
            key = source->aliases[stack[i].alias].key;
        }
        to = mempcpy(to, key.at, key.len);
        to = mempcpy(to, " -> ", 4);
    }
    struct slice key = source->aliases[again].key;
    *(char *)mempcpy(to, key.at, key.len) = '\0';
    const struct source_alias *last = &source->aliases[stack[depth - 1].alias];
    report_error(report, source->aliases_text.name,
                 source->targets[last->first_target + stack[depth - 1].next - 1].line,
                 "these aliases form a loop; remove one of the targets: %s", path);
}

/* Depth first, on an allocated stack, because a chain of aliases may be as long as the file. */
static void flatten(struct source *source, struct report *report, struct frame *stack,
                    struct fan *fan, size_t first)
{
    size_t depth = 0;

    source->aliases[first].state = STATE_OPEN;
    stack[depth++] = (struct frame){first, 0};
    while (depth > 0) {
        struct frame *top = &stack[depth - 1];
        const struct source_alias *alias = &source->aliases[top->alias];
        if (top->next == alias->targets) {
            collect(source, report, fan, top->alias);
            depth--;
            continue;
        }
        const struct source_target *target = &source->targets[alias->first_target + top->next++];
        if (target->kind != SOURCE_ALIAS || target->index == none)
            continue;
        struct source_alias *other = &source->aliases[target->index];
        if (other->state == STATE_OPEN) {
            report_loop(source, report, stack, depth, target->index);
        } else if (other->state == STATE_NEW) {
            other->state = STATE_OPEN;
            stack[depth++] = (struct frame){target->index, 0};
        }
    }
}

void source_flatten_aliases(struct source *source, struct report *report)
{
    struct frame *stack = pool_get(&source->pool, source->aliases_len * sizeof *stack);
    struct fan *fan = pool_get(&source->pool, sizeof *fan);

    size_t ends = source->users_len + source->hops_len;

    fan->marks = pool_get(&source->pool, ends * sizeof *fan->marks);
    memset(fan->marks, 0, ends * sizeof *fan->marks);
    for (size_t i = 0; i < source->aliases_len; i++)
        for (size_t j = 0; j < source->aliases[i].targets; j++)
            resolve(source, report, &source->aliases[i],
                    &source->targets[source->aliases[i].first_target + j]);
    for (size_t i = 0; i < source->aliases_len; i++)
        if (source->aliases[i].state == STATE_NEW)
            flatten(source, report, stack, fan, i);
}

struct slice source_reached(const struct source *source, uint32_t one)
{
    return one < source->users_len ? source->users[one].key : source->hops[one - source->users_len];
}
