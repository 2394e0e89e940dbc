/*
 * file: helpers around open(2), write(2) and close(2).
 */
#ifndef MAILSLOT_FILE_H
#define MAILSLOT_FILE_H

#include <linux/openat2.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* openat2(2), which the C library has no function for: opens the path as the RESOLVE_ bits say, and
 * always with O_CLOEXEC. The descriptor, or -1 with errno. */
int file_openat2(int folder, const char *path, int flags, mode_t mode, uint64_t resolve);

/* Opens /dev/null on each of the descriptors 0 to 2 that is not open. Otherwise a file that is
 * opened later could get that number, and error messages would end up in it. 0, or -1 with
 * errno. */
int file_fill_standard(int flags);

/* Writes all, however many calls that takes. 0, or -1 with errno: some of it may have been
 * written. */
int file_write_all(int fd, const char *bytes, size_t len);

/* The same; adds to *count how much was written, on failure too. */
int file_write_counted(int fd, const char *bytes, size_t len, off_t *count);

/* Closes; errno stays what it was. */
void file_close(int fd);

#endif
