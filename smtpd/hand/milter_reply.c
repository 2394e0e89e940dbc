#include "milter_reply.h"

#include "../base/utf8.h"

#include <string.h>

void milter_reply_print(struct slice text, char *to, size_t size)
{
    size_t len = strlen(to);
    uint32_t c;

    while (text.len > 0) {
        size_t read = utf8_decode(text.at, text.len, &c);
        bool prints = read > 0 && c >= ' ' && (c < 0x7f || c >= 0xa0);
        const char *from = prints ? text.at : read == 1 && c == '\t' ? " " : "?";
        size_t made = prints ? read : 1;
        if (len + made >= size)
            break;
        memcpy(to + len, from, made);
        len += made;
        text = slice_from(text, read > 0 ? read : 1);
    }
    to[len] = '\0';
}

/* A line's text, whose `%` are doubled. */
static void print_line(struct slice text, struct wall_milter_reply *reply)
{
    static const struct slice percent = {"%", 1};

    for (;;) {
        struct slice part = slice_until(text, '%');
        bool escape = part.len < text.len;
        milter_reply_print(part, reply->text, sizeof reply->text);
        text = slice_from(text, part.len + 1);
        if (!escape)
            return;
        if (text.len > 0 && *text.at == '%') {
            milter_reply_print(percent, reply->text, sizeof reply->text);
            text = slice_from(text, 1);
        }
    }
}

/* The code that a line begins with, 400 to 599; 0: it has none. */
static uint32_t code_of(struct slice line)
{
    uint64_t code;

    if (line.len < 4 || !slice_number((struct slice){line.at, 3}, &code))
        return 0;
    return code >= 400 && code < 600 ? (uint32_t)code : 0;
}

/* Removes the status that text begins with. False: it is of another class. */
static bool take_status(struct slice *text, struct wall_milter_reply *reply)
{
    struct slice status = {text->at, hop_status_len(*text, reply->code)};

    for (uint32_t class = 2; class <= 5; class ++)
        if (class != reply->code / 100 && hop_status_len(*text, class * 100) > 0)
            return false;
    if (reply->status[0] == '\0')
        memcpy(reply->status, status.at, status.len);
    if (status.len > 0 && slice_is(status, reply->status))
        *text = slice_trim(slice_from(*text, status.len));
    return true;
}

static bool add_line(struct slice line, bool first, bool last, struct wall_milter_reply *reply)
{
    uint32_t code = code_of(line);

    if (code == 0 || line.at[3] != (last ? ' ' : '-') || (!first && code != reply->code))
        return false;
    reply->code = code;
    struct slice text = slice_trim(slice_from(line, 4));
    if (!take_status(&text, reply))
        return false;
    size_t len = strlen(reply->text);
    if (!first && len < sizeof reply->text - 1)
        memcpy(reply->text + len, "\r", 2);
    print_line(text, reply);
    return true;
}

/* Removes a line from the front, with the CRLF after it; the last line has none. False: it has a CR
 * or LF that is not one. */
static bool cut_line(struct slice *rest, struct slice *line, bool *last)
{
    *line = slice_until(slice_until(*rest, '\n'), '\r');
    struct slice end = slice_from(*rest, line->len);
    *last = end.len == 0;
    *rest = slice_from(end, 2);
    return *last || slice_begins(end, "\r\n");
}

static const char *default_status(uint32_t code)
{
    return code == 421 ? "4.7.0" : code < 500 ? "4.7.1" : "5.7.1";
}

bool milter_reply_read(struct slice data, struct wall_milter_reply *reply)
{
    struct slice line;
    bool last = false;

    memset(reply->status, 0, sizeof reply->status);
    memset(reply->text, 0, sizeof reply->text);
    if (data.len > 0 && data.at[data.len - 1] == '\0')
        data.len--;
    if (slice_has(data, '\0'))
        return false;
    for (int lines = 0; !last; lines++)
        if (lines == MILTER_REPLY_LINES_MAX || !cut_line(&data, &line, &last) ||
            !add_line(line, lines == 0, last, reply))
            return false;
    if (reply->status[0] == '\0')
        strcpy(reply->status, default_status(reply->code));
    reply->answer = reply->code == 421  ? MILTER_SHUTDOWN
                    : reply->code < 500 ? MILTER_TEMPFAIL
                                        : MILTER_REJECT;
    return true;
}
