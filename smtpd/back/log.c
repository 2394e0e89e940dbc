#include "log.h"

#include "../systemd.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LINE_MAX_LEN = 4096, FIELDS_MAX = 20, FIELD_MAX_LEN = 1024 };

static enum { LOG_TO_STDERR, LOG_TO_JOURNAL, LOG_TO_SYSLOG } destination;
static const char *peer_address;

static bool same_file(const struct stat *st, int fd)
{
    struct stat other;

    return fd >= 0 && fstat(fd, &other) == 0 && other.st_dev == st->st_dev &&
           other.st_ino == st->st_ino;
}

/* $JOURNAL_STREAM is `device:inode` of the stderr that systemd has made (systemd.exec(5)). */
static bool is_journal(const struct stat *st)
{
    const char *stream = getenv("JOURNAL_STREAM");
    char ours[64];

    snprintf(ours, sizeof ours, "%ju:%ju", (uintmax_t)st->st_dev, (uintmax_t)st->st_ino);
    return stream != NULL && strcmp(stream, ours) == 0;
}

void log_open(int in, int out)
{
    struct stat st;

    destination = LOG_TO_SYSLOG;
    if (fstat(2, &st) == 0) {
        if (is_journal(&st))
            destination = LOG_TO_JOURNAL;
        else if (S_ISCHR(st.st_mode) || (!same_file(&st, in) && !same_file(&st, out)))
            destination = LOG_TO_STDERR;
    }
    if (destination == LOG_TO_SYSLOG)
        openlog("mailslot", LOG_PID, LOG_MAIL);
}

void log_peer(const char *peer)
{
    peer_address = peer;
}

struct line {
    size_t len;
    char text[LINE_MAX_LEN];
};

static void add(struct line *line, const char *text)
{
    size_t len = strlen(text), room = sizeof line->text - 2 - line->len;

    len = len < room ? len : room; /* the last two are for newline and NUL */
    memcpy(line->text + line->len, text, len);
    line->len += len;
}

static bool is_plain(const char *value)
{
    for (const char *c = value; *c != '\0'; c++)
        if (*c <= ' ' || *c > '~' || *c == '"' || *c == '\\')
            return false;
    return *value != '\0';
}

static void add_value(struct line *line, const char *value)
{
    char escaped[8];

    if (is_plain(value)) {
        add(line, value);
        return;
    }
    add(line, "\"");
    for (const char *c = value; *c != '\0'; c++) {
        bool special = *c == '"' || *c == '\\';
        bool control = *c < ' ' || *c > '~';
        snprintf(escaped, sizeof escaped,
                 special   ? "\\%c"
                 : control ? "\\x%02x"
                           : "%c",
                 (unsigned char)*c);
        add(line, escaped);
    }
    add(line, "\"");
}

struct pairs {
    int count;
    const char *names[FIELDS_MAX];
    const char *values[FIELDS_MAX];
};

static int to_journal(int priority, const struct line *line, const char *event,
                      const struct pairs *pairs)
{
    static char fields[FIELDS_MAX + 4][FIELD_MAX_LEN];
    struct iovec vector[FIELDS_MAX + 4];
    int n = 0;

    snprintf(fields[n++], FIELD_MAX_LEN, "MESSAGE=%.*s", (int)line->len, line->text);
    snprintf(fields[n++], FIELD_MAX_LEN, "PRIORITY=%d", priority);
    snprintf(fields[n++], FIELD_MAX_LEN, "SYSLOG_IDENTIFIER=mailslot");
    snprintf(fields[n++], FIELD_MAX_LEN, "MAILSLOT_EVENT=%s", event);
    for (int i = 0; i < pairs->count; i++) {
        int name_len = snprintf(fields[n], FIELD_MAX_LEN, "MAILSLOT_%s=", pairs->names[i]);
        for (int c = 0; c < name_len; c++)
            fields[n][c] = fields[n][c] == '-' ? '_' : (char)toupper(fields[n][c]);
        snprintf(fields[n] + name_len, (size_t)(FIELD_MAX_LEN - name_len), "%s", pairs->values[i]);
        n++;
    }
    for (int i = 0; i < n; i++)
        vector[i] = (struct iovec){fields[i], strlen(fields[i])};
    return systemd_journal(vector, n);
}

static void to_stderr(struct line *line)
{
    char text[LINE_MAX_LEN + 32];
    int len = snprintf(text, sizeof text, "mailslot[%d]: %s\n", (int)getpid(), line->text);

    if (write(2, text, (size_t)len) < 0)
        return; /* nobody listens */
}

void log_event(int priority, const char *event, ...)
{
    struct pairs pairs = {0};
    struct line line = {0};
    va_list arguments;

    va_start(arguments, event);
    if (peer_address != NULL) {
        pairs.names[pairs.count] = "peer";
        pairs.values[pairs.count++] = peer_address;
    }
    for (const char *name; (name = va_arg(arguments, const char *)) != NULL;) {
        const char *value = va_arg(arguments, const char *);
        if (value == NULL || pairs.count == FIELDS_MAX)
            continue;
        pairs.names[pairs.count] = name;
        pairs.values[pairs.count++] = value;
    }
    va_end(arguments);

    add(&line, event);
    for (int i = 0; i < pairs.count; i++) {
        add(&line, " ");
        add(&line, pairs.names[i]);
        add(&line, "=");
        add_value(&line, pairs.values[i]);
    }
    line.text[line.len] = '\0';
    if (destination == LOG_TO_JOURNAL && to_journal(priority, &line, event, &pairs) == 0)
        return;
    if (destination == LOG_TO_SYSLOG)
        syslog(priority, "%s", line.text);
    else
        to_stderr(&line);
}
