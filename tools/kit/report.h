/*
 * report: what is wrong in the administrator's files, as `file:line: what is wrong and what to do`.
 *
 * All errors are counted, but only as many are printed as people can read.
 */
#ifndef MAILSLOT_REPORT_H
#define MAILSLOT_REPORT_H

#include "map.h"
#include "pool.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum { REPORT_ERRORS_SHOWN = 50, REPORT_WARNINGS_SHOWN = 10 };

/* A line that has been taken from another file. */
struct report_origin {
    const char *file; /* NULL: it has not been */
    unsigned line;
    bool wrong; /* an error has been reported */
};

/* How often an error was found in the earlier state, and how often since. */
struct report_count {
    unsigned found, used;
};

/* Errors that were found in an earlier state of the files. All zero: none. */
struct report_memory {
    struct map map; /* file and message: index of its counts */
    struct report_count *counts;
    size_t len, room;
    struct pool pool;
};

struct report {
    FILE *to;
    unsigned errors;
    unsigned known; /* of the errors: those that are not new, and were printed as warnings */
    unsigned warnings;
    bool all_errors;  /* print every one */
    bool no_warnings; /* print none */
    bool tolerant;    /* a file that cannot be read is an error like any other */

    bool lenient;                   /* all errors are known */
    struct report_memory *old;      /* errors that are in here are known; NULL: none */
    struct report_memory *remember; /* errors are noted here; NULL: nowhere */

    /* An error in a line of this file that has an origin (the index is the line's number) is
     * reported for the origin. NULL: lines of no file have one. */
    const char *gathered;
    struct report_origin *origins;
    size_t origins_len;
};

/* line 0: the file as a whole. Control characters are replaced, because the message may quote the
 * file and goes to a terminal. */
void report_error(struct report *report, const char *file, unsigned line, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
void report_warning(struct report *report, const char *file, unsigned line, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Prints how many were not shown. */
void report_finish(struct report *report);

/* Begins a comparison: nothing has been found since. */
void report_again(struct report_memory *memory);
void report_forget(struct report_memory *memory);

#endif
