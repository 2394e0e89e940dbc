/*
 * mailslot-sendmail(8): the sendmail command, which cron, web pages and mail readers call. It
 * passes one message to mailslot-smtpd(8) in the role local, and keeps nothing.
 */
#include "kit/message.h"
#include "kit/program.h"
#include "sendmail/join.h"
#include "sendmail/send.h"

#include <stdio.h>
#include <sysexits.h>

static const char help[] =
    "usage: mailslot-sendmail [-t] [-i] [-f ADDRESS] [-F NAME] [-v] [RECIPIENT...] <MESSAGE\n"
    "       mailslot-sendmail -bs\n"
    "Sends the message on standard input to all of its recipients, or to none.\n"
    "  -t          also to the recipients in To, Cc and Bcc\n"
    "  -i, -oi     a line that is a dot does not end the message\n"
    "  -f ADDRESS  the sender; -f '' sends as <>\n"
    "  -F NAME     your name, for a From field if there is none\n"
    "  -v          prints the server's reply\n"
    "  -bs         speaks SMTP on standard input and output\n"
    "      --help, --version\n"
    "Other options of sendmail are accepted, and have no effect.\n"
    "Exit code: 0 delivered to all; 75 try again later; otherwise as in sysexits.h:\n"
    "64 usage, 65 a malformed address, 67 no such user, 69 refused, 77 not allowed.\n";

/* There is no queue, and aliases belong to mailslot-build. Scripts call these all the same. */
static int explain(const char *text)
{
    puts(text);
    return program_finish(EX_OK);
}

int main(int argc, char **argv)
{
    struct options options;

    program_start();
    int code = options_parse(&options, argc, argv);
    if (code != EX_OK)
        return code;
    switch (options.mode) {
    case OPTIONS_SMTP:
        return join_server();
    case OPTIONS_QUEUE:
        return explain("Mail queue is empty: mailslot keeps none.");
    case OPTIONS_RUN:
        return EX_OK;
    case OPTIONS_ALIASES:
        return explain("Aliases of mailslot are compiled by mailslot-build, as root.");
    case OPTIONS_HELP:
        return program_help(true, help);
    case OPTIONS_VERSION:
        return program_version();
    default:
        return send_message(&options);
    }
}
