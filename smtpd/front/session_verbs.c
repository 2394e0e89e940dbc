#include "session_verbs.h"

#include "session_auth.h"
#include "session_helo.h"
#include "session_mail.h"
#include "session_text.h"

#include <stdio.h>
#include <string.h>

static void rset(struct session *session, struct slice argument, struct step *step)
{
    (void)argument;
    session_abandon(session, step);
    step_reply(step, REPLY_OK, NULL);
}

static void help(struct session *session, struct slice topic, struct step *step);

static void noop(struct session *session, struct slice argument, struct step *step)
{
    (void)session;
    (void)argument;
    step_reply(step, REPLY_OK, NULL);
}

static void quit(struct session *session, struct slice argument, struct step *step)
{
    (void)session;
    (void)argument;
    step_close(step, END_QUIT);
}

/* A web page has sent a browser here (ALPACA). */
static void http(struct session *session, struct slice argument, struct step *step)
{
    (void)session;
    (void)argument;
    step_close(step, END_HTTP);
}

enum {
    SMTP = VERB_SMTP,
    LMTP = VERB_LMTP,
    BOTH = SMTP | LMTP,
    ANY = SESSION_ANY,
    READY = SESSION_READY,
    ENVELOPE = SESSION_ENVELOPE | SESSION_REFUSED | SESSION_RECIPIENTS,
    RECIPIENTS = SESSION_RECIPIENTS,
    CHUNKS = SESSION_CHUNKS,
    BARE = VERB_BARE,
    SECRET = VERB_SECRET,
    CHUNK = VERB_CHUNK,
    MESSAGE = VERB_MESSAGE,
    IDLE = VERB_IDLE,
    ALWAYS = VERB_ALWAYS,
    FORGIVEN = VERB_FORGIVEN,
};

/* A command in any other state is refused by check_state(). A greeting leads to READY, MAIL to
 * ENVELOPE, RCPT from there to REFUSED or RECIPIENTS, BDAT to CHUNKS; RSET, another greeting and
 * the end of a message lead back to READY. */
/* clang-format off */
static const struct verb verbs[] = {
/*  name         protocols, states, flags, and the syntax after the name
                 may it come?          do it              the back's answer, and what takes it */
    {"HELO",     SMTP, ANY, IDLE, " domain",
                 NULL,                 session_helo,      0,              NULL},
    {"EHLO",     SMTP, ANY, IDLE, " domain",
                 NULL,                 session_ehlo,      0,              NULL},
    {"LHLO",     LMTP, ANY, IDLE, " domain",
                 NULL,                 session_ehlo,      0,              NULL},
    {"STARTTLS", BOTH, ANY, BARE, "",
                 session_may_starttls, session_starttls,  WALL_READY,     session_starttls_answer},
    {"AUTH",     BOTH, ANY, SECRET, " mechanism [initial-response]",
                 session_may_auth,     session_auth,      WALL_CHALLENGE, session_auth_answer},
    {"MAIL",     BOTH, READY, MESSAGE | FORGIVEN, " FROM:<address>",
                 session_may_mail,     session_mail,      WALL_VERDICT,   session_mail_answer},
    {"RCPT",     BOTH, ENVELOPE, FORGIVEN, " TO:<address>",
                 NULL,                 session_rcpt,      WALL_VERDICT,   session_rcpt_answer},
    {"DATA",     BOTH, RECIPIENTS, BARE | FORGIVEN, ", then the message, then a dot on a line by itself",
                 NULL,                 session_data,      WALL_RESULT,    session_text_answer},
    {"BDAT",     BOTH, RECIPIENTS | CHUNKS, CHUNK | FORGIVEN, " size [LAST], then that many bytes of the message",
                 NULL,                 session_bdat,      WALL_RESULT,    session_text_answer},
    {"RSET",     BOTH, ANY, BARE | IDLE, " forgets sender and recipients",
                 NULL,                 rset,              0,              NULL},
    {"VRFY",     BOTH, ANY, IDLE, " address [SMTPUTF8]",
                 session_may_mail,     session_vrfy,      WALL_VERDICT,   session_vrfy_answer},
    {"HELP",     BOTH, ANY, IDLE, " [command]",
                 NULL,                 help,              0,              NULL},
    {"NOOP",     BOTH, ANY, IDLE, " [anything]",
                 NULL,                 noop,              0,              NULL},
    {"QUIT",     BOTH, ANY, BARE | ALWAYS, "",
                 NULL,                 quit,              0,              NULL},

#define ABSENT(name) {name, 0, ANY, 0, NULL, NULL, NULL, 0, NULL} /* known, but not available here */
    ABSENT("EXPN"), ABSENT("ETRN"), ABSENT("SEND"), ABSENT("SOML"), ABSENT("SAML"), ABSENT("TURN"),
#define HTTP(name) {name, BOTH, ANY, 0, NULL, NULL, http, 0, NULL}
    HTTP("GET"), HTTP("POST"), HTTP("PUT"), HTTP("HEAD"), HTTP("PATCH"), HTTP("DELETE"),
    HTTP("OPTIONS"), HTTP("CONNECT"), HTTP("TRACE"), HTTP("PRI"),
};
/* clang-format on */

enum { VERBS = sizeof verbs / sizeof verbs[0] };

const struct verb *session_verb(struct slice name)
{
    for (size_t i = 0; i < VERBS; i++)
        if (slice_is_word(name, verbs[i].name))
            return &verbs[i];
    return NULL;
}

/* RFC 2033 section 4.1: HELO and EHLO are unknown to LMTP. */
static enum reply check_protocol(const struct session *session, const struct verb *verb)
{
    bool lmtp = session->settings->lmtp;

    if (verb->protocols & (lmtp ? LMTP : SMTP))
        return REPLY_OK;
    return lmtp && verb->protocols != 0 ? REPLY_UNKNOWN_COMMAND : REPLY_NOT_IMPLEMENTED;
}

static enum reply check_state(const struct session *session, const struct verb *verb)
{
    bool lmtp = session->settings->lmtp;

    if (verb->states & session->state)
        return REPLY_OK;
    if (verb->states == READY && session->state != SESSION_START)
        return REPLY_NESTED_MAIL;
    switch (session->state) {
    case SESSION_START:
        return lmtp ? REPLY_NEED_LHLO : REPLY_NEED_HELO;
    case SESSION_READY:
        return REPLY_NEED_MAIL;
    case SESSION_ENVELOPE:
        return REPLY_NEED_RCPT;
    case SESSION_REFUSED:
        return lmtp ? REPLY_NEED_RCPT : REPLY_NO_RECIPIENTS; /* RFC 2033 section 4.2 */
    default:
        return REPLY_IN_CHUNKS;
    }
}

enum reply session_may(const struct session *session, struct slice argument)
{
    const struct verb *verb = session->verb;

    if (verb == NULL)
        return REPLY_UNKNOWN_COMMAND;
    if (verb->flags & BARE && argument.len > 0)
        return REPLY_NO_PARAMETERS;
    enum reply reply = check_protocol(session, verb);
    if (reply == REPLY_OK)
        reply = check_state(session, verb);
    return reply == REPLY_OK && verb->may != NULL ? verb->may(session) : reply;
}

/* Is it shown by HELP, in this protocol and configuration? */
static bool has_help(const struct session *session, const struct verb *verb)
{
    return verb->syntax != NULL && check_protocol(session, verb) == REPLY_OK &&
           (verb->may == NULL || verb->may(session) != REPLY_NOT_IMPLEMENTED);
}

static void list_verbs(const struct session *session, struct step *step)
{
    char text[128];
    int len = 0;

    for (size_t i = 0; i < VERBS; i++)
        if (has_help(session, &verbs[i]))
            len += snprintf(text + len, sizeof text - (size_t)len, " %s", verbs[i].name);
    step_line(step, REPLY_HELP_COMMANDS, text, false);
    step_line(step, REPLY_HELP_MORE, NULL, true);
}

static void help(struct session *session, struct slice topic, struct step *step)
{
    const struct verb *verb = session_verb(slice_until(topic, ' '));
    char text[SESSION_SYNTAX_MAX];

    if (topic.len == 0) {
        list_verbs(session, step);
    } else if (verb == NULL || !has_help(session, verb)) {
        session_reply(session, step, REPLY_NO_SUCH_TOPIC);
    } else {
        session_syntax(session, verb, text);
        step_reply(step, REPLY_HELP, text);
    }
}
