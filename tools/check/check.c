#include "check.h"

#include "../kit/folder.h"
#include "../kit/memory.h"
#include "../kit/message.h"
#include "../kit/printable.h"
#include "../kit/remedy.h"
#include "../kit/shell.h"
#include "../source/source.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void check_say(struct check *check, enum check_mark mark, const char *subject, const char *format,
               ...)
{
    static const char *const marks[] = {"ok", "skip", "WARN", "FAIL"};
    va_list arguments;

    va_start(arguments, format);
    char *text = memory_vformat(format, arguments);
    va_end(arguments);
    printable(text); /* names of files may hold anything */
    printf("%-4s  %-11s  %s\n", marks[mark], subject, text);
    free(text);
    check->failed = check->failed || mark == CHECK_FAIL;
}

void check_say_good(struct check *check, const char *subject, const char *what)
{
    if (check->user.testable || geteuid() == 0)
        check_say(check, CHECK_OK, subject, "%s", what);
    else
        check_say(check, CHECK_SKIP, subject,
                  "%s; only root can find out whether the server can use it; type: sudo %s", what,
                  check->commands.again);
}

const char *check_quote(struct check *check, const char *text)
{
    return shell_quote(&check->pool, text);
}

const char *check_quote_slice(struct check *check, struct slice text)
{
    return check_quote(check, pool_copy(&check->pool, text));
}

/* A path that no command takes for an option. */
static const char *as_path(struct check *check, const char *path)
{
    return path != NULL && *path == '-' ? pool_format(&check->pool, "./%s", path) : path;
}

/* What leads to the same files is typed again. */
static const char *command(struct check *check, const char *name, const char *folder,
                           const char *option, const char *path)
{
    const char *with_folder =
        folder == NULL ? name
                       : pool_format(&check->pool, "%s -C %s", name, check_quote(check, folder));

    return path == NULL ? with_folder
                        : pool_format(&check->pool, "%s %s %s", with_folder, option,
                                      check_quote(check, path));
}

/* The mode first, by its owner: chmod(1) follows a link that came meanwhile. */
const char *check_own(struct check *check)
{
    char *real = realpath(check->path, NULL);
    const char *path = real == NULL ? check->path : pool_format(&check->pool, "%s", real);
    const char *refused = remedy_refuse(&check->pool, check->path, path, 0);
    struct stat st = {.st_uid = 0};

    free(real);
    if (refused != NULL)
        return refused;
    if (lstat(path, &st) != 0)
        st.st_uid = 0;
    return pool_format(&check->pool, "%s && chown -h root:" SERVICE_USER " %s",
                       remedy_mode(&check->pool, path, st.st_uid, "640"), check_quote(check, path));
}

const char *check_at_texts(struct check *check, const char *typed)
{
    if (!check->is_copy)
        return typed;
    const char *path = pool_format(&check->pool, "%s.new", check->path);
    const char *refused = remedy_refuse(&check->pool, path, path, 0);
    const char *new = check_quote(check, path);
    const char *there = pool_format(&check->pool, "%s/" FOLDER_DATABASE, check->folder);
    if (refused != NULL)
        return refused;
    return pool_format(&check->pool,
                       "ssh -t BUILDER %s && scp BUILDER:%s %s && chown -h root:" SERVICE_USER
                       " %s && chmod 640 %s && mv -T %s %s",
                       check_quote(check, typed), check_quote(check, there), new, new, new, new,
                       check_quote(check, check->path));
}

/* Are there only copies here, of a database that another machine builds? */
static bool has_copy_alone(const char *folder, const char *path)
{
    struct stat st;

    return source_is_absent(folder) && lstat(path, &st) == 0;
}

static void prepare(struct check *check, const char *folder, const char *path)
{
    *check = (struct check){.has_texts = folder != NULL || path == NULL};
    folder = as_path(check, folder);
    path = as_path(check, path);
    check->folder = folder == NULL ? FOLDER_DEFAULT : folder;
    check->path =
        path != NULL ? path : pool_format(&check->pool, "%s/" FOLDER_DATABASE, check->folder);
    check->is_copy = has_copy_alone(check->folder, check->path);
    check->has_texts = check->has_texts && !check->is_copy;
    check->commands.build_texts =
        command(check, "mailslot-build", folder, "-o", check->is_copy ? NULL : path);
    check->commands.build = check_at_texts(check, check->commands.build_texts);
    check->commands.user = command(check, "mailslot-user", folder, NULL, NULL);
    check->commands.again = command(check, "mailslot-check", folder, "-d", path);
    const char *conf =
        check_quote(check, pool_format(&check->pool, "%s/mailslot.conf", check->folder));
    check->there = check->is_copy ? " on the machine that builds the database" : "";
    check->conf = pool_format(&check->pool, "%s%s", conf, check->there);
}

int check_run(const char *folder, const char *path)
{
    struct check check;

    prepare(&check, folder, path);
    check_service_user(&check);
    if (check.is_copy)
        check_say(&check, CHECK_OK, "files", "%s has only a database, a copy from another machine",
                  check.folder);
    else if (check.has_texts)
        check_texts(&check);
    if (check_database(&check)) {
        check_names(&check);
        check_users(&check);
        check_mailboxes(&check);
        check_certificates(&check);
    }
    check_ports(&check);
    database_close(&check.db);
    pool_free(&check.pool);
    return check.failed ? EXIT_ABSENT : EXIT_DONE;
}
