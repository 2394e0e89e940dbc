/* set: the options of an existing user. */
#include "../kit/memory.h"
#include "../kit/message.h"
#include "edit.h"
#include "user.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* `quota=` and `disabled=no` remove an option. */
static bool takes_away(struct slice name, struct slice option)
{
    bool value = option.len > name.len;

    return value && (option.len == name.len + 1 ||
                     (slice_is(name, "disabled") && slice_ends(option, "=no")));
}

static bool is_given(struct slice given, struct slice name)
{
    struct slice other, option;

    while (source_next_option(&given, &other, &option))
        if (slice_equal(other, name))
            return true;
    return false;
}

static void write_option(FILE *to, struct slice option)
{
    fprintf(to, "%s%.*s", ftello(to) > 0 ? "," : "", SLICE(option));
}

/* The present options that are not replaced, then the given ones. Allocated. */
static char *compose(struct slice there, struct slice given)
{
    struct slice rest = there, name, option;
    char *text;
    size_t len;
    FILE *to = memory_stream(&text, &len);

    while (source_next_option(&rest, &name, &option))
        if (option.len > 0 && (name.len == 0 || !is_given(given, name)))
            write_option(to, option);
    while (source_next_option(&given, &name, &option))
        if (!takes_away(name, option))
            write_option(to, option);
    if (fclose(to) != 0)
        memory_fail();
    return text;
}

/* The given options must be correct even if the user already has the same mistake. */
static int check(struct user_job *job, struct slice given)
{
    struct report report = {.to = stderr};
    struct slice rest = given, name, option;

    while (source_next_option(&rest, &name, &option))
        if (!takes_away(name, option))
            source_check_options(&job->source, &report, program_invocation_short_name, option);
    return report.errors > 0 ? EXIT_WRONG : EXIT_DONE;
}

/* Mail is not moved to a new path. */
static void say_mailboxes(struct user_job *job, struct source *changed)
{
    size_t index;

    map_find(&changed->user_map, job->key, &index);
    struct slice before = source_mailbox(&job->source, job->user);
    struct slice after = source_mailbox(changed, &changed->users[index]);
    if (slice_equal(before, after))
        return;
    int64_t left = user_mailbox_size(before), found = user_mailbox_size(after);
    if (left > 0)
        printf("the old mail stays in %.*s: %" PRId64 " bytes\n", SLICE(before), left);
    if (found > 0)
        printf("the mail already in %.*s is now this user's: %" PRId64 " bytes\n", SLICE(after),
               found);
}

static int change(struct user_job *job, struct slice given)
{
    const struct source_user *user = job->user;
    struct slice old = user->options, field = slice_trim(old);
    size_t begin = (size_t)(user->credentials_text.at + user->credentials_text.len -
                            job->source.users_text.bytes);
    char *options = compose(field.len > 0 ? field : (struct slice){0}, given);
    char *inserted =
        memory_format("%s:%s", user->credentials_text.at[-1] == ':' ? "" : ":", options);
    size_t removed = old.at == NULL ? 0 : old.len + 1;
    struct source changed;
    int code = edit_begin(&changed, job->folder, &job->source, begin, removed, inserted);

    if (code == EXIT_DONE)
        code = edit_commit(&changed, job->folder, &job->key, 1);
    if (code == EXIT_DONE) {
        printf("%.*s: %s\n", SLICE(job->key), *options == '\0' ? "no options" : options);
        say_mailboxes(job, &changed);
    }
    source_free(&changed);
    free(inserted);
    free(options);
    return code;
}

int user_set(struct user_job *job)
{
    char *options = user_join_options(job->words + 1);

    if (options == NULL)
        return EXIT_WRONG;
    struct slice given = slice_of(options);
    int code = user_lock_and(user_look_for, job);
    if (code == EXIT_DONE)
        code = check(job, given);
    if (code == EXIT_DONE)
        code = change(job, given);
    free(options);
    return code;
}
