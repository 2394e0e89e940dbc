/*
 * private_file: files in mail-root that sessions share, and nobody else can open. What they share
 * is locked byte by byte (F_OFD_SETLK). A lock is gone when its process has ended, for whatever
 * reason. A byte that is locked may lie beyond the end of the file.
 */
#ifndef MAILSLOT_PRIVATE_FILE_H
#define MAILSLOT_PRIVATE_FILE_H

#include "../database/settings.h"

#include <sys/types.h>

enum { PRIVATE_FILE_PATH_MAX = SETTINGS_PATH_MAX + 32 };

/* Opens `mail-root/name`, or creates it. Writes the path, for the log. Returns the descriptor, or
 * -1 with errno. */
int private_file_open(const struct settings *settings, const char *name,
                      char path[PRIVATE_FILE_PATH_MAX]);

/* Locks one of `count` bytes from `at` on, and waits for one that is free until deadline
 * (clock_ms()). 1, 0: none was free, or -1 with errno. */
int private_file_lock(int fd, off_t at, int count, int64_t deadline);

#endif
