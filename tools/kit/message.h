/*
 * message: what a tool says on standard error, and the exit code that goes with it.
 */
#ifndef MAILSLOT_MESSAGE_H
#define MAILSLOT_MESSAGE_H

#include <stdarg.h>

enum {
    EXIT_DONE = 0,
    EXIT_ABSENT = 1,   /* what was asked for is not there */
    EXIT_WRONG = 100,  /* wrong usage, or files that must be corrected first */
    EXIT_FAILED = 111, /* this system failed; the same command may succeed later */
};

enum { MESSAGE_MAX = 4096 };

/* Both print "PROGRAM: what", message_errno() with strerror(errno) after it, and return the code.
 * They allocate nothing. */
int message_print(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));
int message_errno(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Formats a text that may be shown on a terminal (printable.h); cut off where it is too long. */
void message_format(char text[MESSAGE_MAX], const char *format, va_list arguments)
    __attribute__((format(printf, 2, 0)));

#endif
