#include "message.h"

#include <errno.h>

static void keep(void *context, const char *bytes, size_t len)
{
    struct message *message = context;

    if (message->error == 0 && spool_write(&message->spool, bytes, len) != 0)
        message->error = errno;
}

void message_init(struct message *message)
{
    spool_begin(&message->spool, NULL);
    onward_init(&message->onward);
}

void message_begin(struct message *message, const char *hostname, const char *mail_root,
                   void (*came_back)(void *context, struct slice address), void *context)
{
    message->size = 0;
    message->header = (struct header){0};
    header_facts_begin(&message->facts, hostname);
    mboxrd_begin(&message->mboxrd, keep, message);
    spool_begin(&message->spool, mail_root);
    message->without_bcc = message->leaving_out = false;
    message->error = 0;
    message->came_back = came_back;
    message->context = context;
}

void message_leave_out_bcc(struct message *message)
{
    message->without_bcc = true;
}

void message_goes_onward(struct message *message)
{
    if (!message->onward.wanted)
        onward_begin(&message->onward, message->spool.root);
    spool_goes_to(&message->onward.spool, message->spool.mailbox);
}

void message_goes_to(struct message *message, struct slice mailbox)
{
    spool_goes_to(&message->spool, mailbox);
    if (message->onward.wanted)
        spool_goes_to(&message->onward.spool, mailbox);
}

static bool is_left_out(struct message *message, const struct header_part *part)
{
    if (part->kind != HEADER_REST && part->kind != HEADER_NONE)
        message->leaving_out = message->without_bcc && (header_has_name(part, "Bcc") ||
                                                        header_has_name(part, "Resent-Bcc"));
    return message->leaving_out;
}

static int result(const struct message *message)
{
    errno = message->error;
    return message->error == 0 ? 0 : -1;
}

static void take(struct message *message, struct slice text)
{
    struct header_part part;

    while (text.len > 0 && message->error == 0) {
        text = slice_from(text, header_next(&message->header, text, &part));
        if (is_left_out(message, &part))
            continue;
        if (header_facts_part(&message->facts, &part))
            message->came_back(message->context, (struct slice){message->facts.delivered,
                                                                message->facts.delivered_len});
        mboxrd_part(&message->mboxrd, &part);
        if (onward_part(&message->onward, &part) != 0)
            message->error = errno;
    }
}

int message_text(struct message *message, struct slice text)
{
    message->size += text.len;
    take(message, text);
    return result(message);
}

int message_end(struct message *message)
{
    if (header_in_line(&message->header))
        take(message, slice_of("\n"));
    mboxrd_end(&message->mboxrd);
    if (message->error == 0 && spool_finish(&message->spool) != 0)
        message->error = errno;
    if (message->error == 0 && onward_end(&message->onward) != 0)
        message->error = errno;
    return result(message);
}

void message_drop(struct message *message)
{
    spool_end(&message->spool);
    onward_drop(&message->onward);
}
