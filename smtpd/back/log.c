#include "log.h"

#include "../base/clock.h"
#include "../base/id.h"
#include "../base/systemd.h"

#include <ctype.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

enum {
    PAIRS_MAX = 32,
    VALUE_MAX = 1024,       /* bytes of a value on a line, escaped */
    LINE_LIST_MAX = 2048,   /* of a list there */
    MESSAGE_LIST_MAX = 256, /* of a list in MESSAGE, which should stay short */
    FIELDS_SIZE = 49152,    /* of all fields of a journal entry: two lists and the rest */
    /* Above half of UIO_MAXIOV libsystemd would send a file descriptor instead. */
    FIELDS_MAX = 2 * LOG_LIST_FIELDS + PAIRS_MAX + 8,
};

static enum { LOG_TO_STDERR, LOG_TO_JOURNAL, LOG_TO_SYSLOG } destination;
static const char *peer_address;
static char session_id[ID_MAX];
static int64_t session_begin; /* clock_ms() */
static uint64_t counts[EVENT_COUNT], unlogged;

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
        openlog("mailslot", LOG_PID | LOG_NDELAY, LOG_MAIL); /* connect(2) is forbidden later */
}

void log_session(const char *peer)
{
    peer_address = peer;
    session_begin = clock_ms();
    id_make(session_id);
    memset(counts, 0, sizeof counts);
    unlogged = 0;
}

const char *log_session_id(void)
{
    return session_id;
}

uint64_t log_count(enum event event)
{
    return counts[event];
}

uint64_t log_unlogged(void)
{
    return unlogged;
}

struct pair {
    const char *name;
    size_t name_len;
    const char *value;
    bool is_list;
};

struct pairs {
    int count;
    struct pair list[PAIRS_MAX];
};

static void add_pair(struct pairs *pairs, const char *name, const char *value)
{
    size_t len = strlen(name);
    bool is_list = len > 2 && strcmp(name + len - 2, "[]") == 0;

    if (value != NULL && pairs->count < PAIRS_MAX)
        pairs->list[pairs->count++] = (struct pair){name, is_list ? len - 2 : len, value, is_list};
}

/* ---- text --------------------------------------------------------------------------------------
 */

struct text {
    char *bytes;
    size_t len, size;
};

/* All or nothing, so that no escape sequence is cut. */
static bool put(struct text *to, const char *bytes, size_t len)
{
    if (len > to->size - to->len)
        return false;
    memcpy(to->bytes + to->len, bytes, len);
    to->len += len;
    return true;
}

enum style { STYLE_FIELD, STYLE_QUOTED, STYLE_LIST /* quoted, with a comma for each LF */ };

/* One byte of a value. Control bytes could begin a line or a field or control a terminal, and
 * journalctl shows a value that has them as a blob. */
static bool put_escaped(struct text *to, unsigned char byte, enum style style)
{
    char escaped[8];
    int len;

    if (byte == '\n' && style == STYLE_LIST)
        return put(to, ",", 1);
    if (byte == '\\' || (byte == '"' && style != STYLE_FIELD))
        len = snprintf(escaped, sizeof escaped, "\\%c", byte);
    else if (byte < ' ' || byte > '~')
        len = snprintf(escaped, sizeof escaped, "\\x%02x", byte);
    else
        return put(to, (const char *)&byte, 1);
    return put(to, escaped, (size_t)len);
}

static bool is_plain(const struct pair *pair)
{
    for (const char *c = pair->value; *c != '\0'; c++)
        if ((*c <= ' ' || *c > '~' || *c == '"' || *c == '\\') && !(*c == '\n' && pair->is_list))
            return false;
    return *pair->value != '\0';
}

/* ` name=value`. A value longer than max, or than there is room for, ends in `...`. */
static void put_pair(struct text *line, const struct pair *pair, size_t max)
{
    bool plain = is_plain(pair);
    enum style style = pair->is_list ? STYLE_LIST : STYLE_QUOTED;
    size_t room = line->size - line->len, around = pair->name_len + sizeof " =\"...\"" - 1;

    if (room <= around)
        return;
    put(line, " ", 1);
    put(line, pair->name, pair->name_len);
    put(line, plain ? "=" : "=\"", plain ? 1 : 2);
    max = max < room - around ? max : room - around;
    struct text value = {line->bytes, line->len, line->len + max};
    const char *c = pair->value;
    while (*c != '\0' && put_escaped(&value, (unsigned char)*c, style))
        c++;
    line->len = value.len;
    if (*c != '\0')
        put(line, "...", 3);
    if (!plain)
        put(line, "\"", 1);
}

static bool is_in_message(const struct event_kind *kind, const struct pair *pair)
{
    const char *word = kind->message;

    for (size_t len; *word != '\0'; word += len + (word[len] == ' ')) {
        len = strcspn(word, " ");
        if (len == pair->name_len && memcmp(word, pair->name, len) == 0)
            return true;
    }
    return false;
}

/* The client and the other pairs of MESSAGE, or those that are not part of it. */
static void put_pairs(struct text *line, const struct event_kind *kind, const struct pairs *pairs,
                      bool in_message, size_t list_max)
{
    for (int i = 0; i < pairs->count; i++) {
        const struct pair *pair = &pairs->list[i];
        bool is_peer = i == 0 && peer_address != NULL;
        if ((is_peer || is_in_message(kind, pair)) == in_message)
            put_pair(line, pair, pair->is_list ? list_max : VALUE_MAX);
    }
}

static void put_message(struct text *line, const struct event_kind *kind, const struct pairs *pairs,
                        size_t list_max)
{
    put(line, kind->name, strlen(kind->name));
    put_pairs(line, kind, pairs, true, list_max);
}

/* ---- where it goes -----------------------------------------------------------------------------
 */

struct entry {
    int count;
    struct iovec fields[FIELDS_MAX];
    struct text text;
};

static void end_field(struct entry *entry, size_t start)
{
    if (entry->count < FIELDS_MAX)
        entry->fields[entry->count++] =
            (struct iovec){entry->text.bytes + start, entry->text.len - start};
}

static void add_field(struct entry *entry, const char *name, const char *value)
{
    size_t start = entry->text.len;

    if (put(&entry->text, name, strlen(name)) && put(&entry->text, value, strlen(value)))
        end_field(entry, start);
}

/* A pair's field; for a list, a field for each element that there is room for. */
static void add_fields(struct entry *entry, const struct pair *pair)
{
    struct text *text = &entry->text;
    const char *c = pair->value;

    for (int n = 0; n < LOG_LIST_FIELDS; n++) {
        size_t start = text->len;
        bool whole = put(text, "MAILSLOT_", 9);
        for (size_t i = 0; i < pair->name_len; i++) {
            char upper = pair->name[i] == '-' ? '_' : (char)toupper(pair->name[i]);
            whole = put(text, &upper, 1) && whole;
        }
        whole = put(text, "=", 1) && whole;
        for (; whole && *c != '\0' && !(pair->is_list && *c == '\n'); c++)
            whole = put_escaped(text, (unsigned char)*c, STYLE_FIELD);
        if (!whole) {
            text->len = start;
            return;
        }
        end_field(entry, start);
        if (!pair->is_list || *c++ != '\n')
            return;
    }
}

static int to_journal(const struct event_kind *kind, const struct pairs *pairs)
{
    static char bytes[FIELDS_SIZE];
    struct entry entry = {.text = {bytes, 0, sizeof bytes}};
    char priority[] = {(char)('0' + kind->priority), '\0'};

    put(&entry.text, "MESSAGE=", 8);
    put_message(&entry.text, kind, pairs, MESSAGE_LIST_MAX);
    end_field(&entry, 0);
    add_field(&entry, "PRIORITY=", priority);
    add_field(&entry, "SYSLOG_IDENTIFIER=", "mailslot");
    add_field(&entry, "MESSAGE_ID=", kind->id);
    add_field(&entry, "MAILSLOT_EVENT=", kind->name);
    for (int i = 0; i < 2 * pairs->count; i++) /* lists come last, because they may be too long */
        if (pairs->list[i % pairs->count].is_list == (i >= pairs->count))
            add_fields(&entry, &pairs->list[i % pairs->count]);
    return systemd_journal(entry.fields, entry.count);
}

static void to_line(const struct event_kind *kind, const struct pairs *pairs)
{
    char bytes[PIPE_BUF];
    struct text line = {bytes, 0, sizeof bytes - 1};
    int head = snprintf(bytes, sizeof bytes, "mailslot[%d]: ", (int)getpid());

    line.len = (size_t)head;
    put_message(&line, kind, pairs, LINE_LIST_MAX);
    put_pairs(&line, kind, pairs, false, LINE_LIST_MAX);
    bytes[line.len] = '\0';
    if (destination == LOG_TO_SYSLOG) {
        syslog(kind->priority, "%s", bytes + head);
        return;
    }
    bytes[line.len] = '\n';
    if (write(2, bytes, line.len + 1) < 0)
        return; /* nobody reads it */
}

/* The pairs of every event of a session. */
static void add_session(struct pairs *pairs, char ms[static 24])
{
    if (peer_address == NULL)
        return;
    snprintf(ms, 24, "%" PRId64, clock_ms() - session_begin);
    add_pair(pairs, "peer", peer_address);
    add_pair(pairs, "session", session_id);
    add_pair(pairs, "session-ms", ms);
}

void log_event(enum event event, ...)
{
    const struct event_kind *kind = &event_kinds[event];
    struct pairs pairs = {0};
    va_list arguments;
    char ms[24];

    counts[event]++;
    if (kind->flood == EVENT_FEW && peer_address != NULL && counts[event] > LOG_FEW) {
        unlogged++;
        return;
    }
    add_session(&pairs, ms);
    va_start(arguments, event);
    for (const char *name; (name = va_arg(arguments, const char *)) != NULL;)
        add_pair(&pairs, name, va_arg(arguments, const char *));
    va_end(arguments);
    if (destination != LOG_TO_JOURNAL || to_journal(kind, &pairs) != 0)
        to_line(kind, &pairs);
}
