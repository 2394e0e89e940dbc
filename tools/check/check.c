#include "check.h"

#include "../kit/folder.h"
#include "../kit/memory.h"
#include "../kit/printable.h"
#include "../kit/remedy.h"
#include "../kit/shell.h"

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

bool check_is_reachable(const char *path)
{
    char *real = realpath(path, NULL);
    char *slash = real == NULL ? NULL : strchr(real + 1, '/');
    struct stat st;
    bool open = true;

    for (; open && slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        open = stat(real, &st) != 0 || (st.st_mode & S_IXOTH) != 0;
        *slash = '/';
    }
    free(real);
    return open;
}

bool check_secret(struct check *check, const char *subject, const char *path)
{
    struct stat st;

    if (stat(path, &st) != 0 || (st.st_mode & (S_IWGRP | S_IRWXO)) == 0)
        return false;
    if ((st.st_mode & S_IWGRP) == 0 && !check_is_reachable(path))
        return false;
    bool readable = (st.st_mode & S_IROTH) != 0;
    check_say(check, CHECK_FAIL, subject, "%s can be %s by other users; type: %s", path,
              readable ? "read" : "changed", remedy_chmod(&check->pool, path, &st, "g-w,o="));
    return true;
}

const char *check_quote(struct check *check, const char *text)
{
    return shell_quote(&check->pool, text);
}

const char *check_quote_slice(struct check *check, struct slice text)
{
    return check_quote(check, pool_copy(&check->pool, text));
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
