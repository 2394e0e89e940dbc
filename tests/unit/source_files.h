/* source_files: a folder with the three text files, as source reads it. */
#ifndef MAILSLOT_TEST_SOURCE_FILES_H
#define MAILSLOT_TEST_SOURCE_FILES_H

#include "../../tools/source/source.h"
#include "../../tools/source/source_load.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/mailslot-test-XXXXXX";

/* A folder with these files, and the result of reading it. */
struct loaded {
    struct source source;
    struct report report;
    char *said;
    size_t said_len;
};

static void put_file(const char *name, const char *bytes, size_t len)
{
    char path[64];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    unlink(path);
    if (bytes == NULL)
        return;
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    assert_int_equal(write(fd, bytes, len), (ssize_t)len);
    close(fd);
}

static void load_bytes(struct loaded *loaded)
{
    const char *file;

    *loaded = (struct loaded){0};
    loaded->report.to = open_memstream(&loaded->said, &loaded->said_len);
    assert_int_equal(source_load(&loaded->source, &loaded->report, folder, NULL, &file), 0);
    report_finish(&loaded->report);
    fclose(loaded->report.to);
}

static void load(struct loaded *loaded, const char *conf, const char *users, const char *aliases)
{
    put_file("mailslot.conf", conf, conf == NULL ? 0 : strlen(conf));
    put_file("users", users, users == NULL ? 0 : strlen(users));
    put_file("aliases", aliases, aliases == NULL ? 0 : strlen(aliases));
    load_bytes(loaded);
}

static void unload(struct loaded *loaded)
{
    source_free(&loaded->source);
    free(loaded->said);
}

static int make(void **state)
{
    (void)state;
    return mkdtemp(folder) == NULL;
}

static int clean(void **state)
{
    (void)state;
    put_file("mailslot.conf", NULL, 0);
    put_file("users", NULL, 0);
    put_file("aliases", NULL, 0);
    return rmdir(folder);
}

#endif
