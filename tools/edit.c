#include "edit.h"

#include "compile.h"
#include "memory.h"
#include "usage.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int explain(const struct report *report, const char *folder)
{
    return usage_wrong(USAGE_WRONG, "%u error%s in %s: nothing was changed", report->errors,
                       report->errors == 1 ? "" : "s", folder);
}

/* Warnings are for the state after the change: those of the state before it are not printed. */
int edit_load(struct source *source, const char *folder)
{
    char *said = NULL;
    size_t said_len;
    struct report report = {.to = memory_stream(&said, &said_len)};
    const char *file;
    int code = USAGE_DONE;

    if (source_load(source, &report, folder, NULL, &file) != 0)
        code = usage_fail(USAGE_FAILED, "cannot read %s", file);
    report_finish(&report);
    fclose(report.to);
    if (code == USAGE_DONE && report.errors > 0) {
        fputs(said, stderr);
        code = explain(&report, folder);
    }
    free(said);
    return code;
}

/* Whatever can fail for the state of the disk comes before the first of the two is in place. */
int edit_commit(const struct source *changed, const char *folder)
{
    const struct text *text = &changed->users_text;
    char *path = usage_path(folder, USAGE_DATABASE);
    struct replace users, database;
    int code = USAGE_DONE;

    if (replace_begin(&users, text->name, true) != 0 ||
        replace_write(&users, text->bytes, text->len) != 0 || replace_finish(&users) != 0) {
        code = usage_fail(USAGE_FAILED, "cannot write %s.tmp", text->name);
    } else if (compile_database(changed, path, &database) != 0) {
        code = usage_fail(USAGE_FAILED, "cannot write %s.tmp", path);
        replace_abandon(&users);
    } else if (replace_commit(&users) != 0) {
        code = usage_fail(USAGE_FAILED, "cannot replace %s", text->name);
        replace_abandon(&database);
    } else if (replace_commit(&database) != 0) {
        code = usage_fail(USAGE_FAILED,
                          "%s is changed, but not yet in force: run mailslot-build; cannot "
                          "replace %s",
                          text->name, path);
    }
    free(path);
    return code;
}

int edit_check(struct source *changed, const char *folder, struct slice users,
               struct report *report)
{
    const char *file;
    int code = USAGE_DONE;

    if (source_load(changed, report, folder, &users, &file) != 0)
        code = usage_fail(USAGE_FAILED, "cannot read %s", file);
    else if (report->errors > 0)
        code = USAGE_WRONG;
    report_finish(report);
    return code;
}

int edit_begin(struct source *changed, const char *folder, const struct source *source, size_t at,
               size_t removed, const char *inserted)
{
    const struct text *old = &source->users_text;
    size_t inserted_len = strlen(inserted), len = old->len - removed + inserted_len;
    struct report report = {.to = stderr};
    char *text = memory_get(len + 1), *to = text;

    if (at > 0)
        to = mempcpy(to, old->bytes, at);
    to = mempcpy(to, inserted, inserted_len);
    if (old->len > at + removed)
        memcpy(to, old->bytes + at + removed, old->len - at - removed);
    int code = edit_check(changed, folder, (struct slice){text, len}, &report);
    if (code == USAGE_WRONG)
        code = explain(&report, folder);
    explicit_bzero(text, len);
    free(text);
    return code;
}

int edit_users(const struct source *source, const char *folder, size_t at, size_t removed,
               const char *inserted)
{
    struct source changed;
    int code = edit_begin(&changed, folder, source, at, removed, inserted);

    if (code == USAGE_DONE)
        code = edit_commit(&changed, folder);
    source_free(&changed);
    return code;
}
