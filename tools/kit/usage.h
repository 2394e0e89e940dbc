/*
 * usage: what the tools have in common towards the one who calls them: exit codes, --help,
 * --version, and an output that is known to have arrived.
 */
#ifndef MAILSLOT_USAGE_H
#define MAILSLOT_USAGE_H

#include "../../smtpd/base/version.h"

#include <stdbool.h>

#ifndef MAILSLOT_SYSCONFDIR
#define MAILSLOT_SYSCONFDIR "/etc"
#endif

#define USAGE_FOLDER MAILSLOT_SYSCONFDIR "/mailslot"
#define USAGE_DATABASE "mailslot.cdb"

enum {
    USAGE_DONE = 0,
    USAGE_ABSENT = 1,   /* what was asked for is not there */
    USAGE_WRONG = 100,  /* wrong usage, or files that must be corrected first */
    USAGE_FAILED = 111, /* this system failed; the same command may succeed later */
};

/* To be called first. A reader who goes away becomes an error of write(2), and descriptors 0 to 2
 * are never those of a file that is opened later: a message would end up in the database. */
void usage_start(void);

/* Both print "PROGRAM: what", usage_fail() with strerror(errno) behind it, and return the code. */
int usage_wrong(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));
int usage_fail(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Prints a help text to stdout (where it was asked for) or to stderr; returns the exit code. */
int usage_help(bool asked, const char *text);
int usage_version(void);

/* Flushes and closes stdout. Returns code, or USAGE_FAILED with a message if output was lost. */
int usage_finish(int code);

/* FOLDER/NAME, allocated. */
char *usage_path(const char *folder, const char *name);

#endif
