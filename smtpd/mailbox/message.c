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
}

void message_begin(struct message *message, const char *hostname, const char *mail_root,
                   void (*came_back)(void *context, struct slice address), void *context)
{
    message->size = 0;
    message->header = (struct header){0};
    header_facts_begin(&message->facts, hostname);
    mboxrd_begin(&message->mboxrd, keep, message);
    spool_begin(&message->spool, mail_root);
    message->error = 0;
    message->came_back = came_back;
    message->context = context;
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
        if (header_facts_part(&message->facts, &part))
            message->came_back(message->context, (struct slice){message->facts.delivered,
                                                                message->facts.delivered_len});
        mboxrd_part(&message->mboxrd, &part);
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
    return result(message);
}

void message_drop(struct message *message)
{
    spool_end(&message->spool);
}
