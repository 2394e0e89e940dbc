#include "relay_limit.h"

#include "../base/clock.h"
#include "../base/file.h"
#include "../database/seal.h"
#include "log.h"
#include "private_file.h"

#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* More than a hundred thousand users would have to send within an hour before one of the buckets
 * is full. */
enum { BUCKETS = 4096, ENTRIES = 64, HOUR = 3600 };

struct entry {
    uint64_t user;  /* hash of the key */
    uint32_t begun; /* the first recipient of the hour; time() */
    uint32_t count;
};

struct bucket {
    struct entry entries[ENTRIES];
};

_Static_assert(sizeof(struct entry) == 16, "no padding");

/* An hour in the future: the clock has been set back. */
static bool is_over(const struct entry *entry, uint32_t now)
{
    return entry->count == 0 || entry->begun > now || now - entry->begun >= HOUR;
}

/* The user's entry; else one whose hour is over; else that of the user who has sent least. */
static struct entry *find(struct bucket *bucket, uint64_t user, uint32_t now)
{
    struct entry *best = bucket->entries;

    for (struct entry *entry = bucket->entries; entry < bucket->entries + ENTRIES; entry++) {
        if (is_over(entry, now))
            entry->count = 0;
        if (entry->user == user && entry->count > 0)
            return entry;
        if (entry->count < best->count)
            best = entry;
    }
    *best = (struct entry){.user = user, .begun = now};
    return best;
}

/* The file may be shorter: then the rest is zero. */
static int read_bucket(int fd, off_t at, struct bucket *bucket)
{
    ssize_t got = pread(fd, bucket, sizeof *bucket, at);

    if (got < 0)
        return -1;
    memset((char *)bucket + got, 0, sizeof *bucket - (size_t)got);
    return 0;
}

/* An entry is written by one call, so that a process that is killed leaves it whole. */
static int write_entry(int fd, off_t at, const struct entry *entry)
{
    ssize_t written = pwrite(fd, entry, sizeof *entry, at);

    if (written >= 0 && written < (ssize_t)sizeof *entry)
        errno = ENOSPC;
    return written == sizeof *entry ? 0 : -1;
}

/* 1: counted, 0: too many, -1: errno says why neither. The bucket is locked. */
static int count(int fd, off_t at, uint64_t user, uint64_t recipients, uint64_t limit)
{
    struct bucket bucket;
    uint32_t now = (uint32_t)time(NULL);

    if (read_bucket(fd, at, &bucket) != 0)
        return -1;
    struct entry *entry = find(&bucket, user, now);
    if (recipients > limit || entry->count > limit - recipients)
        return 0;
    entry->count += (uint32_t)recipients;
    off_t place = at + (off_t)((char *)entry - (char *)&bucket);
    return write_entry(fd, place, entry) == 0 ? 1 : -1;
}

enum verdict relay_limit_take(const struct settings *settings, struct slice user,
                              uint64_t recipients)
{
    char path[PRIVATE_FILE_PATH_MAX];
    uint64_t hash = seal_hash(user.at, user.len);
    off_t number = (off_t)(hash % BUCKETS);
    int64_t deadline = clock_ms() + (int64_t)settings->lock_timeout * 1000;

    int fd = private_file_open(settings, ".relayed", path);
    int locked = fd < 0 ? -1 : private_file_lock(fd, number, 1, deadline);
    if (locked == 0)
        errno = EAGAIN;
    int counted = locked != 1 ? -1
                              : count(fd, number * (off_t)sizeof(struct bucket), hash, recipients,
                                      settings->relay_limit);
    if (counted < 0)
        log_event(EVENT_DEFERRED, "doing", "count recipients", "mailbox", path, "error",
                  strerror(errno), NULL);
    if (fd >= 0)
        file_close(fd); /* and unlock */
    return counted == 1 ? VERDICT_OK : counted == 0 ? VERDICT_RELAY_LIMIT : VERDICT_FAILED;
}
