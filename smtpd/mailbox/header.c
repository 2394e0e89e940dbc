#include "header.h"

#include <string.h>
#include <strings.h>

/*
 * Where programs keep what they know of a mailbox and its messages. Readers believe these fields:
 * where a message ends, that it is hidden, deleted or read, which number comes next.
 */
static const char *const state_names[] = {
    "Content-Length",   /* mutt, formail, Mail::Box, Dovecot */
    "Status",           /* all */
    "X-Status",         /* c-client (Alpine, UW IMAP), Dovecot, mutt, s-nail, Python, mb2md */
    "X-Keywords",       /* c-client, Dovecot */
    "X-UID",            /* c-client, Dovecot, mailutils */
    "X-IMAP",           /* c-client, Dovecot */
    "X-IMAPbase",       /* c-client, Dovecot, mailutils */
    "X-UIDL",           /* qpopper, mailutils' pop3d */
    "X-Delivery-ID",    /* Dovecot */
    "X-Mozilla-Status", /* Thunderbird, mb2md */
    "X-Mozilla-Status2",
    "X-Mozilla-Keys",
    "X-Evolution", /* Evolution, mb2md */
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static bool is_name(const char *text, size_t len, const char *name)
{
    return len == strlen(name) && strncasecmp(text, name, len) == 0;
}

static bool is_state(const char *name, size_t len)
{
    for (size_t i = 0; i < sizeof state_names / sizeof state_names[0]; i++)
        if (is_name(name, len, state_names[i]))
            return true;
    return false;
}

/* "From " after any number of ">". */
static bool is_from(const char *line, size_t len)
{
    const char *end = line + len;

    while (line < end && *line == '>')
        line++;
    return end - line >= 5 && memcmp(line, "From ", 5) == 0;
}

/* Is this a field, and of which kind? The name is printable ASCII; blanks may follow, then a colon.
 * Where blanks fill the buffer the colon may still come. */
static enum header_kind field_kind(struct header_part *part)
{
    const char *line = part->text;
    size_t name = 0, end;

    while (name < part->len && line[name] > ' ' && line[name] <= '~' && line[name] != ':')
        name++;
    for (end = name; end < part->len && is_blank(line[end]); end++)
        ;
    bool colon = end < part->len && line[end] == ':';
    part->name_len = name;
    if ((colon || end == HEADER_LINE_MAX) && is_state(line, name))
        return HEADER_STATE;
    return colon && name > 0 ? HEADER_FIELD : HEADER_OTHER;
}

static void judge(struct header *header, struct header_part *part)
{
    *part = (struct header_part){.text = header->line, .len = header->len};
    part->kind = field_kind(part);
    if (part->kind == HEADER_OTHER && !header->seen)
        part->kind = is_from(part->text, part->len) ? HEADER_FROM : HEADER_BODY;
    header->seen = header->seen || part->kind == HEADER_FIELD;
    header->folding = true;
    header->in_body = part->kind == HEADER_BODY;
    header->len = 0;
}

/* The rest of a line: up to its end or a NUL, or all there is. */
static size_t take_rest(struct header *header, const char *text, size_t len,
                        struct header_part *part)
{
    const char *newline = memchr(text, '\n', len);
    size_t taken = newline == NULL ? len : (size_t)(newline - text) + 1;
    const char *nul = memchr(text, '\0', taken);

    if (nul != NULL)
        taken = (size_t)(nul - text);
    header->in_line = nul != NULL || newline == NULL;
    *part = (struct header_part){.kind = HEADER_REST, .text = text, .len = taken};
    return taken;
}

size_t header_next(struct header *header, const char *text, size_t len, struct header_part *part)
{
    *part = (struct header_part){.kind = HEADER_NONE};
    if (!header->in_body && *text == '\0')
        return 1;
    if (!header->in_body && header->len == 0 && !header->in_line) {
        header->in_body = *text == '\n' || (is_blank(*text) && !header->folding);
        header->in_line = is_blank(*text); /* a folded line */
    }
    if (header->in_body) {
        *part = (struct header_part){.kind = HEADER_BODY, .text = text, .len = len};
        return len;
    }
    if (header->in_line)
        return take_rest(header, text, len, part);
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '\0')
            return i;
        header->line[header->len++] = text[i];
        if (text[i] != '\n' && header->len < sizeof header->line)
            continue;
        judge(header, part);
        header->in_line = text[i] != '\n';
        return i + 1;
    }
    return len;
}

bool header_in_line(const struct header *header)
{
    return !header->in_body && (header->in_line || header->len > 0);
}

bool header_has_name(const struct header_part *part, const char *name)
{
    return part->kind == HEADER_FIELD && is_name(part->text, part->name_len, name);
}
