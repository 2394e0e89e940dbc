#include "mboxrd.h"

#include <string.h>

void mboxrd_begin(struct mboxrd *mboxrd,
                  void (*write)(void *context, const char *bytes, size_t len), void *context)
{
    mboxrd->quote = (struct quote){0};
    mboxrd->in_body = mboxrd->leaving_out = false;
    mboxrd->write = write;
    mboxrd->context = context;
}

static void pass(struct mboxrd *mboxrd, const char *bytes, size_t len)
{
    size_t quoted = quote_feed(&mboxrd->quote, bytes, len, mboxrd->quoted);

    mboxrd->write(mboxrd->context, mboxrd->quoted, quoted);
}

void mboxrd_part(struct mboxrd *mboxrd, const struct header_part *part)
{
    static const char from_field[] = "X-Mailbox-Line: ";

    if (part->kind == HEADER_NONE)
        return;
    if (part->kind != HEADER_REST)
        mboxrd->leaving_out = part->kind == HEADER_STATE;
    if (mboxrd->leaving_out)
        return;
    if (part->kind == HEADER_FROM)
        pass(mboxrd, from_field, sizeof from_field - 1);
    if (part->kind == HEADER_BODY && !mboxrd->in_body) {
        if (*part->text.at != '\n')
            pass(mboxrd, "\n", 1);
        mboxrd->in_body = true;
    }
    pass(mboxrd, part->text.at, part->text.len);
}

void mboxrd_end(struct mboxrd *mboxrd)
{
    char end[QUOTE_SIZE(0) + 2];
    size_t len = quote_end(&mboxrd->quote, end);

    if (!mboxrd->in_body)
        end[len++] = '\n';
    end[len++] = '\n';
    mboxrd->write(mboxrd->context, end, len);
}
