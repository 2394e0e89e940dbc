#include "report.h"

#include "../../smtpd/base/slice.h"
#include "memory.h"
#include "message.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static void print(FILE *to, const char *file, unsigned line, const char *kind, const char *message)
{
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

/* File and message without the numbers of lines and bytes, which an edit shifts. In the pool. */
static struct slice name_of(struct pool *pool, const char *file, const char *message)
{
    char *name = pool_format(pool, "%s: %s", file, message), *to = name;

    for (const char *at = name; *at != '\0'; at++) {
        *to++ = *at;
        if (*at == ' ' && to - name >= 5 &&
            (memcmp(to - 5, "line ", 5) == 0 || memcmp(to - 5, "byte ", 5) == 0))
            while (isdigit((unsigned char)at[1]))
                at++;
    }
    return (struct slice){name, (size_t)(to - name)};
}

static void note(struct report_memory *memory, const char *file, const char *message)
{
    struct slice name = name_of(&memory->pool, file, message);
    size_t index = memory->len;

    if (map_add(&memory->map, name, &index)) {
        memory->counts =
            memory_grow(memory->counts, memory->len, &memory->room, sizeof *memory->counts);
        memory->counts[memory->len++] = (struct report_count){0};
    }
    memory->counts[index].found++;
}

/* Is it known? Each error of the earlier state makes one of the present state known. */
static bool take(struct report_memory *memory, const char *file, const char *message)
{
    struct slice name = name_of(&memory->pool, file, message);
    size_t index;

    if (!map_find(&memory->map, name, &index) ||
        memory->counts[index].used == memory->counts[index].found)
        return false;
    memory->counts[index].used++;
    return true;
}

void report_error(struct report *report, const char *file, unsigned line, const char *format, ...)
{
    struct report_origin *origin = find_origin(report, &file, &line);
    char message[MESSAGE_MAX];
    va_list arguments;

    va_start(arguments, format);
    message_format(message, format, arguments);
    va_end(arguments);
    bool known = report->lenient || (report->old != NULL && take(report->old, file, message));
    if (report->remember != NULL)
        note(report->remember, file, message);
    if (origin != NULL && !known)
        origin->wrong = true;
    report->known += known;
    if ((report->errors++ < REPORT_ERRORS_SHOWN || report->all_errors) &&
        !(known && report->no_warnings))
        print(report->to, file, line, known ? "warning: " : "", message);
}

void report_warning(struct report *report, const char *file, unsigned line, const char *format, ...)
{
    char message[MESSAGE_MAX];
    va_list arguments;

    if (report->no_warnings || report->warnings++ >= REPORT_WARNINGS_SHOWN)
        return;
    find_origin(report, &file, &line);
    va_start(arguments, format);
    message_format(message, format, arguments);
    va_end(arguments);
    print(report->to, file, line, "warning: ", message);
}

void report_finish(struct report *report)
{
    if (report->errors > REPORT_ERRORS_SHOWN && !report->all_errors)
        fprintf(report->to, "(%u more errors not shown)\n", report->errors - REPORT_ERRORS_SHOWN);
    if (report->warnings > REPORT_WARNINGS_SHOWN)
        fprintf(report->to, "(%u more warnings not shown)\n",
                report->warnings - REPORT_WARNINGS_SHOWN);
}

void report_again(struct report_memory *memory)
{
    for (size_t i = 0; i < memory->len; i++)
        memory->counts[i].used = 0;
}

void report_forget(struct report_memory *memory)
{
    map_free(&memory->map);
    pool_free(&memory->pool);
    free(memory->counts);
    *memory = (struct report_memory){0};
}
