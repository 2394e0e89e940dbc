/* import: users of other programs, in one change: all of them, or none. */
#include "../kit/message.h"
#include "edit.h"
#include "import.h"

#include <inttypes.h>
#include <string.h>

static int load(struct user_job *job)
{
    return edit_load(&job->source, job->folder, job->purpose);
}

static int check(struct import *import, struct source *changed)
{
    struct slice text = {import->text, import->text_len};

    return edit_check(changed, import->job->folder, &import->job->source, text, &import->report);
}

static int refuse(const struct import *import)
{
    return message_print(
        EXIT_WRONG,
        "%zu line%s wrong, so nothing was imported: correct them, or use --skip-bad to import the "
        "other lines, or -n to import users without passwords",
        import->wrong, import->wrong == 1 ? " is" : "s are");
}

/* Finds all errors, and with --skip-bad composes the text again from the other lines. */
static int drop_wrong(struct import *import)
{
    struct report *report = &import->report;
    struct source changed;

    report->no_warnings = true; /* they come with the final text */
    import_compose(import);
    int code = check(import, &changed);
    source_free(&changed);
    if (code == EXIT_FAILED)
        return code;
    import_mark(import);
    bool wrong = report->errors > report->known;
    if (wrong && !user_has(import->job, USER_SKIP_BAD))
        return refuse(import);
    if (wrong)
        import_compose(import);
    report->no_warnings = false;
    report->errors = report->known = report->warnings = 0;
    return EXIT_DONE;
}

/* Mail that is already there may belong to a former user. */
static void warn_of_mail(struct import *import, struct source *changed,
                         const struct import_user *user)
{
    size_t index;

    if (user->user != NULL || user->account.mailbox.len > 0 ||
        !map_find(&changed->user_map, user->key, &index))
        return;
    struct slice path = source_mailbox(changed, &changed->users[index]);
    int64_t size = user_mailbox_size(path);
    if (size > 0)
        report_warning(&import->mail, user->file, user->line,
                       "%.*s: the mailbox %.*s already exists, with %" PRId64
                       " bytes of mail that are now this user's",
                       SLICE(user->key), SLICE(path), size);
}

static int commit(struct import *import, struct source *changed)
{
    size_t len = 0;
    struct slice *keys = pool_get(&import->pool, import->users_len * sizeof *keys);

    for (size_t i = 0; i < import->users_len; i++)
        if (!import->users[i].wrong && !import->users[i].skipped)
            keys[len++] = import->users[i].key;
    int code = edit_commit(changed, import->job->folder, keys, len);
    for (size_t i = 0; code == EXIT_DONE && i < import->users_len; i++)
        if (!import->users[i].wrong && !import->users[i].skipped)
            warn_of_mail(import, changed, &import->users[i]);
    report_finish(&import->mail);
    return code;
}

static int put_in_place(struct import *import)
{
    struct source changed;

    if (import->added + import->replaced == 0)
        return EXIT_DONE;
    int code = check(import, &changed);
    if (code == EXIT_WRONG)
        code = refuse(import);
    else if (code == EXIT_DONE)
        code = commit(import, &changed);
    source_free(&changed);
    return code;
}

static void print_result(const struct import *import)
{
    const struct {
        size_t count;
        const char *one, *many;
    } left_out[] = {
        {import->same, "user for whom passwd has nothing new",
         "users for whom passwd has nothing new"},
        {import->system, "system account", "system accounts"},
        {import->unknown, "account without a password that is only in shadow",
         "accounts without a password that are only in shadow"},
        {import->wrong, "wrong line", "wrong lines"},
    };
    const char *before = "; left out: ";

    printf("%zu added, %zu replaced", import->added, import->replaced);
    for (size_t i = 0; i < sizeof left_out / sizeof left_out[0]; i++) {
        if (left_out[i].count == 0)
            continue;
        printf("%s%zu %s", before, left_out[i].count,
               left_out[i].count == 1 ? left_out[i].one : left_out[i].many);
        before = ", ";
    }
    putchar('\n');
}

int user_import(struct user_job *job)
{
    struct import import = {
        .job = job, .report = {.to = stderr, .all_errors = true}, .mail = {.to = stderr}};

    if (user_has(job, USER_NO_PASSWORD) && user_has(job, USER_REPLACE))
        return message_print(EXIT_WRONG, "-n and --replace together would remove passwords");
    int code = import_open(&import);
    if (code == EXIT_DONE)
        code = user_lock_and(load, job);
    if (code == EXIT_DONE) {
        import_read(&import);
        code = drop_wrong(&import);
    }
    if (code == EXIT_DONE)
        code = put_in_place(&import);
    if (code == EXIT_DONE)
        print_result(&import);
    import_free(&import);
    return code;
}
