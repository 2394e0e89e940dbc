#include "header.h"

#include <string.h>

/* Where programs keep what they know about a mailbox and its messages. Readers believe these
 * fields: where a message ends, that it is hidden, deleted or read, which number comes next. */
#define NAME(text)                                                                                 \
    {                                                                                              \
        text, sizeof text - 1                                                                      \
    }
static const struct slice state_names[] = {
    NAME("Content-Length"),   /* mutt, formail, Mail::Box, Dovecot */
    NAME("Status"),           /* all */
    NAME("X-Status"),         /* c-client (Alpine, UW IMAP), Dovecot, mutt, s-nail, Python, mb2md */
    NAME("X-Keywords"),       /* c-client, Dovecot */
    NAME("X-UID"),            /* c-client, Dovecot, mailutils */
    NAME("X-IMAP"),           /* c-client, Dovecot */
    NAME("X-IMAPbase"),       /* c-client, Dovecot, mailutils */
    NAME("X-UIDL"),           /* qpopper, mailutils' pop3d */
    NAME("X-Delivery-ID"),    /* Dovecot */
    NAME("X-Mozilla-Status"), /* Thunderbird, mb2md */
    NAME("X-Mozilla-Status2"),
    NAME("X-Mozilla-Keys"),
    NAME("X-Evolution"), /* Evolution, mb2md */
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static bool is_state(struct slice name)
{
    for (size_t i = 0; i < sizeof state_names / sizeof state_names[0]; i++)
        if (name.len == state_names[i].len && slice_is_word(name, state_names[i].at))
            return true;
    return false;
}

/* "From " after any number of ">". */
static bool is_from(struct slice line)
{
    while (slice_begins(line, ">"))
        line = slice_from(line, 1);
    return slice_begins(line, "From ");
}

/* Is this a field, and of which kind? The name is printable ASCII; blanks may follow, then a colon.
 * If blanks fill the buffer, the colon may still come. */
static enum header_kind field_kind(struct header_part *part)
{
    const char *line = part->text.at;
    size_t name = 0, end, len = part->text.len;

    while (name < len && line[name] > ' ' && line[name] <= '~' && line[name] != ':')
        name++;
    for (end = name; end < len && is_blank(line[end]); end++)
        ;
    bool colon = end < len && line[end] == ':';
    part->name = (struct slice){line, name};
    if ((colon || end == HEADER_LINE_MAX) && is_state(part->name))
        return HEADER_STATE;
    return colon && name > 0 ? HEADER_FIELD : HEADER_OTHER;
}

static void judge(struct header *header, struct header_part *part)
{
    *part = (struct header_part){.text = {header->line, header->len}};
    part->kind = field_kind(part);
    if (part->kind == HEADER_OTHER && !header->seen)
        part->kind = is_from(part->text) ? HEADER_FROM : HEADER_BODY;
    header->seen = header->seen || part->kind == HEADER_FIELD;
    header->folding = true;
    header->in_body = part->kind == HEADER_BODY;
    header->len = 0;
}

/* The rest of a line: up to its end or a NUL, or all there is. */
static size_t take_rest(struct header *header, struct slice text, struct header_part *part)
{
    const char *newline = memchr(text.at, '\n', text.len);
    size_t taken = newline == NULL ? text.len : (size_t)(newline - text.at) + 1;
    const char *nul = memchr(text.at, '\0', taken);

    if (nul != NULL)
        taken = (size_t)(nul - text.at);
    header->in_line = nul != NULL || newline == NULL;
    *part = (struct header_part){.kind = HEADER_REST, .text = {text.at, taken}};
    return taken;
}

size_t header_next(struct header *header, struct slice text, struct header_part *part)
{
    *part = (struct header_part){.kind = HEADER_NONE};
    if (!header->in_body && *text.at == '\0')
        return 1;
    if (!header->in_body && header->len == 0 && !header->in_line) {
        header->in_body = *text.at == '\n' || (is_blank(*text.at) && !header->folding);
        header->in_line = is_blank(*text.at); /* a folded line */
    }
    if (header->in_body) {
        *part = (struct header_part){.kind = HEADER_BODY, .text = text};
        return text.len;
    }
    if (header->in_line)
        return take_rest(header, text, part);
    for (size_t i = 0; i < text.len; i++) {
        if (text.at[i] == '\0')
            return i;
        header->line[header->len++] = text.at[i];
        if (text.at[i] != '\n' && header->len < sizeof header->line)
            continue;
        judge(header, part);
        header->in_line = text.at[i] != '\n';
        return i + 1;
    }
    return text.len;
}

bool header_in_line(const struct header *header)
{
    return !header->in_body && (header->in_line || header->len > 0);
}

bool header_has_name(const struct header_part *part, const char *name)
{
    return part->kind == HEADER_FIELD && slice_is_word(part->name, name);
}
