#include "sums.h"

#include "../../smtpd/database/record.h"
#include "../kit/memory.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static void write_one(const char *name, const struct text_file *text, FILE *to)
{
    fprintf(to, "%s=%zu,%016" PRIx64 "\n", name, text->len, text->sum);
}

void sums_write(const struct source *source, FILE *to)
{
    write_one("mailslot.conf", &source->conf_text, to);
    write_one("users", &source->users_text, to);
    write_one("aliases", &source->aliases_text, to);
}

static bool is_changed(const char *folder, struct slice name, struct slice sum)
{
    char *file = memory_format("%.*s", SLICE(name)), *line = NULL;
    size_t len;
    struct text_file text = {0};
    bool changed = false;

    if (text_file_read(&text, folder, file) >= 0) {
        FILE *to = memory_stream(&line, &len);
        write_one(file, &text, to);
        if (fclose(to) != 0)
            memory_fail();
        struct slice rest = {line, len}, same_name, now;
        changed = record_line(&rest, &same_name, &now) == 1 && !slice_equal(now, sum);
    }
    text_file_free(&text);
    free(line);
    free(file);
    return changed;
}

char *sums_changed(const char *folder, struct database *db)
{
    struct slice sums, name, sum;

    if (database_find(db, "texts", (struct slice){0}, &sums) != 1)
        return NULL;
    while (record_line(&sums, &name, &sum) == 1)
        if (is_changed(folder, name, sum))
            return memory_format("%s/%.*s", folder, SLICE(name));
    return NULL;
}
