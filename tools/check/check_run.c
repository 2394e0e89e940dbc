#include "check_run.h"

#include "../kit/folder.h"
#include "../kit/message.h"
#include "../source/source.h"
#include "subjects.h"

#include <sys/stat.h>

/* The path, written so that no command takes it for an option. */
static const char *as_path(struct check *check, const char *path)
{
    return path != NULL && *path == '-' ? pool_format(&check->pool, "./%s", path) : path;
}

/* A command with the options of this run that name the files. */
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

/* Is there only a copy of a database that another machine builds? */
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
        check_hops(&check);
        check_smarthost(&check);
        check_milters(&check);
    }
    check_ports(&check);
    database_close(&check.db);
    pool_free(&check.pool);
    return check.failed ? EXIT_ABSENT : EXIT_DONE;
}
