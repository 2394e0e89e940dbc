/*
 * fault: why there is no line to the smarthost: at which step, and the reason, in words that the
 * client's greeting and the log can show. Never with a secret in it.
 */
#ifndef MAILSLOT_RELAY_FAULT_H
#define MAILSLOT_RELAY_FAULT_H

#include "../hand/hop_reply.h"

enum fault_step {
    FAULT_SETTINGS, /* relay.cdb, or a file that it names */
    FAULT_LOOK_UP,
    FAULT_CONNECT,
    FAULT_GREETING,
    FAULT_HELLO,
    FAULT_TLS,
    FAULT_LOG_IN,
};

enum { FAULT_REASON_MAX = 512 };

struct fault {
    enum fault_step step;
    bool lasting; /* another host would say the same, and count it as a wrong password */
    char reason[FAULT_REASON_MAX];
};

/* The step as the greeting names it, such as `look-up`. */
const char *fault_word(enum fault_step step);

/* The enhanced status code (RFC 3463) of the greeting. */
const char *fault_status(enum fault_step step);

/* Sets all of it, and returns -1. */
__attribute__((format(printf, 3, 4))) int fault_set(struct fault *fault, enum fault_step step,
                                                    const char *format, ...);

/* The same, with a reply that is not the one that was due. */
int fault_reply(struct fault *fault, enum fault_step step, const struct hop_reply *reply);

#endif
