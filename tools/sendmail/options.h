/*
 * options: the command line of sendmail(8), as programs have called it for decades.
 */
#ifndef MAILSLOT_SENDMAIL_OPTIONS_H
#define MAILSLOT_SENDMAIL_OPTIONS_H

#include <stdbool.h>

struct options {
    enum {
        OPTIONS_SEND,    /* the message on standard input */
        OPTIONS_SMTP,    /* -bs */
        OPTIONS_QUEUE,   /* -bp, or called as mailq */
        OPTIONS_RUN,     /* -q */
        OPTIONS_ALIASES, /* -bi, or called as newaliases */
        OPTIONS_HELP,
        OPTIONS_VERSION,
    } mode;
    bool extract;       /* recipients from the header */
    bool ignore_dots;   /* a lone dot does not end the message */
    bool verbose;       /* print what the server has replied */
    const char *sender; /* as it was given; NULL: it was not */
    const char *name;   /* the same */
    char **recipients;  /* as they were given; ends in NULL */
};

/* EX_OK, or EX_USAGE after a message. */
int options_parse(struct options *options, int argc, char **argv);

#endif
