#include "done.h"

#include "../base/file.h"
#include "../base/gnutls.h"
#include "../mailbox/mbox_folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    KEPT_SECONDS = 7 * 24 * 3600,
    KEPT_NAMELESS_SECONDS = 3600,
    LOOKED_AT_MAX = 10000, /* files, each time that some are removed */
    NAME_SIZE = 2 * DONE_HASH_LEN + 1,
    PLACE_MAX = 4096,
};

void done_init(struct done *done, const struct address *sender, bool nameless)
{
    *done = (struct done){.folder = -1, .above = -1, .nameless = nameless, .sender = sender};
}

void done_close(struct done *done)
{
    if (done->folder >= 0)
        close(done->folder);
    if (done->above >= 0)
        close(done->above);
    done_init(done, done->sender, done->nameless);
}

/* Where mail-root can be written to by others, the folder may be somebody else's. */
static int open_folder(struct done *done, int root)
{
    struct stat st;

    done->folder = openat(root, ".done", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (done->folder < 0)
        return -1;
    if (fstat(done->folder, &st) == 0 && st.st_uid == geteuid() &&
        (st.st_mode & (S_IWGRP | S_IWOTH)) == 0)
        return 0;
    close(done->folder);
    done->folder = -1;
    errno = MBOX_UNSAFE;
    return -1;
}

static bool counts(const struct stat *st, time_t seconds)
{
    return st->st_mtime > time(NULL) - seconds;
}

/* What is in the folder is not younger than the last change of the folder. */
bool done_is_used(struct done *done, const char *mail_root)
{
    char path[PLACE_MAX];
    struct stat st;

    snprintf(path, sizeof path, "%s/.done", mail_root);
    if (lstat(path, &st) != 0 || !counts(&st, KEPT_SECONDS))
        return false;
    int root = open(mail_root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool is_open = root >= 0 && open_folder(done, root) == 0;
    if (root >= 0)
        close(root);
    return is_open;
}

/* Opens it, or makes it. */
static int make_folder(struct done *done, const char *mail_root)
{
    int root = mbox_open_root(mail_root);

    if (root < 0)
        return -1;
    bool is_new = mkdirat(root, ".done", 0700) == 0;
    int result = is_new || errno == EEXIST ? open_folder(done, root) : -1;
    if (result == 0 && is_new)
        done->above = root;
    else
        file_close(root);
    return result;
}

static int hash_piece(void *hash, const char *bytes, size_t len)
{
    return gnutls.hash(hash, bytes, len) == 0 ? 0 : -1;
}

static int hash_text(struct done *done, struct spool *text)
{
    gnutls_hash_hd_t hash;

    if (done->has_text)
        return 0;
    errno = ENOSYS;
    if (gnutls_load() != 0 || gnutls.hash_init(&hash, GNUTLS_DIG_SHA256) != 0)
        return -1;
    int result = spool_copy(text, hash_piece, hash);
    gnutls.hash_deinit(hash, done->text);
    done->has_text = result == 0;
    return result;
}

/* The name of the file. Each part that is hashed has a fixed length or ends with a newline, so that
 * no part can pass for another. */
static int make_name(struct done *done, struct spool *text, struct slice place,
                     char name[NAME_SIZE])
{
    char bytes[DONE_HASH_LEN + ADDRESS_TEXT_MAX + 1 + PLACE_MAX];
    unsigned char hash[DONE_HASH_LEN];

    if (hash_text(done, text) != 0)
        return -1;
    memcpy(bytes, done->text, DONE_HASH_LEN);
    size_t len = DONE_HASH_LEN + address_write(done->sender, bytes + DONE_HASH_LEN);
    bytes[len++] = '\n';
    if (place.len > sizeof bytes - len) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(bytes + len, place.at, place.len);
    errno = ENOSYS;
    if (gnutls.hash_fast(GNUTLS_DIG_SHA256, bytes, len + place.len, hash) != 0)
        return -1;
    for (size_t i = 0; i < sizeof hash; i++)
        sprintf(name + 2 * i, "%02x", hash[i]);
    return 0;
}

bool done_has(struct done *done, struct spool *text, struct slice place)
{
    char name[NAME_SIZE];
    struct stat st;

    return make_name(done, text, place, name) == 0 &&
           fstatat(done->folder, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
           counts(&st, done->nameless ? KEPT_NAMELESS_SECONDS : KEPT_SECONDS);
}

static int sync_file(int fd)
{
    int result;

    do
        result = fsync(fd);
    while (result != 0 && errno == EINTR);
    return result;
}

/* A file that is too old is replaced, because its time counts. */
int done_add(struct done *done, const char *mail_root, struct spool *text, struct slice place)
{
    char name[NAME_SIZE];

    if ((done->folder < 0 && make_folder(done, mail_root) != 0) ||
        make_name(done, text, place, name) != 0)
        return -1;
    unlinkat(done->folder, name, 0);
    int fd = openat(done->folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return errno == EEXIST ? 0 : -1; /* another try of the same message has made it just now */
    int result = sync_file(fd);
    file_close(fd);
    return result;
}

static void remove_old(int folder)
{
    int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *files = fd < 0 ? NULL : fdopendir(fd);
    const struct dirent *file;
    struct stat st;

    if (files == NULL) {
        file_close(fd);
        return;
    }
    for (int i = 0; i < LOOKED_AT_MAX && (file = readdir(files)) != NULL; i++)
        if (strlen(file->d_name) == NAME_SIZE - 1 &&
            fstatat(folder, file->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
            !counts(&st, KEPT_SECONDS))
            unlinkat(folder, file->d_name, 0);
    closedir(files);
}

int done_sync(struct done *done)
{
    remove_old(done->folder);
    int result = sync_file(done->folder);
    if (result == 0 && done->above >= 0)
        result = sync_file(done->above);
    return result;
}
