#include "database.h"

#include "../base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    TABLES = 256,
    HEADER_SIZE = TABLES * 8,
    FRAMES_SIZE = DATABASE_FRAMES * SEAL_BLOCK,
    MEMORY_MAX = 64 << 20, /* of addresses; made usable in steps */
    MEMORY_STEP = 64 << 10,
};

static uint32_t unpack(const unsigned char bytes[4])
{
    return bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

/* The hash of a CDB. */
static uint32_t hash_key(struct slice key)
{
    uint32_t hash = 5381;

    for (size_t i = 0; i < key.len; i++)
        hash = (hash * 33) ^ (unsigned char)key.at[i];
    return hash;
}

/* A block cannot be read, or does not fit its checksum: no look-up is answered from now on. */
static bool fail(struct database *db, int error)
{
    struct stat st;

    db->error = error;
    db->state = error != 0 ? DATABASE_FAILED : DATABASE_DAMAGED;
    if (fstat(db->fd, &st) == 0 &&
        (st.st_size != db->file_size || st.st_mtim.tv_sec != db->modified.tv_sec ||
         st.st_mtim.tv_nsec != db->modified.tv_nsec))
        db->state = DATABASE_CHANGED;
    return false;
}

static bool read_exactly(struct database *db, void *to, size_t len, uint64_t at)
{
    errno = 0;
    return pread(db->fd, to, len, (off_t)at) == (ssize_t)len || fail(db, errno);
}

/* The block in a frame, read and checked; NULL if it is damaged. The first block has the first
 * frame to itself, because every look-up begins there. */
static const unsigned char *get_block(struct database *db, uint64_t number)
{
    unsigned char sum[SEAL_SUM];
    unsigned i = 0;

    while (i < DATABASE_FRAMES && db->held[i] != number + 1)
        i++;
    if (i < DATABASE_FRAMES)
        return db->memory + (size_t)i * SEAL_BLOCK;
    i = number == 0 ? 0 : 1 + db->turn++ % (DATABASE_FRAMES - 1);
    unsigned char *frame = db->memory + (size_t)i * SEAL_BLOCK;
    db->held[i] = 0;
    if (!read_exactly(db, frame, seal_block_len(&db->seal, number), number * SEAL_BLOCK) ||
        !read_exactly(db, sum, sizeof sum, seal_sum_at(&db->seal, number)))
        return NULL;
    if (!seal_fits(&db->seal, number, frame, sum)) {
        fail(db, 0);
        return NULL;
    }
    db->held[i] = number + 1;
    return frame;
}

/* Copies bytes of the CDB; false if they are damaged, or beyond its end. */
static bool copy(struct database *db, uint64_t at, size_t len, void *to)
{
    if (at > db->seal.size || len > db->seal.size - at)
        return fail(db, 0);
    while (len > 0) {
        size_t from = (size_t)(at % SEAL_BLOCK);
        size_t part = len < SEAL_BLOCK - from ? len : SEAL_BLOCK - from;
        const unsigned char *block = get_block(db, at / SEAL_BLOCK);
        if (block == NULL)
            return false;
        to = mempcpy(to, block + from, part);
        at += part;
        len -= part;
    }
    return true;
}

static bool make_ready(struct database *db, size_t len)
{
    if (len <= db->ready)
        return true;
    len = (len + MEMORY_STEP - 1) / MEMORY_STEP * MEMORY_STEP;
    if (len > MEMORY_MAX) {
        errno = ENOMEM;
        return false;
    }
    if (mprotect(db->memory + db->ready, len - db->ready, PROT_READ | PROT_WRITE) != 0)
        return false;
    db->ready = len;
    return true;
}

/* Bytes of the CDB, as a value that stays valid. */
static bool keep(struct database *db, uint64_t at, size_t len, struct slice *value)
{
    if (at > db->seal.size || len > db->seal.size - at)
        return fail(db, 0);
    if (len >= MEMORY_MAX || !make_ready(db, db->used + len + 1))
        return fail(db, ENOMEM);
    char *to = (char *)db->memory + db->used;
    if (!copy(db, at, len, to))
        return false;
    to[len] = '\0';
    *value = (struct slice){to, len};
    db->used += len + 1;
    return true;
}

static bool is_safe(const struct stat *st)
{
    return S_ISREG(st->st_mode) && (st->st_mode & (S_IWGRP | S_IWOTH)) == 0 &&
           (st->st_uid == 0 || st->st_uid == geteuid());
}

/* A front that is forked later does not inherit it. */
static bool get_memory(struct database *db)
{
    void *memory =
        mmap(NULL, MEMORY_MAX, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (memory == MAP_FAILED)
        return false;
    db->memory = memory;
    db->used = FRAMES_SIZE;
    madvise(memory, MEMORY_MAX, MADV_DONTFORK);
    if (!make_ready(db, FRAMES_SIZE))
        return false;
    /* All pages that a session is sure to use at once, which is cheaper than one fault for each. */
    madvise(memory, FRAMES_SIZE + SEAL_BLOCK, MADV_POPULATE_WRITE);
    return true;
}

static enum database_state judge(struct database *db)
{
    struct stat st;

    if (fstat(db->fd, &st) != 0)
        return DATABASE_MISSING;
    if (!is_safe(&st))
        return DATABASE_UNSAFE;
    db->file_size = st.st_size;
    db->modified = st.st_mtim;
    enum seal_kind kind = seal_read(db->fd, (uint64_t)st.st_size, &db->seal);
    if (kind == SEAL_OLD)
        return DATABASE_OLD;
    if (kind == SEAL_BAD || db->seal.size < HEADER_SIZE)
        return errno != 0 ? DATABASE_FAILED : DATABASE_DAMAGED;
    return get_memory(db) ? DATABASE_OPEN : DATABASE_MISSING;
}

enum database_state database_open(struct database *db, const char *path)
{
    *db = (struct database){.state = DATABASE_MISSING};
    db->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (db->fd >= 0)
        db->state = judge(db);
    if (db->state == DATABASE_MISSING || db->state == DATABASE_FAILED)
        db->error = errno;
    return db->state;
}

void database_close(struct database *db)
{
    if (db->memory != NULL)
        munmap(db->memory, MEMORY_MAX);
    if (db->fd > 0) /* 0: it was never opened */
        file_close(db->fd);
    *db = (struct database){.state = DATABASE_MISSING, .fd = -1};
}

const char *database_problem(enum database_state state)
{
    static const char *const problems[] = {
        [DATABASE_MISSING] = "cannot be opened",
        [DATABASE_UNSAFE] = "can be changed by others",
        [DATABASE_DAMAGED] = "is damaged",
        [DATABASE_OLD] = "was made by an older mailslot-build",
        [DATABASE_CHANGED] = "was changed in place while it was in use",
        [DATABASE_FAILED] = "cannot be read",
    };

    return state == DATABASE_OPEN ? NULL : problems[state];
}

/* Is this the key of the record? -1: it cannot be read. */
static int is_key(struct database *db, uint64_t at, struct slice key)
{
    char there[DATABASE_KEY_MAX];

    if (!copy(db, at, key.len, there))
        return -1;
    return memcmp(there, key.at, key.len) == 0;
}

/* Is the record at this place the one with this key? If so, its value is kept. */
static int try_record(struct database *db, uint64_t at, struct slice key, struct slice *value)
{
    unsigned char lens[8];

    if (!copy(db, at, sizeof lens, lens))
        return -1;
    if (unpack(lens) != key.len)
        return 0;
    int same = is_key(db, at + sizeof lens, key);
    if (same != 1)
        return same;
    return keep(db, at + sizeof lens + key.len, unpack(lens + 4), value) ? 1 : -1;
}

/* Every block fits its checksum, but mailslot-build never writes such a table. */
static int refuse_table(struct database *db)
{
    fail(db, 0);
    return -1;
}

static int find(struct database *db, struct slice key, struct slice *value)
{
    uint32_t hash = hash_key(key);
    unsigned char entry[8], slot[8];

    if (!copy(db, (uint64_t)(hash % TABLES) * sizeof entry, sizeof entry, entry))
        return -1;
    uint32_t slots = unpack(entry + 4);
    if ((uint64_t)slots * sizeof slot > db->seal.size)
        return refuse_table(db);
    for (uint32_t i = 0; i < slots; i++) {
        uint64_t number = ((uint64_t)hash / TABLES + i) % slots;
        if (!copy(db, unpack(entry) + number * sizeof slot, sizeof slot, slot))
            return -1;
        if (unpack(slot + 4) == 0)
            return 0;
        if (unpack(slot) != hash)
            continue;
        int found = try_record(db, unpack(slot + 4), key, value);
        if (found != 0)
            return found;
    }
    return slots == 0 ? 0 : refuse_table(db); /* half of the slots of a table are empty */
}

size_t database_key(const char *kind, struct slice name, char key[DATABASE_KEY_MAX])
{
    size_t len = strlen(kind);

    if (len + 1 + name.len > DATABASE_KEY_MAX)
        return 0;
    memcpy(key, kind, len);
    if (name.at == NULL)
        return len;
    key[len] = ':';
    memcpy(key + len + 1, name.at, name.len);
    return len + 1 + name.len;
}

int database_find(struct database *db, const char *kind, struct slice name, struct slice *value)
{
    char bytes[DATABASE_KEY_MAX];
    struct slice key = {bytes, database_key(kind, name, bytes)};

    return db->state == DATABASE_OPEN && key.len > 0 ? find(db, key, value) : -1;
}

/* The records end where the first hash table begins. */
static int check_rest(struct database *db, uint64_t at)
{
    while (at < db->seal.size && get_block(db, at / SEAL_BLOCK) != NULL)
        at = (at / SEAL_BLOCK + 1) * SEAL_BLOCK;
    return at < db->seal.size ? -1 : 0;
}

int database_next(struct database *db, uint64_t *at, struct slice *key, struct slice *value)
{
    unsigned char end[4], lens[8];

    if (*at == 0)
        *at = HEADER_SIZE;
    if (db->state != DATABASE_OPEN || !copy(db, 0, sizeof end, end))
        return -1;
    if (*at >= unpack(end))
        return check_rest(db, *at);
    if (!copy(db, *at, sizeof lens, lens))
        return -1;
    uint64_t key_at = *at + sizeof lens, value_at = key_at + unpack(lens);
    if (!keep(db, key_at, unpack(lens), key) || !keep(db, value_at, unpack(lens + 4), value))
        return -1;
    *at = value_at + unpack(lens + 4);
    return 1;
}

size_t database_mark(const struct database *db)
{
    return db->used;
}

void database_rewind(struct database *db, size_t mark)
{
    db->used = mark;
}
