#include "hop_reply.h"

#include "../base/utf8.h"

#include <string.h>

void hop_reply_begin(struct hop_reply *reply)
{
    reply->code = reply->lines = reply->line_len = reply->text_len = 0;
    reply->ended = reply->full = false;
    reply->status[0] = reply->text[0] = '\0';
}

bool hop_reply_begun(const struct hop_reply *reply)
{
    return reply->lines > 0 || reply->line_len > 0;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Looks at as much of the line as has arrived, because what is not SMTP may never end a line. */
static bool begins_well(const char *line, size_t len)
{
    for (size_t i = 0; i < len && i < 3; i++)
        if (!is_digit(line[i]) || (i == 0 && (line[i] < '2' || line[i] > '5')))
            return false;
    if (len > 4 && line[3] == '\r')
        return line[4] == '\n';
    return len < 4 || line[3] == ' ' || line[3] == '-' || line[3] == '\r' || line[3] == '\n';
}

struct slice hop_reply_line(const struct hop_reply *reply)
{
    static const struct slice blanks = {"\r\n\t ", 4};
    size_t len = reply->line_len < sizeof reply->line ? reply->line_len : sizeof reply->line;

    while (len > 0 && slice_has(blanks, reply->line[len - 1]))
        len--;
    return slice_from((struct slice){reply->line, len}, 4);
}

/* Appends one character, if it still fits. */
static void put(struct hop_reply *reply, const char *c, size_t size)
{
    reply->full = reply->full || reply->text_len + size >= sizeof reply->text;
    if (reply->full)
        return;
    memcpy(reply->text + reply->text_len, c, size);
    reply->text_len = (uint16_t)(reply->text_len + size);
    reply->text[reply->text_len] = '\0';
}

static void put_printable(struct hop_reply *reply, struct slice text)
{
    uint32_t c;

    if (reply->text_len > 0 && text.len > 0)
        put(reply, " ", 1);
    while (text.len > 0) {
        size_t size = utf8_decode(text.at, text.len, &c);
        if (size == 0 || c < ' ' || (c >= 0x7f && c < 0xa0))
            put(reply, size == 1 && c == '\t' ? " " : "?", 1);
        else
            put(reply, text.at, size);
        text = slice_from(text, size > 0 ? size : 1);
    }
}

/* Adds the text of a whole line. Its enhanced status code may be on each line, or on any. */
static void add_line(struct hop_reply *reply)
{
    struct slice text = hop_reply_line(reply);
    struct slice status = {text.at, hop_status_len(text, reply->code)};

    if (reply->status[0] == '\0' && status.len > 0) {
        memcpy(reply->status, status.at, status.len);
        reply->status[status.len] = '\0';
    }
    if (status.len > 0 && slice_is(status, reply->status))
        text = slice_trim(slice_from(text, status.len));
    put_printable(reply, text);
}

static void add_status(struct hop_reply *reply)
{
    static const char *const statuses[] = {[2] = "2.0.0", [3] = "", [4] = "4.0.0", [5] = "5.0.0"};

    if (reply->status[0] == '\0')
        strcpy(reply->status, statuses[reply->code / 100]);
}

/* The line is whole. */
static enum hop_reply_result end_line(struct hop_reply *reply)
{
    const char *line = reply->line;

    if (reply->line_len < 4 || ++reply->lines > HOP_REPLY_LINES_MAX)
        return HOP_REPLY_MALFORMED;
    int code = (line[0] - '0') * 100 + (line[1] - '0') * 10 + line[2] - '0';
    if (reply->lines > 1 && code != reply->code)
        return HOP_REPLY_MALFORMED;
    reply->code = (uint16_t)code;
    add_line(reply);
    if (line[3] == '-')
        return HOP_REPLY_LINE;
    add_status(reply);
    return HOP_REPLY_WHOLE;
}

/* Of a malformed reply, the text is what has come of its last line. */
static void keep_malformed(struct hop_reply *reply)
{
    const struct slice line = {
        reply->line, reply->line_len < sizeof reply->line ? reply->line_len : sizeof reply->line};

    hop_reply_begin(reply);
    put_printable(reply, slice_trim(slice_until(slice_until(line, '\n'), '\r')));
}

size_t hop_reply_feed(struct hop_reply *reply, struct slice bytes, enum hop_reply_result *result)
{
    size_t had = reply->ended ? 0 : reply->line_len, room = HOP_REPLY_LINE_MAX - had;
    size_t len = slice_until(bytes, '\n').len;

    reply->ended = len < bytes.len && len < room;
    len = len < room ? len + reply->ended : room;
    if (had < sizeof reply->line)
        memcpy(reply->line + had, bytes.at,
               len < sizeof reply->line - had ? len : sizeof reply->line - had);
    reply->line_len = (uint16_t)(had + len);
    *result = HOP_REPLY_PART;
    if (!begins_well(reply->line, reply->line_len) ||
        (!reply->ended && reply->line_len == HOP_REPLY_LINE_MAX))
        *result = HOP_REPLY_MALFORMED;
    else if (reply->ended)
        *result = end_line(reply);
    if (*result == HOP_REPLY_MALFORMED)
        keep_malformed(reply);
    return len;
}
