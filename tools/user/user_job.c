#include "../kit/lock.h"
#include "../kit/memory.h"
#include "../kit/message.h"
#include "edit.h"
#include "user.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static bool find_key(struct user_job *job, struct report *report, struct slice written, bool local)
{
    return source_key(&job->source, report, program_invocation_short_name, 0, written, local,
                      &job->key);
}

/* Under the lock the files are only read a second time if they have changed: they may have millions
 * of lines. */
static int load(struct user_job *job)
{
    if (source_is_current(&job->source))
        return EXIT_DONE;
    source_free(&job->source);
    if (job->purpose == EDIT_READ)
        return edit_load(&job->source, job->folder, job->purpose);
    return edit_load_one(&job->source, job->folder, job->purpose, job->address);
}

static int look(struct user_job *job)
{
    struct report report = {.to = stderr};
    struct slice written = slice_of(job->address);
    size_t index;
    int code = load(job);

    if (code != EXIT_DONE)
        return code;
    if (!find_key(job, &report, written, false))
        return report.errors > 0 ? EXIT_WRONG
                                 : message_print(EXIT_WRONG,
                                                 "%s has no domain, and %s names none: write the "
                                                 "whole address",
                                                 job->address, job->source.conf_text.name);
    job->user = NULL;
    if (map_find(&job->source.user_map, job->key, &index))
        job->user = &job->source.users[index];
    else if (!find_key(job, &report, written, true)) /* the domains may be what is wrong */
        return EXIT_WRONG;
    return EXIT_DONE;
}

int user_look_for(struct user_job *job)
{
    int code = look(job);

    if (code == EXIT_DONE && job->user == NULL)
        code = message_print(EXIT_ABSENT, "%.*s is not in %s", SLICE(job->key),
                             job->source.users_text.name);
    return code;
}

int user_look_for_none(struct user_job *job)
{
    int code = look(job);

    if (code == EXIT_DONE && job->user != NULL)
        code = message_print(EXIT_WRONG, "%.*s already exists: %s:%u", SLICE(job->key),
                             job->source.users_text.name, job->user->line);
    return code;
}

char *user_join_options(char *const *words)
{
    char *text;
    size_t len;
    FILE *to = memory_stream(&text, &len);

    for (size_t i = 0; words[i] != NULL; i++)
        fprintf(to, "%s%s", i > 0 ? "," : "", words[i]);
    if (fclose(to) != 0)
        memory_fail();
    if (strpbrk(text, "\r\n") == NULL)
        return text;
    free(text);
    message_print(EXIT_WRONG, "options cannot contain a line break");
    return NULL;
}

int64_t user_mailbox_size(struct slice path)
{
    if (!slice_begins(path, "/"))
        return -1; /* in a mail store */
    char *name = memory_format("%.*s", SLICE(path));
    struct stat st;
    bool found = stat(name, &st) == 0 && S_ISREG(st.st_mode);

    free(name);
    return found ? (int64_t)st.st_size : -1;
}

int user_lock_and(int (*look_again)(struct user_job *), struct user_job *job)
{
    int code = lock_folder(job->folder);

    return code == EXIT_DONE ? look_again(job) : code;
}

void user_write_address(struct slice key, char written[USER_ADDRESS_MAX])
{
    char text[ADDRESS_TEXT_MAX];
    struct address address;

    address_from_key(key, &address);
    address_write(&address, text);
    bool quote = *text == '#'; /* otherwise the line would be a comment */
    snprintf(written, USER_ADDRESS_MAX, "%s%.*s%s@%.*s", quote ? "\"" : "",
             (int)(strrchr(text, '@') - text), text, quote ? "\"" : "", (int)address.domain_len,
             address.domain);
}

void user_write_quota(uint64_t quota, char written[USER_QUOTA_MAX])
{
    static const char units[] = "KMGT";
    size_t unit = 0;

    *written = '\0';
    while (quota > 0 && quota % 1024 == 0 && unit < strlen(units)) {
        quota /= 1024;
        unit++;
    }
    if (quota > 0)
        snprintf(written, USER_QUOTA_MAX, "%" PRIu64 "%.*s", quota, unit > 0,
                 &units[unit - (unit > 0)]);
}
