#include "onward.h"

#include <string.h>

void onward_init(struct onward *onward)
{
    onward->wanted = false;
}

void onward_begin(struct onward *onward, const char *root)
{
    onward->wanted = true;
    onward->in_body = onward->in_line = onward->eight_bit = onward->utf8_header = false;
    onward->lines = 0;
    spool_begin(&onward->spool, root);
}

static uint64_t count_lines(struct slice text)
{
    uint64_t lines = 0;

    for (const char *at = text.at, *end = at + text.len;
         (at = memchr(at, '\n', (size_t)(end - at))) != NULL; at++)
        lines++;
    return lines;
}

static int keep(struct onward *onward, struct slice text)
{
    onward->lines += count_lines(text);
    if (text.len > 0)
        onward->in_line = !slice_ends(text, "\n");
    return spool_write(&onward->spool, text.at, text.len);
}

static void note_bytes(struct onward *onward, struct slice text)
{
    bool eight_bit = (!onward->eight_bit || !onward->in_body) && !slice_is_ascii(text);

    onward->eight_bit = onward->eight_bit || eight_bit;
    onward->utf8_header = onward->utf8_header || (eight_bit && !onward->in_body);
}

/* What must come before a part, so that our fields above the text stay fields. */
static struct slice before(struct onward *onward, const struct header_part *part)
{
    bool body_begins = part->kind == HEADER_BODY && !onward->in_body;

    onward->in_body = part->kind == HEADER_BODY;
    if (body_begins && *part->text.at != '\n')
        return slice_of("\n");
    return slice_of(part->kind == HEADER_FROM ? "X-Mailbox-Line: " : "");
}

int onward_part(struct onward *onward, const struct header_part *part)
{
    if (!onward->wanted || part->kind == HEADER_NONE)
        return 0;
    if (keep(onward, before(onward, part)) != 0)
        return -1;
    note_bytes(onward, part->text);
    return keep(onward, part->text);
}

int onward_end(struct onward *onward)
{
    if (!onward->wanted)
        return 0;
    if (onward->in_line && keep(onward, slice_of("\n")) != 0)
        return -1;
    return spool_finish(&onward->spool);
}

void onward_drop(struct onward *onward)
{
    if (onward->wanted)
        spool_end(&onward->spool);
    onward->wanted = false;
}
