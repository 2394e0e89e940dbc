#include "session.h"

#include "command.h"
#include "loggable.h"
#include "session_auth.h"
#include "session_text.h"
#include "session_verbs.h"

void session_begin(struct session *session, const struct wall_settings *settings, struct step *step)
{
    *session = (struct session){
        .settings = settings,
        .state = SESSION_START,
        .mechanisms = settings->mechanisms,
        .authenticated = settings->local,
    };
    step_clear(step);
    if (settings->refuse)
        step_close(step, END_UNSAFE);
    else if (settings->greet)
        step_reply(step, settings->lmtp ? REPLY_GREETING_LMTP : REPLY_GREETING,
                   settings->session.hostname);
}

/* Finds the verb. A line that is not a response to a challenge may be AUTH, perhaps misspelt.
 * Then it may contain a password, and so may all lines up to the next known command. */
static struct command take_command(struct session *session, struct slice line)
{
    struct command command = command_split(line);

    session->verb = session_verb(command.verb);
    if (!session->in_auth)
        session->after_auth =
            loggable_is_auth(line) || (session->after_auth && session->verb == NULL);
    return command;
}

/* Counts what has a limit. False: the limit is reached, and step closes the session. */
static bool count(struct session *session, struct step *step)
{
    const struct wall_settings *settings = session->settings;
    unsigned flags = session->verb == NULL ? 0 : session->verb->flags;

    if (session->idle >= settings->session.max_idle && !(flags & VERB_ALWAYS)) {
        step_close(step, END_NO_MESSAGE);
    } else if (flags & VERB_MESSAGE && ++session->messages > settings->session.max_messages &&
               settings->session.max_messages > 0) {
        step_close(step, END_MESSAGES);
    } else if (flags & VERB_IDLE) {
        session_count_idle(session, 1);
    }
    return !step->close;
}

static void do_command(struct session *session, struct command command, struct step *step)
{
    enum reply reply = session_may(session, command.argument);

    if (reply == REPLY_OK)
        session->verb->act(session, command.argument, step);
    else if (session->verb != NULL && session->verb->flags & VERB_CHUNK)
        session_bdat_refused(session, command.argument, reply, step);
    else
        session_reply(session, step, reply);
}

void session_line(struct session *session, struct slice line, struct step *step)
{
    step_clear(step);
    session->line = line;
    session->bad_line = false;
    if (session->in_auth) {
        session_auth_response(session, line, step);
        return;
    }
    struct command command = take_command(session, line);
    step->secret = session->verb != NULL && session->verb->flags & VERB_SECRET;
    if (count(session, step))
        do_command(session, command, step);
}

void session_bad_line(struct session *session, enum reply reply, struct slice line,
                      struct step *step)
{
    step_clear(step);
    session->line = line;
    session->bad_line = true;
    take_command(session, line);
    step->secret = true; /* there may be a password in it */
    if (session->in_auth) {
        step_send(step, WALL_CANCEL);
        session->in_auth = false;
        if (reply == REPLY_LINE_TOO_LONG)
            reply = REPLY_RESPONSE_TOO_LONG;
    } else if (session->verb != NULL && session->verb->flags & VERB_CHUNK) {
        step_close(step, END_CHUNK); /* a chunk follows all the same */
        return;
    }
    session_reply(session, step, reply);
}

void session_unexpected_tls(struct session *session, struct step *step)
{
    step_clear(step);
    if (session->in_auth)
        step_send(step, WALL_CANCEL);
    session->line = slice_of("ClientHello");
    session->verb = NULL;
    session->bad_line = session->after_auth = false;
    session_reply(session, step, REPLY_CLOSING_TLS);
    step_close(step, END_TLS);
}

void session_said(struct session *session, struct slice said)
{
    session->said = said;
}

void session_answer(struct session *session, const struct wall_message *answer, struct step *step)
{
    const struct verb *verb = session->verb;

    step_clear(step);
    session->line.at = NULL;
    if (verb == NULL || verb->answered == NULL || verb->answer != answer->type)
        step_close(step, END_FAULT);
    else
        verb->answered(session, answer, step);
}

void session_end(enum end end, struct step *step)
{
    step_clear(step);
    step_close(step, end);
}
