#include "report.h"

#include <stdarg.h>
#include <string.h>

enum { MESSAGE_MAX = 4096 };

static void print(FILE *to, const char *file, unsigned line, const char *kind, const char *format,
                  va_list arguments)
{
    char message[MESSAGE_MAX];

    if (vsnprintf(message, sizeof message, format, arguments) < 0)
        return;
    for (char *at = message; *at != '\0'; at++)
        if ((unsigned char)*at < ' ' || *at == 0x7f)
            *at = '?';
    if (line > 0)
        fprintf(to, "%s:%u: %s%s\n", file, line, kind, message);
    else
        fprintf(to, "%s: %s%s\n", file, kind, message);
}

static struct report_origin *find_origin(const struct report *report, const char **file,
                                         unsigned *line)
{
    if (report->gathered == NULL || *line >= report->origins_len ||
        report->origins[*line].file == NULL || strcmp(*file, report->gathered) != 0)
        return NULL;
    struct report_origin *origin = &report->origins[*line];
    *file = origin->file;
    *line = origin->line;
    return origin;
}

void report_error(struct report *report, const char *file, unsigned line, const char *format, ...)
{
    struct report_origin *origin = find_origin(report, &file, &line);
    va_list arguments;

    if (origin != NULL)
        origin->wrong = true;
    if (report->errors++ >= REPORT_ERRORS_SHOWN && !report->all_errors)
        return;
    va_start(arguments, format);
    print(report->to, file, line, "", format, arguments);
    va_end(arguments);
}

void report_warning(struct report *report, const char *file, unsigned line, const char *format, ...)
{
    va_list arguments;

    if (report->no_warnings || report->warnings++ >= REPORT_WARNINGS_SHOWN)
        return;
    find_origin(report, &file, &line);
    va_start(arguments, format);
    print(report->to, file, line, "warning: ", format, arguments);
    va_end(arguments);
}

void report_finish(struct report *report)
{
    if (report->errors > REPORT_ERRORS_SHOWN && !report->all_errors)
        fprintf(report->to, "(%u more errors not shown)\n", report->errors - REPORT_ERRORS_SHOWN);
    if (report->warnings > REPORT_WARNINGS_SHOWN)
        fprintf(report->to, "(%u more warnings not shown)\n",
                report->warnings - REPORT_WARNINGS_SHOWN);
}
