#include "session_state.h"

#include "loggable.h"
#include "parameters.h"

#include <stdio.h>
#include <string.h>

static bool has_flag(const struct session *session, enum verb_flag flag)
{
    return session->verb != NULL && (session->verb->flags & flag);
}

static bool is_forgiven(const struct session *session)
{
    return session->settings->lmtp && !session->bad_line && has_flag(session, VERB_FORGIVEN);
}

bool session_count_error(struct session *session, struct step *step)
{
    if (is_forgiven(session) || ++session->errors <= session->settings->session.max_errors)
        return false;
    step_close(step, END_ERRORS);
    return true;
}

void session_count_idle(struct session *session, uint64_t count)
{
    if (!is_forgiven(session))
        session->idle += count;
}

static struct slice loggable(const struct session *session)
{
    if (has_flag(session, VERB_SECRET))
        return loggable_auth(session->line);
    if (session->verb == NULL && session->after_auth)
        return slice_of("AUTH"); /* this line may be a password for it */
    if (session->verb == NULL || session->bad_line)
        return loggable_word(session->line);
    return session->line;
}

/* Has the back log a refusal. The back has logged its own answers already, and learns of a
 * refused response to a challenge by WALL_CANCEL. */
static void report(const struct session *session, struct step *step, enum reply reply)
{
    struct wall_refused *refused = &step->message->refused;

    if (session->line.at == NULL || reply_class(reply) < 4)
        return;
    *refused = (struct wall_refused){.reply = reply}; /* overwrites what AUTH has decoded there */
    if (step->send)
        return; /* WALL_CANCEL, which brings the reply */
    struct slice line = loggable(session);
    refused->len = (uint32_t)(line.len < WALL_COMMAND_MAX ? line.len : WALL_COMMAND_MAX);
    memcpy(refused->command, line.at, refused->len);
    step_send(step, WALL_REFUSED);
}

/* What filters say may have several lines. */
static bool is_of_filter(enum reply reply)
{
    return reply == REPLY_MILTER_REFUSED || reply == REPLY_MILTER_DEFERRED ||
           reply == REPLY_MILTER_CLOSING;
}

static bool has_text(struct slice said)
{
    size_t line_len = 0;

    for (size_t i = 0; i < said.len; i++) {
        line_len = said.at[i] == '\r' ? 0 : line_len + 1;
        if (line_len > WALL_SAID_MAX ||
            (said.at[i] != '\r' && (said.at[i] < ' ' || said.at[i] > '~')))
            return false;
    }
    return true;
}

/* Is it a reply of this class, for people to read? */
static bool is_said(struct slice said, enum reply reply)
{
    if (said.len < sizeof "550 " - 1 || said.len > MILTER_SAID_MAX ||
        said.at[0] != '0' + reply_class(reply) || said.at[3] != ' ' ||
        (slice_has(said, '\r') && !is_of_filter(reply)))
        return false;
    for (size_t i = 0; i < 3; i++)
        if (said.at[i] < '0' || said.at[i] > '9')
            return false;
    return has_text(said);
}

void session_write(struct session *session, struct step *step, enum reply reply, const char *insert)
{
    struct slice said = {0};

    if (reply == REPLY_HOP_REFUSED || reply == REPLY_HOP_DEFERRED || is_of_filter(reply))
        said = slice_cut(&session->said, '\n');
    if (is_said(said, reply))
        step_said(step, said);
    else
        step_reply(step, reply, insert);
    if (reply == REPLY_MILTER_CLOSING) {
        step->close = true;
        step->end = END_FILTER;
    }
}

void session_reply(struct session *session, struct step *step, enum reply reply)
{
    char syntax[SESSION_SYNTAX_MAX];

    report(session, step, reply);
    if (reply_class(reply) == 4)
        session_count_idle(session, 1);
    if (reply_class(reply) == 5 && session_count_error(session, step))
        return;
    session_write(session, step, reply,
                  reply == REPLY_SYNTAX ? session_syntax(session, session->verb, syntax) : NULL);
}

void session_reset(struct session *session)
{
    if (session->state > SESSION_READY)
        session->state = SESSION_READY;
    memset(&session->transaction, 0, sizeof session->transaction);
}

void session_abandon(struct session *session, struct step *step)
{
    if (session->state > SESSION_READY) {
        step_send(step, WALL_ABANDON);
        if (!session->settings->lmtp)
            session_count_idle(session, 1 + session->transaction.recipients);
    }
    session_reset(session);
}

const char *session_syntax(const struct session *session, const struct verb *verb,
                           char to[SESSION_SYNTAX_MAX])
{
    char parameters[PARAMETERS_TEXT_MAX];

    snprintf(to, SESSION_SYNTAX_MAX, "%s%s%s", verb->name, verb->syntax,
             parameters_syntax(verb->name, session->settings, parameters));
    return to;
}
