#include "../kit/memory.h"
#include "../kit/message.h"
#include "import.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int open_one(struct text_file *text, const char *name)
{
    bool is_input = strcmp(name, "-") == 0;

    *text = (struct text_file){0};
    int fd = is_input ? STDIN_FILENO : open(name, O_RDONLY | O_CLOEXEC | O_NOCTTY);

    if (fd < 0)
        return message_errno(EXIT_FAILED, "cannot open %s", name);
    int result = text_file_read_stream(text, is_input ? "stdin" : name, fd), error = errno;
    if (!is_input)
        close(fd);
    errno = error;
    return result == 0 ? EXIT_DONE : message_errno(EXIT_FAILED, "cannot read %s", name);
}

int import_open(struct import *import)
{
    static char input[] = "-";
    static char *const input_alone[] = {input, NULL};
    char *const *files = *import->job->words == NULL ? input_alone : import->job->words;
    size_t room = 0;
    int code = EXIT_DONE;

    for (; *files != NULL && code == EXIT_DONE; files++) {
        import->texts = memory_grow(import->texts, import->texts_len, &room, sizeof *import->texts);
        code = open_one(&import->texts[import->texts_len++], *files);
    }
    return code;
}

/* passwd and shadow are two halves of one list, in any order. */
static bool merge(struct import_user *user, const struct import_user *other)
{
    if (user->passwd == other->passwd || user->shadow == other->shadow)
        return false;
    if (other->shadow) { /* only this half can have errors */
        user->file = other->file;
        user->line = other->line;
        user->account.scheme = other->account.scheme;
        user->account.hash = other->account.hash;
    }
    user->account.locked = user->account.locked || other->account.locked;
    user->account.is_system = user->account.is_system || other->account.is_system;
    user->passwd = user->shadow = true;
    return true;
}

static void read_extra(struct import *import, struct import_user *user)
{
    struct slice field;
    bool left_out;
    const char *wrong;

    while (account_next_extra(&user->account, &import->pool, &field, &left_out, &wrong)) {
        if (wrong != NULL) {
            user->wrong = true;
            report_error(&import->report, user->file, user->line, "%.*s: %s", SLICE(field), wrong);
        }
        if (left_out)
            report_warning(&import->report, user->file, user->line,
                           "%.*s: has no equivalent here, and is left out", SLICE(field));
    }
}

static void read_line(struct import *import, const struct text_file *text, struct slice line)
{
    struct import_user user = {.file = text->name, .line = text->line};
    struct report *report = &import->report;
    const char *wrong = account_parse(line, (uint64_t)time(NULL) / 86400, &user.account);
    size_t index = import->users_len;

    if (wrong != NULL) {
        report_error(report, text->name, text->line, "%s", wrong);
        return;
    }
    user.passwd = user.account.kind == ACCOUNT_PASSWD;
    user.shadow = user.account.kind == ACCOUNT_SHADOW;
    if (!source_key(&import->job->source, report, text->name, text->line, user.account.name, true,
                    &user.key))
        return;
    if (!map_add(&import->map, user.key, &index)) {
        struct import_user *other = &import->users[index];
        if (!merge(other, &user))
            report_error(report, text->name, text->line,
                         "%.*s is already in %s:%u: remove one of the two", SLICE(user.key),
                         other->file, other->line);
        return;
    }
    read_extra(import, &user);
    import->users =
        memory_grow(import->users, import->users_len, &import->users_room, sizeof *import->users);
    import->users[import->users_len++] = user;
}

/* Is this user to be imported? */
static void decide(struct import *import, struct import_user *user)
{
    const struct account *account = &user->account;
    const struct source *source = &import->job->source;
    bool has_password = account->hash.len > 0 || account->scheme.len > 0;
    size_t index;

    if (map_find(&source->user_map, user->key, &index))
        user->user = &source->users[index];
    user->skipped = true;
    if (account->is_system) {
        import->system++;
    } else if (user->shadow && !user->passwd && !has_password) {
        import->unknown++;
    } else if (user->user != NULL && !user_has(import->job, USER_REPLACE)) {
        user->wrong = true;
        report_error(&import->report, user->file, user->line,
                     "%.*s already exists in %s:%u: remove this line, or use --replace",
                     SLICE(user->key), source->users_text.name, user->user->line);
    } else if (user->user != NULL && user->passwd && !user->shadow && !has_password) {
        import->same++;
    } else {
        user->skipped = false;
    }
}

void import_read(struct import *import)
{
    struct report *report = &import->report;
    struct slice line;

    for (size_t i = 0; i < import->texts_len; i++) {
        struct text_file *text = &import->texts[i];
        unsigned errors = report->errors;
        while (text_file_line(text, report, &line)) {
            import->wrong += report->errors - errors; /* lines that text_file_line() has skipped */
            errors = report->errors;
            read_line(import, text, line);
            import->wrong += report->errors > errors;
            errors = report->errors;
        }
        import->wrong += report->errors - errors;
    }
    for (size_t i = 0; i < import->users_len; i++) {
        struct import_user *user = &import->users[i];
        if (user->wrong)
            continue; /* its line was counted */
        decide(import, user);
        import->wrong += user->wrong;
    }
}

void import_free(struct import *import)
{
    for (size_t i = 0; i < import->texts_len; i++)
        text_file_free(&import->texts[i]);
    if (import->text != NULL)
        explicit_bzero(import->text, import->text_len);
    free(import->text);
    free(import->texts);
    free(import->users);
    free(import->report.origins);
    map_free(&import->map);
    pool_free(&import->pool);
    *import = (struct import){0};
}
