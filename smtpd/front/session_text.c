#include "session_text.h"

#include "command.h"

#include <string.h>

/* Smaller chunks could go on for ever, so this many of them, not counting the last of a message,
 * count as one idle command. */
enum { SMALL_CHUNK = 64, SMALL_CHUNKS = 100 };

void session_data(struct session *session, struct slice argument, struct step *step)
{
    (void)argument;
    step->read = STEP_READ_TEXT;
    session_reply(session, step, REPLY_DATA);
}

/* If the size of a chunk is malformed its end is unknown, and what follows must not be taken for
 * commands. */
static bool parse_bdat(struct slice argument, struct step *step)
{
    bool good = command_parse_bdat(argument, &step->chunk, &step->last);

    if (!good)
        step_close(step, END_CHUNK);
    return good;
}

void session_bdat(struct session *session, struct slice argument, struct step *step)
{
    if (!parse_bdat(argument, step))
        return;
    step->read = STEP_READ_CHUNK;
    step->first = session->state != SESSION_CHUNKS;
    session->state = SESSION_CHUNKS;
    if (step->chunk < SMALL_CHUNK && !step->last && ++session->small_chunks % SMALL_CHUNKS == 0)
        session_count_idle(session, 1);
}

void session_bdat_refused(struct session *session, struct slice argument, enum reply reply,
                          struct step *step)
{
    if (!parse_bdat(argument, step))
        return;
    step->read = STEP_SKIP_CHUNK;
    session_reply(session, step, reply);
}

/* With `bare-newline = auto` the way the message comes decides. Exchange Online sends bare LF by
 * BDAT, where a length frames the message and nothing can be smuggled. Users' programs send them as
 * well, and users are authenticated. */
enum data_newlines session_newlines(const struct session *session, bool chunked)
{
    enum newline configured = session->settings->session.bare_newline;

    if (configured == NEWLINE_REJECT)
        return DATA_REJECT;
    if (configured == NEWLINE_NORMALISE || session->authenticated)
        return DATA_NORMALISE;
    return chunked ? DATA_NORMALISE_LF : DATA_REJECT;
}

/* How many replies the end of a message has: one, in LMTP one for each recipient. */
static size_t count_replies(const struct session *session)
{
    return session->settings->lmtp ? (size_t)session->transaction.recipients : 1;
}

static void send_next(struct session *session, struct step *step)
{
    session_write(session, step, session->outcome.replies[session->outcome.sent++],
                  session->outcome.id);
    step->more = session->outcome.sent < session->outcome.count;
    step->close = step->close && !step->more; /* a filter's 421 is for all */
}

/* The last reply is the one for all, except in LMTP, where errors do not count. */
static void send_outcome(struct session *session, struct step *step)
{
    enum reply last = session->outcome.replies[session->outcome.count - 1];

    session->outcome.sent = 0;
    if (reply_class(last) != 5 || !session_count_error(session, step))
        send_next(session, step);
}

void session_more(struct session *session, struct step *step)
{
    step_clear(step);
    send_next(session, step);
}

/* PRDR: the replies to each recipient stand between one that announces them and one for all, the
 * best of them: a client may take a last 5xx for everybody's. */
static void frame_outcome(struct session *session)
{
    enum reply *replies = session->outcome.replies, last = replies[0];
    size_t count = session->outcome.count;

    for (size_t i = 0; i < count; i++)
        last = reply_class(replies[i]) < reply_class(last) ? replies[i] : last;
    memmove(replies + 1, replies, count * sizeof *replies);
    replies[0] = REPLY_EACH;
    replies[count + 1] = last;
    session->outcome.count = count + 2;
}

void session_text_answer(struct session *session, const struct wall_message *answer,
                         struct step *step)
{
    const struct wall_result *result = &answer->result;
    bool prdr = session->transaction.prdr, delivered = false;
    uint64_t recipients = session->transaction.recipients;
    session->outcome.count = prdr ? session->transaction.recipients : count_replies(session);
    session_reset(session);
    if (result->count != session->outcome.count) {
        step_close(step, END_FAULT);
        return;
    }
    for (size_t i = 0; i < session->outcome.count; i++) {
        session->outcome.replies[i] = verdict_reply(result->codes[i], REPLY_DELIVERED);
        delivered |= verdict_accepts(result->codes[i]);
    }
    if (delivered)
        session->idle = 0;
    else if (!session->settings->lmtp)
        session_count_idle(session, 1 + recipients);
    memcpy(session->outcome.id, result->id, sizeof session->outcome.id);
    if (prdr && session->outcome.count > 1)
        frame_outcome(session);
    send_outcome(session, step);
}

/* A fault in the message itself ends the transaction. */
static void refuse_text(struct session *session, enum verdict fault, size_t count,
                        struct step *step)
{
    session->outcome.count = count;
    for (size_t i = 0; i < count; i++)
        session->outcome.replies[i] = verdict_reply(fault, REPLY_DELIVERED);
    session_abandon(session, step);
    send_outcome(session, step);
}

void session_text_end(struct session *session, enum verdict fault, struct step *step)
{
    step_clear(step);
    if (fault == VERDICT_OK)
        step_ask(step, WALL_COMMIT);
    else
        refuse_text(session, fault, count_replies(session), step);
}

void session_chunk_end(struct session *session, enum verdict fault, struct step *step)
{
    step_clear(step);
    if (fault == VERDICT_OK)
        step_reply(step, REPLY_CHUNK, NULL);
    else
        refuse_text(session, fault, 1, step);
}
