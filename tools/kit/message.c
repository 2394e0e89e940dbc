#include "message.h"

#include "printable.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

void message_format(char text[MESSAGE_MAX], const char *format, va_list arguments)
{
    if (vsnprintf(text, MESSAGE_MAX, format, arguments) < 0)
        *text = '\0';
    printable(text);
}

static void print(const char *format, va_list arguments, int error)
{
    char text[MESSAGE_MAX];

    message_format(text, format, arguments);
    fprintf(stderr, "%s: %s%s%s\n", program_invocation_short_name, text, error == 0 ? "" : ": ",
            error == 0 ? "" : strerror(error));
}

int message_print(int code, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    print(format, arguments, 0);
    va_end(arguments);
    return code;
}

int message_errno(int code, const char *format, ...)
{
    int error = errno;
    va_list arguments;

    va_start(arguments, format);
    print(format, arguments, error);
    va_end(arguments);
    return code;
}
