/*
 * input: the message that a program gives to sendmail(8), read from standard input as a whole: how
 * long that takes does not matter to the server.
 */
#ifndef MAILSLOT_SENDMAIL_INPUT_H
#define MAILSLOT_SENDMAIL_INPUT_H

#include "../../smtpd/base/slice.h"

#include <stdio.h>

enum { INPUT_MAX = 1 << 30 }; /* bytes */

struct input {
    struct slice text; /* lines end in LF; stays in memory */
    bool eight_bit;
};

/* Reads up to the end, or with dot_ends up to a line that is a dot. A CR before an LF is left out,
 * and so are lines `From ...` at the beginning, as from an mbox file. EX_OK, or another exit code
 * of sysexits.h, with a message. */
int input_read(struct input *input, FILE *from, bool dot_ends);

#endif
