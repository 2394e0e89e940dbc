/*
 * scratch: a folder for a fuzzer that needs files, made once and removed at its end.
 */
#ifndef MAILSLOT_FUZZ_SCRATCH_H
#define MAILSLOT_FUZZ_SCRATCH_H

#include "fuzz.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static char scratch[64];

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *where)
{
    (void)st;
    (void)kind;
    (void)where;
    return remove(path);
}

static inline void scratch_empty(void)
{
    if (scratch[0] != '\0')
        nftw(scratch, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static inline const char *scratch_path(void)
{
    if (scratch[0] == '\0') {
        strcpy(scratch, "/dev/shm/mailslot-fuzz-XXXXXX");
        MUST(mkdtemp(scratch) != NULL);
        atexit(scratch_empty);
    }
    return scratch;
}

static inline void scratch_put(const char *name, const char *text, size_t len)
{
    char path[128];

    snprintf(path, sizeof path, "%s/%s", scratch_path(), name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    MUST(fd >= 0 && write(fd, text, len) == (ssize_t)len);
    close(fd);
}

#endif
