#include "relay_log.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

static bool to_syslog, to_journal;

void relay_log_open(int client)
{
    struct stat err, other;

    to_syslog = fstat(STDERR_FILENO, &err) != 0 ||
                (client >= 0 && fstat(client, &other) == 0 && S_ISSOCK(err.st_mode) &&
                 err.st_dev == other.st_dev && err.st_ino == other.st_ino);
    to_journal = getenv("JOURNAL_STREAM") != NULL;
    if (to_syslog)
        openlog("mailslot-relay", LOG_PID | LOG_NDELAY, LOG_MAIL);
}

/* Some of it comes from outside, but nothing unprintable does: hop_reply.h, and names. */
void relay_log(int priority, const char *format, ...)
{
    char text[1024], line[1100];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    for (char *c = text; *c != '\0'; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = '?';
    if (to_syslog) {
        syslog(priority, "%s", text);
        return;
    }
    int len = to_journal
                  ? snprintf(line, sizeof line, "<%d>%s\n", priority, text)
                  : snprintf(line, sizeof line, "mailslot-relay[%d]: %s\n", (int)getpid(), text);
    if (write(STDERR_FILENO, line, (size_t)len) < 0)
        return; /* nobody reads it */
}
