/*
 * spool: one message, from its first byte until it is delivered: in memory while it is small, else
 * in a file without a name, which no crash can leave behind.
 *
 * The file is made where the mailboxes are: in mail-root or, if there is none, in the folder of one
 * of them. At most SPOOL_MEMORY bytes of a message are in memory; if no file can be made, a larger
 * message is deferred.
 */
#ifndef MAILSLOT_SPOOL_H
#define MAILSLOT_SPOOL_H

#include "../base/slice.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { SPOOL_MEMORY = 131072 };

struct spool {
    uint64_t size;        /* of the message so far */
    size_t held;          /* how much of it is in memory, not yet in the file */
    int fd;               /* -1: it is all in memory */
    const char *root;     /* mail-root */
    struct slice mailbox; /* one that is not in mail-root; empty: none */
    char memory[SPOOL_MEMORY];
};

void spool_begin(struct spool *spool, const char *root);

/* The message is for this mailbox too. The path must stay valid. */
void spool_goes_to(struct spool *spool, struct slice mailbox);

/* Appends. 0, or -1 with errno. */
int spool_write(struct spool *spool, const char *bytes, size_t len);

/* The message is whole: nothing more is appended. 0, or -1 with errno. */
int spool_finish(struct spool *spool);

/* Writes the whole message in pieces, as often as is wanted. write() returns 0, or -1 with errno,
 * as this does. */
int spool_copy(struct spool *spool, int (*write)(void *context, const char *bytes, size_t len),
               void *context);

/* The same with the bytes from `from` to before `to`. */
int spool_copy_part(struct spool *spool, uint64_t from, uint64_t to,
                    int (*write)(void *context, const char *bytes, size_t len), void *context);

/* Forgets the message, if there is one. */
void spool_end(struct spool *spool);

#endif
