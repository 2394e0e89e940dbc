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
    draft_init(&message->draft);
}

void message_begin(struct message *message, const char *hostname, const char *mail_root,
                   void (*came_back)(void *context, struct slice address), void *context)
{
    message->size = 0;
    message->header = (struct header){0};
    header_facts_begin(&message->facts, hostname);
    mboxrd_begin(&message->mboxrd, keep, message);
    spool_begin(&message->spool, mail_root);
    message->above.spool = message->above.onward = 0;
    message->without_bcc = message->leaving_out = false;
    message->error = 0;
    message->came_back = came_back;
    message->context = context;
}

void message_leave_out_bcc(struct message *message)
{
    message->without_bcc = true;
}

void message_is_filtered(struct message *message, uint64_t largest)
{
    draft_begin(&message->draft, message->spool.root, largest);
    draft_goes_to(&message->draft, message->spool.mailbox);
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
    if (message->draft.begun)
        draft_goes_to(&message->draft, mailbox);
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

static void note_facts(struct message *message, const struct header_part *part)
{
    if (header_facts_part(&message->facts, part))
        message->came_back(message->context,
                           (struct slice){message->facts.delivered, message->facts.delivered_len});
}

static void deliver(struct message *message, const struct header_part *part)
{
    mboxrd_part(&message->mboxrd, part);
    if (onward_part(&message->onward, part) != 0)
        message->error = errno;
}

static void take(struct message *message, struct slice text)
{
    struct header_part part;

    while (text.len > 0 && message->error == 0) {
        text = slice_from(text, header_next(&message->header, text, &part));
        if (is_left_out(message, &part))
            continue;
        note_facts(message, &part);
        if (message->draft.begun)
            draft_part(&message->draft, &part);
        else
            deliver(message, &part);
    }
    if (message->draft.begun && message->error == 0)
        message->error = message->draft.error;
}

int message_text(struct message *message, struct slice text)
{
    message->size += text.len;
    take(message, text);
    return result(message);
}

static int end_spools(struct message *message)
{
    mboxrd_end(&message->mboxrd);
    if (message->error == 0 && spool_finish(&message->spool) != 0)
        message->error = errno;
    if (message->error == 0 && onward_end(&message->onward) != 0)
        message->error = errno;
    return result(message);
}

int message_end(struct message *message)
{
    if (header_in_line(&message->header))
        take(message, slice_of("\n"));
    if (!message->draft.begun)
        return end_spools(message);
    draft_end(&message->draft);
    if (message->error == 0)
        message->error = message->draft.error;
    return result(message);
}

/* ---- filtered ----------------------------------------------------------------------------------
 */

static int take_filtered(void *context, const char *bytes, size_t len)
{
    struct message *message = context;
    struct slice text = {bytes, len};
    struct header_part part;

    while (text.len > 0 && message->error == 0) {
        size_t most = text.len < MBOXRD_PART_MAX ? text.len : MBOXRD_PART_MAX;
        text =
            slice_from(text, header_next(&message->header, (struct slice){text.at, most}, &part));
        deliver(message, &part);
    }
    return result(message);
}

int message_filtered(struct message *message)
{
    struct slice header = draft_header(&message->draft), above = draft_above(&message->draft);
    struct slice below = slice_from(header, above.len);

    message->header = (struct header){0};
    if (message->error == 0)
        message->error = message->draft.error;
    take_filtered(message, above.at, above.len);
    message->above.spool = message->spool.size;
    message->above.onward = message->onward.wanted ? message->onward.spool.size : 0;
    take_filtered(message, below.at, below.len);
    take_filtered(message, "\n", 1);
    if (message->error == 0 && draft_copy_body(&message->draft, take_filtered, message) != 0)
        message->error = errno;
    return end_spools(message);
}

struct spool *message_as_received(struct message *message)
{
    return message->draft.begun ? &message->draft.received : &message->onward.spool;
}

static int look(void *context, const char *bytes, size_t len)
{
    struct message *message = context;
    struct slice text = {bytes, len};
    struct header_part part;

    while (text.len > 0) {
        text = slice_from(text, header_next(&message->header, text, &part));
        note_facts(message, &part);
    }
    return 0;
}

int message_look_for_loops(struct message *message)
{
    struct draft *draft = &message->draft;

    message->header = (struct header){0};
    header_facts_begin(&message->facts, message->facts.hostname);
    return spool_copy_part(&draft->received, 0, draft->body_at, look, message);
}

void message_drop(struct message *message)
{
    spool_end(&message->spool);
    onward_drop(&message->onward);
    draft_drop(&message->draft);
}
