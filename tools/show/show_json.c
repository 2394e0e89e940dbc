#include "show_json.h"

#include "../../smtpd/database/record.h"
#include "../kit/json.h"
#include "../kit/memory.h"
#include "../kit/message.h"
#include "show_user.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const kinds[] = {
    [DIRECTORY_MAILBOX] = "mailbox",
    [DIRECTORY_STORE] = "store",
    [DIRECTORY_ELSEWHERE] = "elsewhere",
};

/* What an address was found as; of the others, the reply tells it. */
static const char *const names[VERDICT_COUNT] = {
    [VERDICT_USER] = "user",
    [VERDICT_ALIAS] = "alias",
    [VERDICT_CATCH_ALL] = "catch-all",
    [VERDICT_DISABLED] = "disabled",
};

/* A string, or null if it is empty. */
static void put_text(const char *before, struct slice text)
{
    fputs(before, stdout);
    if (text.len > 0)
        json_string(stdout, text);
    else
        fputs("null", stdout);
}

static void put_bool(const char *before, bool value)
{
    printf("%s%s", before, value ? "true" : "false");
}

static void put_size(const char *before, int64_t size)
{
    printf(size < 0 ? "%snull" : "%s%" PRId64, before, size);
}

static void put_mailbox(const struct show *show, const struct directory_user *user)
{
    char path[DIRECTORY_PATH_MAX];
    bool absent;

    directory_mailbox(show->settings, user, path);
    int64_t size = show_user_size(path, &absent);
    put_text(", \"mailbox\": ", slice_of(path));
    put_size(", \"size\": ", size);
}

static int put_user(const struct show *show, const struct directory_user *user)
{
    struct slice record, credentials, address;
    char kind[SHOW_KIND_MAX];
    const char *before = "";

    if (show_user_records(show->db, user, &record, &credentials) != 0)
        return -1;
    put_size(", \"quota\": ", user->quota > 0 ? (int64_t)user->quota : -1);
    put_bool(", \"disabled\": ", user->disabled);
    put_bool(", \"locked\": ", show_user_is_locked(record));
    fputs(", \"credentials\": [", stdout);
    for (; show_user_next_kind(&credentials, kind); before = ", ")
        put_text(before, slice_of(kind));
    fputs("], \"send_as\": [", stdout);
    for (before = ""; show_user_next_send_as(&record, &address); before = ", ")
        put_text(before, address);
    putchar(']');
    return 0;
}

static void put_smarthosts(const struct show_way *way, struct slice socket)
{
    bool some = show_way_has_smarthosts(way, socket);

    fputs(", \"smarthosts\": [", stdout);
    for (size_t i = 0; some && i < way->relay.hosts_len; i++) {
        char *text = NULL;
        size_t len;
        FILE *to = memory_stream(&text, &len);
        relay_host_write(&way->relay.hosts[i], to);
        if (fclose(to) != 0)
            memory_fail();
        put_text(i > 0 ? ", " : "", (struct slice){text, len});
        free(text);
    }
    putchar(']');
}

static void put_way(const struct show *show, bool forwarded)
{
    struct slice socket, domains;
    const char *next = "";

    put_text(", \"sender\": ", forwarded ? show->settings->forward_sender : (struct slice){0});
    fputs(", \"relays\": [", stdout);
    for (size_t at = 0; show_way_next(show->way, forwarded, &at, &socket, &domains); next = ", ") {
        const char *before = "";
        printf("%s{\"socket\": ", next);
        json_string(stdout, socket);
        fputs(", \"domains\": [", stdout);
        for (; domains.len > 0; before = ", ")
            put_text(before, slice_from(slice_cut_word(&domains), 1));
        putchar(']');
        put_smarthosts(show->way, socket);
        putchar('}');
    }
    putchar(']');
}

static int put_target(const struct show *show, const struct directory_target *target)
{
    bool elsewhere = target->kind == DIRECTORY_ELSEWHERE;
    int result = 0;

    printf("{\"kind\": \"%s\"", kinds[target->kind]);
    put_text(", \"address\": ", elsewhere ? target->address : target->user.address);
    if (elsewhere)
        put_way(show, true);
    if (target->kind == DIRECTORY_MAILBOX)
        put_mailbox(show, &target->user);
    if (target->kind == DIRECTORY_STORE)
        put_text(", \"socket\": ", target->path);
    if (target->user.address.len > 0)
        result = put_user(show, &target->user);
    putchar('}');
    return result;
}

static int put_targets(const struct show *show, struct directory_match *match)
{
    struct directory_target target;
    const char *before = "\n    ";
    int more, result = 0;

    fputs(", \"targets\": [", stdout);
    while (result == 0 && (more = directory_next_target(show->db, match, &target)) != 0) {
        if (more < 0) {
            result = -1;
        } else {
            fputs(before, stdout);
            result = put_target(show, &target);
            before = ",\n    ";
        }
    }
    putchar(']');
    return result;
}

int show_json_address(const struct show *show, const char *text)
{
    struct show_found found;
    int code;

    show_find(show, text, &found);
    code = found.code;
    put_text("{\"asked\": ", slice_of(text));
    put_text(", \"reply\": ", slice_of(found.status));
    put_bool(", \"accepted\": ", code == EXIT_DONE);
    const char *name = found.valid ? names[found.verdict] : NULL;
    put_text(", \"found\": ", slice_of(name == NULL ? "" : name));
    put_text(", \"name\": ", slice_of(found.name));
    if (found.valid && show_has_targets(&found)) {
        put_bool(", \"detail\": ", found.has_detail);
        if (put_targets(show, &found.match) != 0)
            code = EXIT_FAILED;
    } else if (found.valid && show_is_relayed(show, &found)) {
        put_way(show, false);
    }
    put_bool(", \"damaged\": ", code == EXIT_FAILED);
    putchar('}');
    return code;
}

/* All values of a name, in an array. */
static void put_array(struct slice text, struct slice wanted)
{
    struct slice name, value;
    const char *before = "";

    putchar('[');
    while (record_line(&text, &name, &value) == 1)
        if (slice_equal(name, wanted)) {
            fputs(before, stdout);
            json_string(stdout, value);
            before = ", ";
        }
    putchar(']');
}

static bool has_line_of(struct slice text, const char *end, struct slice wanted)
{
    struct slice name, value;

    text.len = (size_t)(end - text.at);
    while (record_line(&text, &name, &value) == 1)
        if (slice_equal(name, wanted))
            return true;
    return false;
}

void show_json_settings(struct slice text)
{
    struct slice name, value;
    const char *before = "{\n  ";

    for (struct slice rest = text; record_line(&rest, &name, &value) == 1;) {
        if (has_line_of(text, name.at, name))
            continue; /* of an array */
        fputs(before, stdout);
        json_string(stdout, name);
        fputs(": ", stdout);
        if (settings_is_repeatable(name))
            put_array(text, name);
        else
            json_string(stdout, value);
        before = ",\n  ";
    }
    fputs("\n}\n", stdout);
}
