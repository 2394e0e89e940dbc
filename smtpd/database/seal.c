#include "seal.h"

#include "../base/file.h"

#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

enum {
    MAGIC = 16,
    OLD_SIZE = 256 * 8 + MAGIC,
    AT_ONCE = 64 * SEAL_BLOCK, /* read to make the checksums */
};

static const char magic[MAGIC] = "mailslot seal 2\n", old_magic[MAGIC] = "mailslot seal 1\n";

uint64_t seal_hash(const void *bytes, size_t len)
{
    return XXH64(bytes, len, 0);
}

uint64_t seal_hash_on(uint64_t seed, const void *bytes, size_t len)
{
    return XXH64(bytes, len, seed);
}

/* The checksum of a block, from the hash of its content. */
static uint64_t make_sum(uint64_t hash, uint64_t id, uint64_t number)
{
    uint64_t little = htole64(hash);

    return htole64(XXH64(&little, sizeof little, id + number));
}

static uint64_t count_blocks(uint64_t size)
{
    return (size + SEAL_BLOCK - 1) / SEAL_BLOCK;
}

uint64_t seal_len(uint64_t size)
{
    return count_blocks(size) * SEAL_SUM + SEAL_END;
}

size_t seal_block_len(const struct seal *seal, uint64_t number)
{
    uint64_t left = seal->size - number * SEAL_BLOCK;

    return left < SEAL_BLOCK ? (size_t)left : SEAL_BLOCK;
}

uint64_t seal_sum_at(const struct seal *seal, uint64_t number)
{
    return seal->size + number * SEAL_SUM;
}

int seal_fits(const struct seal *seal, uint64_t number, const unsigned char *block,
              const unsigned char sum[SEAL_SUM])
{
    uint64_t hash = seal_hash(block, seal_block_len(seal, number));
    uint64_t due = make_sum(hash, seal->id, number);

    return memcmp(&due, sum, SEAL_SUM) == 0;
}

enum seal_kind seal_read(int fd, uint64_t file_size, struct seal *seal)
{
    struct {
        uint64_t id, size;
        char magic[MAGIC];
    } end;

    _Static_assert(sizeof end == SEAL_END, "the end of the file as it is stored");
    errno = 0;
    if (file_size < SEAL_END ||
        pread(fd, &end, sizeof end, (off_t)(file_size - SEAL_END)) != sizeof end)
        return SEAL_BAD;
    if (file_size >= OLD_SIZE && memcmp(end.magic, old_magic, MAGIC) == 0)
        return SEAL_OLD;
    *seal = (struct seal){le64toh(end.id), le64toh(end.size)};
    bool good = memcmp(end.magic, magic, MAGIC) == 0 && seal->size <= file_size &&
                seal->size + seal_len(seal->size) == file_size;
    return good ? SEAL_GOOD : SEAL_BAD;
}

/* The hashes of all blocks, in order. */
static int hash_blocks(int fd, uint64_t size, unsigned char blocks[AT_ONCE], uint64_t *hashes)
{
    for (uint64_t at = 0; at < size;) {
        ssize_t got = pread(fd, blocks, AT_ONCE, (off_t)at);
        if (got < 0)
            return -1;
        uint64_t whole =
            at + (uint64_t)got == size ? (uint64_t)got : (uint64_t)got / SEAL_BLOCK * SEAL_BLOCK;
        if (whole == 0) { /* it has become shorter */
            errno = EIO;
            return -1;
        }
        for (uint64_t i = 0; i < whole; i += SEAL_BLOCK) {
            uint64_t len = whole - i < SEAL_BLOCK ? whole - i : SEAL_BLOCK;
            *hashes++ = htole64(seal_hash(blocks + i, (size_t)len));
        }
        at += whole;
    }
    return 0;
}

int seal_write(int fd)
{
    struct stat st;

    if (fstat(fd, &st) != 0)
        return -1;
    uint64_t size = (uint64_t)st.st_size, count = count_blocks(size);
    size_t len = (size_t)seal_len(size);
    uint64_t *sums = malloc(len);
    unsigned char *blocks = malloc(AT_ONCE);
    int result = sums == NULL || blocks == NULL ? -1 : hash_blocks(fd, size, blocks, sums);
    if (result == 0) {
        uint64_t id = seal_hash(sums, (size_t)count * SEAL_SUM);
        for (uint64_t i = 0; i < count; i++)
            sums[i] = make_sum(le64toh(sums[i]), id, i);
        sums[count] = htole64(id);
        sums[count + 1] = htole64(size);
        memcpy(sums + count + 2, magic, MAGIC);
        result = lseek(fd, st.st_size, SEEK_SET) == st.st_size
                     ? file_write_all(fd, (const char *)sums, len)
                     : -1;
    }
    int error = errno;
    if (blocks != NULL)
        explicit_bzero(blocks, AT_ONCE);
    free(blocks);
    free(sums);
    errno = error;
    return result;
}
