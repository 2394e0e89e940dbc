#include "usage.h"

#include "memory.h"
#include "printable.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void usage_start(void)
{
    int fd;

    signal(SIGPIPE, SIG_IGN);
    do
        fd = open("/dev/null", O_RDONLY); /* so that writing to it is an error */
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        close(fd);
}

static void print(const char *format, va_list arguments, int error)
{
    char *text = memory_vformat(format, arguments);

    printable(text);
    fprintf(stderr, "%s: %s", program_invocation_short_name, text);
    free(text);
    if (error != 0)
        fprintf(stderr, ": %s", strerror(error));
    fputc('\n', stderr);
}

int usage_wrong(int code, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    print(format, arguments, 0);
    va_end(arguments);
    return code;
}

int usage_fail(int code, const char *format, ...)
{
    int error = errno;
    va_list arguments;

    va_start(arguments, format);
    print(format, arguments, error);
    va_end(arguments);
    return code;
}

int usage_help(bool asked, const char *text)
{
    fputs(text, asked ? stdout : stderr);
    return asked ? usage_finish(USAGE_DONE) : USAGE_WRONG;
}

int usage_version(void)
{
    printf("%s (mailslot) %s\n", program_invocation_short_name, MAILSLOT_VERSION);
    return usage_finish(USAGE_DONE);
}

/* A pipe whose reader has gone or a full disk may show up as late as here. */
int usage_finish(int code)
{
    bool lost = ferror(stdout) != 0;

    if (fclose(stdout) != 0 || lost)
        return usage_fail(USAGE_FAILED, "cannot write to standard output");
    return code;
}

char *usage_path(const char *folder, const char *name)
{
    if (*folder == '\0') /* a shell's variable that is not set */
        exit(usage_wrong(USAGE_WRONG, "the folder's name is empty"));
    return memory_format("%s/%s", folder, name);
}
