/*
 * session_settings: the settings of mailslot.conf(5) that both front and back follow.
 * ../database/settings.c fills them in, and they cross the wall as they are. Sizes are bytes, times
 * are seconds.
 */
#ifndef MAILSLOT_SESSION_SETTINGS_H
#define MAILSLOT_SESSION_SETTINGS_H

#include "address.h"

#include <stdbool.h>
#include <stdint.h>

/* What happens to a bare CR or LF in a message's text. */
enum newline {
    NEWLINE_AUTO,      /* it depends on who sends it, and how: session_newlines() */
    NEWLINE_REJECT,    /* the message is refused */
    NEWLINE_NORMALISE, /* it ends a line */
};

struct session_settings {
    char hostname[ADDRESS_DOMAIN_MAX + 1]; /* empty: the machine's own name */
    bool vrfy;
    enum newline bare_newline;
    uint64_t max_message_size;
    uint64_t max_recipients;
    uint64_t max_messages; /* MAIL commands in a session; 0: any number */
    uint64_t max_errors;
    uint64_t max_idle; /* commands in a row without a message */
    uint64_t max_received;
    uint64_t idle_timeout;
    uint64_t session_timeout;
    uint64_t min_data_rate; /* bytes a second */
};

#endif
