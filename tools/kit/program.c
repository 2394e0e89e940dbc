#include "program.h"

#include "../../smtpd/base/file.h"
#include "../../smtpd/base/version.h"
#include "message.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>

void program_start(void)
{
    signal(SIGPIPE, SIG_IGN);
    file_fill_standard(O_RDONLY); /* so that writing to it is an error */
}

int program_help(bool asked, const char *text)
{
    fputs(text, asked ? stdout : stderr);
    return asked ? program_finish(EXIT_DONE) : EXIT_WRONG;
}

int program_unexpected(const char *argument, const char *text)
{
    message_print(EXIT_WRONG, "unexpected argument: %s", argument);
    return program_help(false, text);
}

int program_version(void)
{
    printf("%s (mailslot) %s\n", program_invocation_short_name, MAILSLOT_VERSION);
    return program_finish(EXIT_DONE);
}

/* A full disk, or a pipe whose reader has gone away, may be noticed only here. */
int program_finish(int code)
{
    bool lost = ferror(stdout) != 0;

    if (fclose(stdout) != 0 || lost)
        return message_errno(EXIT_FAILED, "cannot write to standard output");
    return code;
}
