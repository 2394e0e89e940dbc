#include "text_file.h"

#include "../../smtpd/base/file.h"
#include "../../smtpd/database/seal.h"
#include "folder.h"
#include "memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAPPED_MIN = 16 << 20 }; /* a smaller file is copied */

/* The first allocation has room for size + 1, so that bytes is not NULL for an empty file. A copy
 * that is outgrown is wiped. */
static int read_all(struct text_file *text, int fd, size_t size)
{
    size_t room = 0;
    ssize_t got;

    do {
        if (text->len == room) {
            room = room == 0 ? size + 1 : 2 * room;
            char *larger = memory_get(room);
            if (text->len > 0)
                memcpy(larger, text->bytes, text->len);
            if (text->bytes != NULL)
                explicit_bzero(text->bytes, text->len);
            free(text->bytes);
            text->bytes = larger;
        }
        got = read(fd, text->bytes + text->len, room - text->len);
        if (got > 0)
            text->len += (size_t)got;
    } while (got > 0 || (got < 0 && errno == EINTR));
    return got < 0 ? -1 : 0;
}

static void add_up(struct text_file *text)
{
    text->sum = text->lines = 0;
    for (size_t at = 0, len; at < text->len; at += len) {
        len = text->len - at < TEXT_FILE_PASS ? text->len - at : TEXT_FILE_PASS;
        text->sum = seal_hash_on(text->sum, text->bytes + at, len);
        for (const char *end = text->bytes + at + len, *from = text->bytes + at;
             (from = memchr(from, '\n', (size_t)(end - from))) != NULL; from++)
            text->lines++;
        text_file_pass(text, at, at + len);
    }
}

static bool is_as_read(const struct text_file *text, const struct stat *st)
{
    return st->st_ino == text->inode && st->st_size == (off_t)text->len &&
           st->st_mtim.tv_sec == text->modified.tv_sec &&
           st->st_mtim.tv_nsec == text->modified.tv_nsec;
}

bool text_file_is_same(const struct text_file *text)
{
    struct stat st;

    return !text->mapped || (fstat(text->fd, &st) == 0 && is_as_read(text, &st));
}

bool text_file_is_current(const struct text_file *text)
{
    struct stat st;

    return text->bytes != NULL && stat(text->name, &st) == 0 && is_as_read(text, &st);
}

void text_file_pass(const struct text_file *text, size_t from, size_t to)
{
    from = from / TEXT_FILE_PASS * TEXT_FILE_PASS;
    to = to == text->len ? to : to / TEXT_FILE_PASS * TEXT_FILE_PASS;
    if (text->mapped && from < to)
        madvise(text->bytes + from, to - from, MADV_DONTNEED);
}

/* A copy of a large file would be most of a tool's memory. A mapping can be read again at any time,
 * so the part that has been dealt with need not stay in memory. */
static int map_file(struct text_file *text, int fd, const struct stat *st)
{
    size_t size = (size_t)st->st_size;
    void *map = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);

    if (map == MAP_FAILED)
        return -1;
    text->bytes = map;
    text->len = size;
    text->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    text->mapped = true;
    return 0;
}

static int read_file(struct text_file *text, int fd)
{
    struct stat st;

    if (fstat(fd, &st) != 0)
        return -1;
    if (!S_ISREG(st.st_mode)) {
        errno = S_ISDIR(st.st_mode) ? EISDIR : EINVAL;
        return -1;
    }
    text->inode = st.st_ino;
    text->modified = st.st_mtim;
    if (st.st_size >= MAPPED_MIN)
        return map_file(text, fd, &st);
    return read_all(text, fd, (size_t)st.st_size);
}

/* A dangling link, such as one to a file system that is not mounted, is not the same as no file. */
static bool leads_nowhere(const char *path)
{
    struct stat st;

    return lstat(path, &st) == 0 && S_ISLNK(st.st_mode);
}

int text_file_read(struct text_file *text, const char *folder, const char *name)
{
    *text = (struct text_file){.name = folder_path(folder, name)};
    int fd = open(text->name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0 && errno == ENOENT && leads_nowhere(text->name))
        errno = ENOLINK;
    if (fd < 0)
        return errno == ENOENT ? 0 : -1;
    int result = read_file(text, fd);
    file_close(fd);
    add_up(text);
    return result == 0 ? 1 : -1;
}

int text_file_read_stream(struct text_file *text, const char *name, int fd)
{
    *text = (struct text_file){.name = memory_format("%s", name)};
    return read_all(text, fd, 64 << 10);
}

void text_file_borrow(struct text_file *text, const char *folder, const char *name,
                      struct slice bytes)
{
    *text =
        (struct text_file){.name = folder_path(folder, name), .len = bytes.len, .borrowed = true};
    memcpy(&text->bytes, &bytes.at, sizeof text->bytes); /* a cast would take the const away */
    add_up(text);
}

void text_file_free(struct text_file *text)
{
    if (text->mapped) {
        munmap(text->bytes, text->len);
        close(text->fd);
    } else if (!text->borrowed) {
        if (text->bytes != NULL)
            explicit_bzero(text->bytes, text->len); /* it may contain hashes */
        free(text->bytes);
    }
    free(text->name);
    *text = (struct text_file){0};
}

static bool is_dirty(char c)
{
    return ((unsigned char)c < ' ' && c != '\t') || c == 0x7f;
}

/* The length of a beginning of the line that has no control character, not even a tab. It looks at
 * eight bytes at once, because files may have gigabytes. */
static size_t skip_printable(struct slice line)
{
    const uint64_t ones = UINT64_MAX / 0xff, tops = ones * 0x80;
    size_t at = 0;

    for (uint64_t word; at + sizeof word <= line.len; at += sizeof word) {
        memcpy(&word, line.at + at, sizeof word);
        uint64_t controls = (word - ones * ' ') & ~word & tops;
        word ^= ones * 0x7f;
        if (controls != 0 || ((word - ones) & ~word & tops) != 0)
            break;
    }
    return at;
}

static bool is_clean(const struct text_file *text, struct report *report, struct slice line)
{
    if (line.len > TEXT_FILE_LINE_MAX) {
        report_error(report, text->name, text->line, "the line is longer than %d bytes: split it",
                     TEXT_FILE_LINE_MAX);
        return false;
    }
    for (size_t i = skip_printable(line); i < line.len; i++)
        if (is_dirty(line.at[i])) {
            report_error(report, text->name, text->line,
                         "byte %zu is a control character (%d): remove it", i + 1, line.at[i]);
            return false;
        }
    return true;
}

bool text_file_line(struct text_file *text, struct report *report, struct slice *line)
{
    static const char mark[] = "\xef\xbb\xbf";

    while (text->next < text->len) {
        const char *start = text->bytes + text->next;
        const char *newline = memchr(start, '\n', text->len - text->next);
        *line = (struct slice){start, newline == NULL ? text->len - text->next
                                                      : (size_t)(newline - start)};
        size_t before = text->next;
        text->next += line->len + (newline != NULL);
        text->line++;
        if (before / TEXT_FILE_PASS != text->next / TEXT_FILE_PASS)
            text_file_pass(text, before, text->next);
        if (text->line == 1 && line->len >= 3 && memcmp(start, mark, 3) == 0)
            *line = (struct slice){start + 3, line->len - 3};
        if (line->len > 0 && line->at[line->len - 1] == '\r')
            line->len--;
        struct slice trimmed = slice_trim(*line);
        if (trimmed.len == 0 || *trimmed.at == '#')
            continue;
        text->is_wrong = !is_clean(text, report, *line);
        if (text->is_wrong && !text->takes_wrong)
            continue;
        line->len = (size_t)(trimmed.at - line->at) + trimmed.len;
        return true;
    }
    return false;
}

struct slice text_file_cut(struct slice *rest, char at)
{
    struct slice part = *rest;
    char closing = '\0';

    for (size_t i = 0; i < part.len; i++) {
        char c = part.at[i];
        if (closing != '\0') {
            if (c == '\\' && closing == '"')
                i++;
            else if (c == closing)
                closing = '\0';
        } else if (c == '"' || c == '[') {
            closing = c == '"' ? '"' : ']';
        } else if (c == at) {
            *rest = (struct slice){part.at + i + 1, part.len - i - 1};
            part.len = i;
            return part;
        }
    }
    *rest = (struct slice){0};
    return part;
}
