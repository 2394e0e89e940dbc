#include "database.h"

#include "../file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TABLES = 256, HEADER_SIZE = TABLES * 8, KEY_MAX = 600 };

static const char seal_magic[16] = "mailslot seal 1\n";

enum { SEAL_SIZE = TABLES * 8 + sizeof seal_magic };

/* What a checksum is made over: the CDB without its seal. */
struct image {
    const unsigned char *bytes;
    size_t size;
};

/* FNV-1a. */
static uint64_t checksum(uint64_t sum, const unsigned char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        sum = (sum ^ bytes[i]) * 0x100000001b3u;
    return sum;
}

uint64_t database_sum(const void *bytes, size_t len)
{
    return checksum(0xcbf29ce484222325u, bytes, len);
}

static bool within(const struct image *image, uint64_t at, uint64_t len)
{
    return at <= image->size && len <= image->size - at;
}

/* The checksum of hash table i with all records in it, 0 if anything points outside the image. */
static uint64_t table_checksum(const struct image *image, unsigned i)
{
    const unsigned char *entry = image->bytes + (size_t)i * 8;
    uint64_t at = cdb_unpack(entry), size = (uint64_t)cdb_unpack(entry + 4) * 8;

    if (!within(image, at, size))
        return 0;
    uint64_t sum = database_sum(entry, 8);
    sum = checksum(sum, image->bytes + at, size);
    for (const unsigned char *slot = image->bytes + at; size > 0; slot += 8, size -= 8) {
        uint64_t record = cdb_unpack(slot + 4);
        if (record == 0)
            continue;
        if (!within(image, record, 8))
            return 0;
        uint64_t len =
            8 + (uint64_t)cdb_unpack(image->bytes + record) + cdb_unpack(image->bytes + record + 4);
        if (!within(image, record, len))
            return 0;
        sum = checksum(sum, image->bytes + record, len);
    }
    return sum == 0 ? 1 : sum;
}

static void pack_sum(uint64_t sum, unsigned char to[8])
{
    cdb_pack((unsigned)(sum & 0xffffffff), to);
    cdb_pack((unsigned)(sum >> 32), to + 4);
}

static bool table_is_whole(struct database *db, unsigned i)
{
    struct image image = {db->cdb.cdb_mem, db->cdb.cdb_fsize - SEAL_SIZE};
    uint64_t bit = (uint64_t)1 << (i % 64);
    unsigned char packed[8];

    if (db->checked[i / 64] & bit)
        return true;
    uint64_t sum = table_checksum(&image, i);
    pack_sum(sum, packed);
    if (sum == 0 || memcmp(packed, image.bytes + image.size + (size_t)i * 8, 8) != 0) {
        db->state = DATABASE_DAMAGED;
        return false;
    }
    db->checked[i / 64] |= bit;
    return true;
}

static bool is_safe(int fd)
{
    struct stat st;

    return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & (S_IWGRP | S_IWOTH)) == 0 &&
           (st.st_uid == 0 || st.st_uid == geteuid());
}

static bool is_sealed(const struct cdb *cdb)
{
    return cdb->cdb_fsize >= HEADER_SIZE + SEAL_SIZE &&
           memcmp(cdb->cdb_mem + cdb->cdb_fsize - sizeof seal_magic, seal_magic,
                  sizeof seal_magic) == 0;
}

enum database_state database_open(struct database *db, const char *path)
{
    *db = (struct database){.state = DATABASE_MISSING};
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return db->state;
    if (!is_safe(fd))
        db->state = DATABASE_UNSAFE;
    else if (cdb_init(&db->cdb, fd) != 0)
        db->state = errno == EPROTO ? DATABASE_DAMAGED : DATABASE_MISSING;
    else if (is_sealed(&db->cdb)) {
        db->state = DATABASE_OPEN;
        /* A front that is forked later does not have it. */
        madvise((void *)(uintptr_t)db->cdb.cdb_mem, db->cdb.cdb_fsize, MADV_DONTFORK);
    } else {
        db->state = DATABASE_DAMAGED;
        cdb_free(&db->cdb);
    }
    file_close(fd); /* the mapping stays */
    return db->state;
}

void database_close(struct database *db)
{
    if (db->cdb.cdb_mem != NULL)
        cdb_free(&db->cdb);
    db->state = DATABASE_MISSING;
}

int database_find(struct database *db, const char *kind, const char *name, size_t name_len,
                  struct slice *value)
{
    char key[KEY_MAX];
    size_t len = strlen(kind);

    if (db->state != DATABASE_OPEN || len + 1 + name_len > sizeof key)
        return -1;
    memcpy(key, kind, len);
    if (name != NULL) {
        key[len++] = ':';
        memcpy(key + len, name, name_len);
        len += name_len;
    }
    if (!table_is_whole(db, cdb_hash(key, (unsigned)len) % TABLES))
        return -1;
    int found = cdb_find(&db->cdb, key, (unsigned)len);
    if (found <= 0)
        return found;
    *value = (struct slice){cdb_getdata(&db->cdb), cdb_datalen(&db->cdb)};
    return value->at == NULL ? -1 : 1;
}

int database_seal(int fd)
{
    unsigned char seal[SEAL_SIZE];
    struct cdb cdb;

    if (cdb_init(&cdb, fd) != 0)
        return -1;
    struct image image = {cdb.cdb_mem, cdb.cdb_fsize};
    for (unsigned i = 0; i < TABLES; i++)
        pack_sum(table_checksum(&image, i), seal + (size_t)i * 8);
    memcpy(seal + (size_t)TABLES * 8, seal_magic, sizeof seal_magic);
    ssize_t written = pwrite(fd, seal, sizeof seal, (off_t)image.size);
    cdb_free(&cdb);
    if (written == (ssize_t)sizeof seal)
        return 0;
    if (written >= 0)
        errno = ENOSPC;
    return -1;
}
