/*
 * report: what is wrong in the administrator's files, as `file:line: what is wrong and what to do`.
 *
 * Everything found is counted; only so many are printed that they can be read.
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

/* How often an error was found, and how many of these have excused a later one. */
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

    /* What is said about a line of the file of this name that has an origin (their index is the
     * number of the line) is said about that. NULL: no file is one of these. */
    const char *gathered;
    struct report_origin *origins;
    size_t origins_len;
};

/* line 0: the file as a whole. Control bytes in what is printed are replaced: it may hold anything
 * that stands in the files, and goes to a terminal. */
void report_error(struct report *report, const char *file, unsigned line, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
void report_warning(struct report *report, const char *file, unsigned line, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Says what was not shown. */
void report_finish(struct report *report);

/* Each error in it excuses one again. */
void report_again(struct report_memory *memory);
void report_forget(struct report_memory *memory);

#endif
