/*
 * seal: the checksums after a finished CDB, as mailslot.cdb(5) describes them.
 *
 * Each block of the CDB has a checksum of its own, so that a look-up reads and checks only the
 * blocks that it needs. A checksum is made from the block's content, its number and an identifier
 * that comes from the content of the whole file. A checksum that is damaged, or that belongs to
 * another block or file, therefore does not fit the block.
 */
#ifndef MAILSLOT_SEAL_H
#define MAILSLOT_SEAL_H

#include <stddef.h>
#include <stdint.h>

enum { SEAL_BLOCK = 4096, SEAL_SUM = 8, SEAL_END = 32 };

struct seal {
    uint64_t id;
    uint64_t size; /* of the CDB, without the seal */
};

enum seal_kind {
    SEAL_GOOD,
    SEAL_OLD, /* of a mailslot-build that made no checksums of blocks */
    SEAL_BAD, /* none, or a file that is cut short or too long */
};

/* Reads the last bytes of a file of this size. SEAL_BAD with errno set: it cannot be read. */
enum seal_kind seal_read(int fd, uint64_t file_size, struct seal *seal);

/* How long the block is: the last one may be shorter. */
size_t seal_block_len(const struct seal *seal, uint64_t number);

/* Where its checksum is in the file. */
uint64_t seal_sum_at(const struct seal *seal, uint64_t number);

/* Does the checksum read from there fit the block? */
int seal_fits(const struct seal *seal, uint64_t number, const unsigned char *block,
              const unsigned char sum[SEAL_SUM]);

/* Appends the seal to a finished CDB (fd open for reading and writing). 0, or -1 with errno. */
int seal_write(int fd);

/* How long the seal is for a CDB of this size. */
uint64_t seal_len(uint64_t size);

/* XXH64. It notices damage and change; it does not stop anyone who can write to the file. */
uint64_t seal_hash(const void *bytes, size_t len);
/* The same with a seed, such as the hash of what comes before these bytes. */
uint64_t seal_hash_on(uint64_t seed, const void *bytes, size_t len);

#endif
