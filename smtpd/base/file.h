/*
 * file: what write(2) and close(2) leave to be done.
 */
#ifndef MAILSLOT_FILE_H
#define MAILSLOT_FILE_H

#include <stddef.h>
#include <sys/types.h>

/* Writes all, however many calls that takes. 0, or -1 with errno: some of it may be written. */
int file_write_all(int fd, const char *bytes, size_t len);

/* The same; adds to *count how much was written, on failure too. */
int file_write_counted(int fd, const char *bytes, size_t len, off_t *count);

/* Closes; errno stays what it was. */
void file_close(int fd);

#endif
