#include "loggable.h"

#include "../wall/sasl.h"
#include "command.h"

#include <string.h>

bool loggable_is_auth(struct slice line)
{
    while (line.len > 0 && (*line.at == ' ' || *line.at == '\t'))
        line = slice_from(line, 1);
    return slice_begins_word(line, "AUTH");
}

/* A name that a client may mean. Any other word could be a password in the wrong place. */
static bool is_mechanism(struct slice name)
{
    static const char *const others[] = {
        "ANONYMOUS",     "CRAM-MD5",           "DIGEST-MD5", "GSSAPI",      "GSS-SPNEGO",
        "NTLM",          "OAUTHBEARER",        "XOAUTH2",    "SCRAM-SHA-1", "SCRAM-SHA-1-PLUS",
        "SCRAM-SHA-512", "SCRAM-SHA-512-PLUS",
    };

    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (slice_is_word(name, others[i]))
            return true;
    return sasl_mechanism(name) != 0;
}

struct slice loggable_auth(struct slice line)
{
    struct command command = command_split(line);
    struct slice name = slice_until(command.argument, ' ');

    if (!is_mechanism(name))
        return command.verb;
    return (struct slice){line.at, (size_t)(name.at + name.len - line.at)};
}

struct slice loggable_word(struct slice line)
{
    enum { WORD_MAX = 64 };
    size_t len = 0;

    while (len < line.len && len < WORD_MAX && memchr(" \t\r\n:=", line.at[len], 6) == NULL)
        len++;
    return (struct slice){line.at, len};
}
