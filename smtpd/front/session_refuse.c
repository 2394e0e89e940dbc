/* session: replies that refuse, how they are counted, and what the log gets. */
#include "session.h"

#include "../wall/sasl.h"
#include "command.h"

#include <string.h>
#include <strings.h>

bool session_count_error(struct session *session, struct session_step *step)
{
    if (session->forgiven || ++session->errors <= session->settings->session.max_errors)
        return false;
    step_close(step, END_ERRORS);
    return true;
}

void session_count_idle(struct session *session, uint64_t count)
{
    if (!session->forgiven)
        session->idle += count;
}

/* A name that a client may mean. Any other word could be a password in the wrong place. */
static bool is_mechanism(const char *text, size_t len)
{
    static const char *const others[] = {
        "ANONYMOUS",     "CRAM-MD5",           "DIGEST-MD5", "GSSAPI",      "GSS-SPNEGO",
        "NTLM",          "OAUTHBEARER",        "XOAUTH2",    "SCRAM-SHA-1", "SCRAM-SHA-1-PLUS",
        "SCRAM-SHA-512", "SCRAM-SHA-512-PLUS",
    };

    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (strlen(others[i]) == len && strncasecmp(others[i], text, len) == 0)
            return true;
    return sasl_mechanism(text, len) != 0;
}

/* How much of AUTH's line may be logged: no initial response, and no password in place of the
 * mechanism. */
static size_t auth_len(const char *line, const struct command *command)
{
    const char *at = command->argument;
    const char *space = memchr(at, ' ', command->argument_len);
    size_t len = space == NULL ? command->argument_len : (size_t)(space - at);

    return is_mechanism(at, len) ? (size_t)(at + len - line) : strlen("AUTH");
}

void session_note_auth(struct session *session, const char *line, size_t len)
{
    static const char name[] = "AUTH";
    enum { NAME_LEN = sizeof name - 1 };
    bool known = command_parse(line, len).verb != COMMAND_UNKNOWN;

    while (len > 0 && (*line == ' ' || *line == '\t')) {
        line++;
        len--;
    }
    bool is_auth = len >= NAME_LEN && strncasecmp(line, name, NAME_LEN) == 0;
    session->after_auth = is_auth || (session->after_auth && !known);
}

/* The first word of a line. Message text that comes in place of commands is not logged. */
static size_t word_len(const char *line, size_t len)
{
    enum { WORD_MAX = 64 };
    size_t at = 0;

    while (at < len && at < WORD_MAX && memchr(" \t\r\n:=", line[at], 6) == NULL)
        at++;
    return at;
}

/* What the log may show of the line that is refused. */
static void show(const struct session *session, struct wall_refused *refused)
{
    static const char hidden[] = "AUTH";
    struct command command = command_parse(session->line, session->line_len);
    const char *from = session->line;
    size_t len = session->line_len;

    if (command.verb == COMMAND_AUTH) {
        len = auth_len(from, &command);
    } else if (command.verb == COMMAND_UNKNOWN && session->after_auth) {
        from = hidden; /* it may be a password for the AUTH that was refused before, or with it */
        len = strlen(hidden);
    } else if (command.verb == COMMAND_UNKNOWN || session->bad_line) {
        len = word_len(from, len);
    }
    refused->len = (uint32_t)(len < sizeof refused->command ? len : sizeof refused->command);
    memcpy(refused->command, from, refused->len);
}

/* The back logs it. What the back has answered it has logged already, and a response to a challenge
 * is known to it as the end of AUTH. */
static void report(const struct session *session, struct session_step *step, enum reply reply)
{
    struct wall_refused *refused = &step->message->refused;

    if (session->line == NULL || reply_class(reply) < 4)
        return;
    *refused = (struct wall_refused){.reply = reply}; /* overwrites what AUTH has decoded there */
    if (step->send)
        return; /* WALL_CANCEL, which brings the reply */
    show(session, refused);
    step_send(step, WALL_REFUSED);
}

void session_refuse(struct session *session, struct session_step *step, enum reply reply)
{
    report(session, step, reply);
    if (reply_class(reply) == 4)
        session_count_idle(session, 1);
    if (reply_class(reply) != 5 || !session_count_error(session, step))
        step_reply_with(step, reply, NULL);
}
