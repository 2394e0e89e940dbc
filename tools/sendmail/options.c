#include "options.h"

#include "../kit/message.h"

#include <getopt.h>
#include <string.h>
#include <sysexits.h>

/* Recipients end the options: they may come from others, and begin with anything. */
static const char known[] = "+A:B:C:F:GIL:N:O:R:T:UV:X:b:cd::e:f:h:imno:p:q::r:tvx";

static const struct option long_options[] = {
    {"help", no_argument, NULL, 'H'}, {"version", no_argument, NULL, 'W'}, {NULL, 0, NULL, 0}};

static int set_mode(struct options *options, const char *mode)
{
    if (strcmp(mode, "m") == 0)
        options->mode = OPTIONS_SEND;
    else if (strcmp(mode, "s") == 0)
        options->mode = OPTIONS_SMTP;
    else if (strcmp(mode, "p") == 0)
        options->mode = OPTIONS_QUEUE;
    else if (strcmp(mode, "i") == 0)
        options->mode = OPTIONS_ALIASES;
    else if (strcmp(mode, "d") == 0 || strcmp(mode, "D") == 0)
        return message_print(EX_USAGE,
                             "-b%s: this is no server; for mail from other hosts, type: "
                             "systemctl enable --now mailslot.socket",
                             mode);
    else
        return message_print(EX_USAGE, "-b%s is not supported", mode);
    return EX_OK;
}

/* Options that are not here have no effect. */
static int set(struct options *options, int option, const char *value)
{
    switch (option) {
    case 'b':
        return set_mode(options, value);
    case 'f':
    case 'r':
        options->sender = value;
        break;
    case 'F':
        options->name = value;
        break;
    case 'I':
        options->mode = OPTIONS_ALIASES;
        break;
    case 'i':
        options->ignore_dots = true;
        break;
    case 'o':
        options->ignore_dots = options->ignore_dots || strcmp(value, "i") == 0;
        break;
    case 'q':
        options->mode = OPTIONS_RUN;
        break;
    case 't':
        options->extract = true;
        break;
    case 'v':
        options->verbose = true;
        break;
    case 'H':
        options->mode = OPTIONS_HELP;
        break;
    case 'W':
        options->mode = OPTIONS_VERSION;
        break;
    case '?':
        return message_print(EX_USAGE, "`%s --help` shows the options", "mailslot-sendmail");
    default:
        break;
    }
    return EX_OK;
}

int options_parse(struct options *options, int argc, char **argv)
{
    const char *slash = argc > 0 ? strrchr(argv[0], '/') : NULL;
    const char *called = slash != NULL ? slash + 1 : argc > 0 ? argv[0] : "";
    int option, code = EX_OK;

    *options = (struct options){.mode = strcmp(called, "mailq") == 0        ? OPTIONS_QUEUE
                                        : strcmp(called, "newaliases") == 0 ? OPTIONS_ALIASES
                                                                            : OPTIONS_SEND};
    while (code == EX_OK && (option = getopt_long(argc, argv, known, long_options, NULL)) != -1)
        code = set(options, option, optarg);
    options->recipients = argv + optind;
    return code;
}
