/*
 * spool: one message, from its first byte until it is in the mailboxes: in memory as long as it is
 * small, else in a file without a name, which no crash can leave behind.
 */
#ifndef MAILSLOT_SPOOL_H
#define MAILSLOT_SPOOL_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { SPOOL_MEMORY = 131072 };

struct spool {
    uint64_t size; /* of the message so far */
    size_t held;   /* how much of it is in memory, not yet in the file */
    int fd;        /* -1: it is all in memory */
    char memory[SPOOL_MEMORY];
};

void spool_begin(struct spool *spool);

/* Appends. folder is where the file is made if it takes one: on the mailboxes' own file system. 0,
 * or -1 with errno. */
int spool_write(struct spool *spool, const char *folder, const char *bytes, size_t len);

/* The message is whole: nothing more is appended. 0, or -1 with errno. */
int spool_finish(struct spool *spool, const char *folder);

/* Writes the whole message to fd, where it stands; as often as is wanted. 0, or -1 with errno. */
int spool_copy(struct spool *spool, int fd);

/* Forgets the message. */
void spool_end(struct spool *spool);

#endif
