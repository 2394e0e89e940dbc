#include "edit.h"

#include "../kit/folder.h"
#include "../kit/memory.h"
#include "../kit/message.h"
#include "../source/compile.h"
#include "../source/relay_file.h"
#include "../source/source_load.h"
#include "../source/writer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int explain(const struct report *report, const char *folder)
{
    unsigned errors = report->errors - report->known;

    return message_print(EXIT_WRONG, "%u error%s in %s: nothing was changed", errors,
                         errors == 1 ? "" : "s", folder);
}

/* Warnings about the state before a change are not printed; those about the state after it are. */
static int load(struct source *source, const char *folder, enum edit_purpose purpose,
                const char *address, const struct slice *users)
{
    char *said = NULL;
    size_t said_len;
    struct report report = {.to = memory_stream(&said, &said_len),
                            .lenient = true,
                            .tolerant = purpose != EDIT_CHANGE,
                            .remember = &source->errors};
    const char *file;
    int code = EXIT_DONE;

    if (access(folder, F_OK) != 0)
        code = message_errno(EXIT_FAILED, "cannot read %s", folder);
    else if ((address == NULL ? source_load(source, &report, folder, users, &file)
                              : source_load_one(source, &report, folder, address, &file)) != 0)
        code = message_errno(EXIT_FAILED, "cannot read %s", file);
    report_finish(&report);
    fclose(report.to);
    if (code == EXIT_DONE && purpose == EDIT_READ && report.errors > 0)
        fputs(said, stderr);
    free(said);
    return code;
}

int edit_load(struct source *source, const char *folder, enum edit_purpose purpose)
{
    return load(source, folder, purpose, NULL, NULL);
}

int edit_load_one(struct source *source, const char *folder, enum edit_purpose purpose,
                  const char *address)
{
    return load(source, folder, purpose, address, NULL);
}

/* What the server and the relay will read, until it is put in its place. */
struct built {
    char *path; /* of the database */
    bool made;  /* there is a new database; */
    struct replace database;
    bool whole; /* and it is not the old one with a few changes: then there is a new */
    struct relay_file relay;
};

static int patch_database(const struct source *changed, const struct slice *keys, size_t keys_len,
                          struct built *built)
{
    switch (compile_patch(changed, built->path, keys, keys_len, &built->database)) {
    case COMPILE_PATCHED:
        built->made = true;
        return EXIT_DONE;
    case COMPILE_NO_BASE:
        return EXIT_DONE;
    case COMPILE_NAMED:
        return message_print(EXIT_WRONG,
                             "an alias in %s still includes this user, so nothing was changed: "
                             "correct the files and run mailslot-build first",
                             built->path);
    default:
        return writer_fail(built->path);
    }
}

static int make_databases(const struct source *changed, const struct slice *keys, size_t keys_len,
                          struct built *built)
{
    if (changed->errors.len > 0)
        return patch_database(changed, keys, keys_len, built);
    if (compile_database(changed, built->path, &built->database) != 0)
        return writer_fail(built->path);
    built->made = built->whole = true;
    if (relay_file_make(&built->relay, changed, built->path) == 0)
        return EXIT_DONE;
    return writer_fail(built->relay.path);
}

static int put_in_place(struct built *built)
{
    if (built->whole && relay_file_commit(&built->relay) != 0)
        return -1;
    return built->made ? replace_commit(&built->database) : 0;
}

static void end(struct built *built)
{
    if (built->made)
        replace_abandon(&built->database);
    if (built->whole)
        relay_file_close(&built->relay);
    free(built->path);
}

/* What is in effect although the files have errors. */
static void say_patched(const char *path, bool made)
{
    if (made)
        message_print(0,
                      "the files already had these errors; this change is in effect, but no other "
                      "change since %s was built: correct the errors, then run mailslot-build",
                      path);
    else
        message_print(0,
                      "the files already had these errors, and there is no %s yet: correct them, "
                      "then run mailslot-build; until then no mail is received",
                      path);
}

/* Everything that can fail because of the disk is done before any file is replaced. */
int edit_commit(const struct source *changed, const char *folder, const struct slice *keys,
                size_t keys_len)
{
    const struct text_file *text = &changed->users_text;
    struct built built = {.path = folder_path(folder, FOLDER_DATABASE)};
    struct replace users;
    int code = EXIT_DONE;

    if (replace_begin(&users, text->name, true) != 0 ||
        replace_write(&users, text->bytes, text->len) != 0 || replace_finish(&users) != 0) {
        code = message_errno(EXIT_FAILED, "cannot write %s.tmp", text->name);
    } else if ((code = make_databases(changed, keys, keys_len, &built)) != EXIT_DONE) {
        replace_abandon(&users);
    } else if (replace_commit(&users) != 0) {
        code = message_errno(EXIT_FAILED, "cannot replace %s", text->name);
    } else if (put_in_place(&built) != 0) {
        code = message_print(EXIT_FAILED,
                             "%s has changed, but the server does not use it yet, because %s "
                             "cannot be replaced: %s; run mailslot-build",
                             text->name, built.path, strerror(errno));
    } else if (changed->errors.len > 0) {
        say_patched(built.path, built.made);
    }
    end(&built);
    return code;
}

int edit_check(struct source *changed, const char *folder, struct source *source,
               struct slice users, struct report *report)
{
    const char *file;
    int code = EXIT_DONE;

    report->old = &source->errors;
    report->remember = &changed->errors;
    report->tolerant = source->unreadable;
    report_again(report->old);
    if (source_load(changed, report, folder, &users, &file) != 0)
        code = message_errno(EXIT_FAILED, "cannot read %s", file);
    else if (report->errors > report->known)
        code = EXIT_WRONG;
    report_finish(report);
    report->old = report->remember = NULL;
    return code;
}

/* Most changes result in files without errors. Then the state before, which may be millions of
 * lines, need not be examined. */
static bool is_good(struct source *changed, const char *folder, struct slice users)
{
    char *said;
    size_t said_len;
    const char *file;
    struct report report = {.to = memory_stream(&said, &said_len)};
    bool good = source_load(changed, &report, folder, &users, &file) == 0 && report.errors == 0;

    report_finish(&report);
    if (fclose(report.to) != 0)
        memory_fail();
    if (good)
        fputs(said, stderr);
    else
        source_free(changed);
    free(said);
    return good;
}

/* The errors of the state before, if only one user of it was read. */
static int find_errors(struct source *source, const char *folder)
{
    const struct text_file *text = &source->users_text;
    struct slice users = {text->bytes, text->len};
    struct source all;

    if (source->only.at == NULL)
        return EXIT_DONE;
    int code = load(&all, folder, source->unreadable ? EDIT_LOCK : EDIT_CHANGE, NULL, &users);
    report_forget(&source->errors);
    source->errors = all.errors;
    all.errors = (struct report_memory){0};
    source_free(&all);
    return code;
}

static int check_text(struct source *changed, const char *folder, struct source *source,
                      struct slice users)
{
    struct report report = {.to = stderr};

    if (source->only.at != NULL && is_good(changed, folder, users))
        return EXIT_DONE;
    int code = find_errors(source, folder);
    if (code == EXIT_DONE)
        code = edit_check(changed, folder, source, users, &report);
    return code == EXIT_WRONG ? explain(&report, folder) : code;
}

int edit_begin(struct source *changed, const char *folder, struct source *source, size_t at,
               size_t removed, const char *inserted)
{
    const struct text_file *old = &source->users_text;
    size_t inserted_len = strlen(inserted), len = old->len - removed + inserted_len;
    char *text = memory_get(len + 1), *to = text;

    if (at > 0)
        to = mempcpy(to, old->bytes, at);
    to = mempcpy(to, inserted, inserted_len);
    if (old->len > at + removed)
        memcpy(to, old->bytes + at + removed, old->len - at - removed);
    text_file_pass(old, 0, old->len);
    *changed = (struct source){0};
    int code = check_text(changed, folder, source, (struct slice){text, len});
    changed->users_text.borrowed = changed->users_text.bytes != text;
    if (changed->users_text.borrowed) {
        explicit_bzero(text, len);
        free(text);
    }
    return code;
}

int edit_one_user(struct source *source, const char *folder, struct slice key, size_t at,
                  size_t removed, const char *inserted)
{
    struct source changed;
    int code = edit_begin(&changed, folder, source, at, removed, inserted);

    if (code == EXIT_DONE)
        code = edit_commit(&changed, folder, &key, 1);
    source_free(&changed);
    return code;
}
