/*
 * text_file: one of the administrator's files in memory, taken line by line.
 */
#ifndef MAILSLOT_TEXT_FILE_H
#define MAILSLOT_TEXT_FILE_H

#include "../../smtpd/base/slice.h"
#include "report.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

/* An alias with 400 long targets fits in one line. */
enum { TEXT_FILE_LINE_MAX = 64 << 10 };

/* The step, in bytes, in which files are checked and text_file_pass() frees memory. */
enum { TEXT_FILE_PASS = 4 << 20 };

struct text_file {
    char *name;  /* the path, for messages */
    char *bytes; /* the file as it is; never changed */
    size_t len;
    bool mapped;   /* a large file is mapped, not copied */
    int fd;        /* of a file that is mapped */
    bool borrowed; /* the bytes are not to be freed */
    ino_t inode;   /* of the file, and when it was changed last */
    struct timespec modified;
    uint64_t sum; /* a checksum, to notice a change */
    size_t lines;
    size_t next;      /* where the next line begins */
    unsigned line;    /* the number of the last line taken */
    bool takes_wrong; /* lines that are reported are taken, too */
    bool is_wrong;    /* the last line taken was reported */
};

/* Reads folder/name. 1, or 0 if there is no such file (then the text is empty), -1 with errno;
 * ENOLINK: there is a link, but it leads nowhere. */
int text_file_read(struct text_file *text, const char *folder, const char *name);
/* Reads a file of any kind to its end; 0, or -1 with errno. */
int text_file_read_stream(struct text_file *text, const char *name, int fd);
/* The same from memory, which is not copied: it must stay as long as the text. */
void text_file_borrow(struct text_file *text, const char *folder, const char *name,
                      struct slice bytes);
void text_file_free(struct text_file *text);

/* Has the file not changed since it was read? Only a large file can have, because it is mapped. */
bool text_file_is_same(const struct text_file *text);
/* Would text_file_read() read the same again? */
bool text_file_is_current(const struct text_file *text);
/* The bytes between these two offsets are not needed for now, and need not stay in memory. */
void text_file_pass(const struct text_file *text, size_t from, size_t to);

/*
 * Takes the next line that is neither empty nor a comment (`#` first, perhaps after blanks),
 * without line end and trailing blanks. CRLF and a byte order mark are accepted; lines that are too
 * long or have control bytes are reported and, unless takes_wrong is set, skipped. False: no more
 * lines.
 */
bool text_file_line(struct text_file *text, struct report *report, struct slice *line);

/*
 * Cuts *rest at the first byte `at` that is not in a quoted string or in brackets, so that
 * `"a:b"@example.org` and `a@[IPv6:::1]` stay whole. Returns the part before it; *rest becomes the
 * part after it, and its `at` becomes NULL if there was no such byte.
 */
struct slice text_file_cut(struct slice *rest, char at);

#endif
