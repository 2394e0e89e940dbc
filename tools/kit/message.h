/*
 * message: messages on standard error, and the exit codes that go with them.
 */
#ifndef MAILSLOT_MESSAGE_H
#define MAILSLOT_MESSAGE_H

#include <stdarg.h>

enum {
    EXIT_DONE = 0,
    EXIT_ABSENT = 1,   /* there is no such user, mailbox, ... */
    EXIT_WRONG = 100,  /* wrong usage, or files that must be corrected first */
    EXIT_FAILED = 111, /* this system failed; the same command may succeed later */
};

enum { MESSAGE_MAX = 4096 };

/* Both print "PROGRAM: what", message_errno() with strerror(errno) after it, and return the code.
 * They allocate nothing. */
int message_print(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));
int message_errno(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Formats a text that is safe on a terminal (printable.h). A longer one is cut off. */
void message_format(char text[MESSAGE_MAX], const char *format, va_list arguments)
    __attribute__((format(printf, 2, 0)));

#endif
