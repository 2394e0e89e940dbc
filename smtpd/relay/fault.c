#include "fault.h"

#include <stdarg.h>
#include <stdio.h>

static const struct {
    const char *word, *status;
} steps[] = {
    [FAULT_SETTINGS] = {"settings", "4.3.5"}, [FAULT_LOOK_UP] = {"look-up", "4.4.3"},
    [FAULT_CONNECT] = {"connect", "4.4.1"},   [FAULT_GREETING] = {"greeting", "4.4.2"},
    [FAULT_HELLO] = {"hello", "4.4.2"},       [FAULT_TLS] = {"TLS", "4.7.0"},
    [FAULT_LOG_IN] = {"log-in", "4.7.0"},
};

const char *fault_word(enum fault_step step)
{
    return steps[step].word;
}

const char *fault_status(enum fault_step step)
{
    return steps[step].status;
}

int fault_set(struct fault *fault, enum fault_step step, const char *format, ...)
{
    va_list arguments;

    fault->step = step;
    fault->lasting = false;
    va_start(arguments, format);
    vsnprintf(fault->reason, sizeof fault->reason, format, arguments);
    va_end(arguments);
    return -1;
}

int fault_reply(struct fault *fault, enum fault_step step, const struct hop_reply *reply)
{
    const char *status = reply->status;

    return fault_set(fault, step, "%u%s%s%s%s", reply->code, *status != '\0' ? " " : "", status,
                     *reply->text != '\0' ? " " : "", reply->text);
}
