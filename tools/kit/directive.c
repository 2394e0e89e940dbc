#include "directive.h"

#include "memory.h"

#include <glob.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Without the blanks around it. */
static char *trim(char *text)
{
    char *end;

    text += strspn(text, " \t");
    for (end = text + strlen(text); end > text && strchr(" \t\r\n", end[-1]) != NULL; end--)
        ;
    *end = '\0';
    return text;
}

static bool is_comment(const char *line)
{
    line += strspn(line, " \t");
    return *line == '#' || *line == ';';
}

/* The next line that is not a comment, joined with those that continue it; false at the end. */
static bool next_line(FILE *file, char **line, size_t *room)
{
    char *more = NULL;
    size_t more_room = 0, len;

    do
        if (getline(line, room, file) <= 0)
            return false;
    while (is_comment(*line));
    while ((len = strlen(*line)) >= 2 && strcmp(*line + len - 2, "\\\n") == 0 &&
           getline(&more, &more_room, file) > 0) {
        if (is_comment(more))
            continue;
        (*line)[len - 2] = '\0';
        char *whole = memory_format("%s %s", *line, more);
        free(*line);
        *line = whole;
        *room = strlen(whole) + 1;
    }
    free(more);
    return true;
}

/* What follows the dot in the name of a unit. */
static const char *kind_of(const char *unit)
{
    return strrchr(unit, '.') + 1;
}

/* Appends the values that a file of a unit gives the directive, a line each. */
static void copy_values(FILE *to, const char *path, const char *unit, const char *name)
{
    const char *section = strcmp(kind_of(unit), "socket") == 0 ? "[Socket]" : "[Service]";
    FILE *file = fopen(path, "re");
    char *line = NULL;
    size_t room = 0;
    bool in_section = false;

    while (file != NULL && next_line(file, &line, &room)) {
        char *at = trim(line), *equals = strchr(at, '=');
        if (*at == '[')
            in_section = strcmp(at, section) == 0;
        if (!in_section || equals == NULL)
            continue;
        *equals = '\0';
        if (strcmp(trim(at), name) == 0)
            fprintf(to, "%s\n", trim(equals + 1));
    }
    free(line);
    if (file != NULL)
        fclose(file);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(strrchr(*(char *const *)a, '/'), strrchr(*(char *const *)b, '/'));
}

/* Of drop-ins with the same name only the first applies. Moves these to the front, and returns how
 * many there are. */
static size_t keep_firsts(char **paths, size_t len)
{
    size_t kept = 0;

    for (size_t i = 0; i < len; i++) {
        bool first = true;
        for (size_t j = 0; j < kept; j++)
            first = first && by_name(&paths[j], &paths[i]) != 0;
        char *path = paths[i];
        if (first) {
            paths[i] = paths[kept];
            paths[kept++] = path;
        }
    }
    return kept;
}

#define FOLDERS "/{etc,run,usr/local/lib,usr/lib}/systemd/system/"

static void copy_drop_ins(FILE *to, const char *unit, const char *name)
{
    const char *kind = kind_of(unit);
    char family[32] = "", pattern[256];
    glob_t found;

    if (strncmp(unit, "mailslot-", 9) == 0) /* mailslot-.service.d applies to all that begin so */
        snprintf(family, sizeof family, "mailslot-.%s,", kind);
    snprintf(pattern, sizeof pattern, FOLDERS "{%s,%s%s}.d/*.conf", unit, family, kind);
    if (glob(pattern, GLOB_BRACE, NULL, &found) == 0) {
        size_t len = keep_firsts(found.gl_pathv, found.gl_pathc);
        qsort(found.gl_pathv, len, sizeof *found.gl_pathv, by_name);
        for (size_t i = 0; i < len; i++)
            copy_values(to, found.gl_pathv[i], unit, name);
    }
    globfree(&found);
}

/* All values, in the order in which they apply. */
static char *all_values(const char *unit, const char *name)
{
    char pattern[256], *values;
    size_t len;
    FILE *to = memory_stream(&values, &len);
    glob_t found;

    snprintf(pattern, sizeof pattern, FOLDERS "%s", unit);
    if (glob(pattern, GLOB_BRACE, NULL, &found) == 0)
        copy_values(to, found.gl_pathv[0], unit, name);
    globfree(&found);
    copy_drop_ins(to, unit, name);
    if (fclose(to) != 0)
        memory_fail();
    return values;
}

/* An empty value changes nothing. */
char *directive_value(const char *unit, const char *name)
{
    char *values = all_values(unit, name), *last = values, *rest = values, *value;

    while ((value = strsep(&rest, "\n")) != NULL)
        if (*value != '\0')
            last = value;
    memmove(values, last, strlen(last) + 1);
    return values;
}

/* An empty value takes back all before it. */
char *directive_list(const char *unit, const char *name)
{
    char *values = all_values(unit, name), *begin = values;

    for (char *at = values; *at != '\0'; at = strchr(at, '\n') + 1)
        if (*at == '\n')
            begin = at + 1;
    memmove(values, begin, strlen(begin) + 1);
    return values;
}

char *directive_word(char **rest)
{
    static const char blanks[] = " \t\n";
    char *at = *rest + strspn(*rest, blanks), *word = at, *to = at, quote = '\0';

    if (*at == '\0')
        return NULL;
    for (; *at != '\0' && (quote != '\0' || strchr(blanks, *at) == NULL); at++)
        if (*at == quote) {
            quote = '\0';
        } else if (quote == '\0' && (*at == '"' || *at == '\'')) {
            quote = *at;
        } else {
            at += *at == '\\' && at[1] != '\0';
            *to++ = *at;
        }
    *rest = at + (*at != '\0');
    *to = '\0';
    return word;
}
