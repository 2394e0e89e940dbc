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

/* 400 targets of an alias, at some length, fit in one line. */
enum { TEXT_FILE_LINE_MAX = 64 << 10 };

/* Files are checked, and text_file_pass() gives memory back, in steps of so many bytes. */
enum { TEXT_FILE_PASS = 4 << 20 };

struct text_file {
    char *name;  /* the path, for messages */
    char *bytes; /* the file as it is; never changed */
    size_t len;
    bool mapped;   /* it is a large file, and not copied */
    bool borrowed; /* the bytes are not to be freed */
    int fd;        /* of such a file */
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
/* Reads all that there is, of whatever kind of file; 0, or -1 with errno. */
int text_file_read_stream(struct text_file *text, const char *name, int fd);
/* The same from memory, which is not copied: it must stay as long as the text. */
void text_file_borrow(struct text_file *text, const char *folder, const char *name,
                      struct slice bytes);
void text_file_free(struct text_file *text);

/* Is it still what was read? A large file may have been written to in the meantime. */
bool text_file_is_same(const struct text_file *text);
/* Is it still what is at its name? */
bool text_file_is_current(const struct text_file *text);
/* What is between these two places is not needed for now, and need not be in memory. */
void text_file_pass(const struct text_file *text, size_t from, size_t to);

/*
 * Takes the next line that is neither empty nor a comment (`#` first, perhaps after blanks),
 * without line end and trailing blanks. CRLF and a byte order mark are accepted; lines that are too
 * long or have control bytes are reported and, unless takes_wrong is set, skipped. False: no more
 * lines.
 */
bool text_file_line(struct text_file *text, struct report *report, struct slice *line);

/*
 * Cuts *rest at the first of the byte `at` that is not in a quoted string or in brackets (so that
 * `"a:b"@example.org` and `a@[IPv6:::1]` stay whole). The part before it is returned; *rest becomes
 * what follows it, and its at NULL if there was none.
 */
struct slice text_file_cut(struct slice *rest, char at);

#endif
