/* passwd, lock, unlock, del: change or delete the line of a user. */
#include "../kit/memory.h"
#include "../kit/message.h"
#include "edit.h"
#include "password.h"
#include "user.h"

#include <stdlib.h>
#include <string.h>

/* old is a slice of the text. A line without a colon gets one. */
static int replace_credentials(struct user_job *job, struct slice old, const char *credentials)
{
    size_t at = (size_t)(old.at - job->source.users_text.bytes);
    char *field = memory_format("%s%s", old.at[-1] == ':' ? "" : ":", credentials);
    int code = edit_one_user(&job->source, job->folder, job->key, at, old.len, field);

    explicit_bzero(field, strlen(field));
    free(field);
    return code;
}

static int set_credentials(struct user_job *job, const char *credentials)
{
    return replace_credentials(job, job->user->credentials_text, credentials);
}

/* A new password does not unlock a locked user. */
int user_passwd(struct user_job *job)
{
    char credentials[1 + CREDENTIALS_MAX] = "!", *password = credentials + 1;
    int code = user_look_for(job);

    if (code == EXIT_DONE && !user_has(job, USER_NO_PASSWORD))
        code = password_ask(job->key, password);
    if (code == EXIT_DONE)
        code = user_lock_and(user_look_for, job);
    if (code == EXIT_DONE) {
        bool locked = job->user->credentials.locked;
        code = set_credentials(job, locked ? credentials : password);
        if (code == EXIT_DONE)
            printf("%.*s %s%s\n", SLICE(job->key),
                   *password == '\0' ? "now has no password" : "has a new password",
                   locked ? ", but is still locked" : "");
    }
    explicit_bzero(credentials, sizeof credentials);
    return code;
}

/* If a user is listed twice by mistake, all lines are locked, so that the user stays locked
 * whichever line is removed. */
static int lock_other_lines(struct user_job *job)
{
    int code = EXIT_DONE;

    while (code == EXIT_DONE && job->user->open_again.at != NULL) {
        source_free(&job->source);
        code = user_look_for(job);
        if (code != EXIT_DONE || job->user->open_again.at == NULL)
            break;
        code = replace_credentials(job, (struct slice){job->user->open_again.at, 0}, "!");
    }
    return code;
}

static int set_lock(struct user_job *job, bool locked)
{
    int code = user_lock_and(user_look_for, job);

    if (code != EXIT_DONE)
        return code;
    bool same = job->user->credentials.locked == locked, take = !same && !locked; /* a `!` */
    struct slice old = same ? job->user->credentials_text : slice_trim(job->user->credentials_text);
    char *credentials =
        memory_format("%s%.*s", !same && locked ? "!" : "", (int)(old.len - take), old.at + take);
    code = set_credentials(job, credentials); /* even if the same: the database may be older */
    explicit_bzero(credentials, strlen(credentials));
    free(credentials);
    if (code == EXIT_DONE && locked)
        code = lock_other_lines(job);
    if (code == EXIT_DONE)
        printf("%.*s is %s: %s\n", SLICE(job->key), locked ? "locked" : "not locked",
               locked ? "receives mail, but cannot log in"
               : credentials_is_empty(&job->user->credentials)
                   ? "receives mail, but has no password to log in with"
                   : "receives mail, and can log in");
    return code;
}

int user_lock(struct user_job *job)
{
    job->purpose = EDIT_LOCK; /* errors elsewhere must not keep a stolen password usable */
    return set_lock(job, true);
}

int user_unlock(struct user_job *job)
{
    return set_lock(job, false);
}

static bool is_named_by_aliases(const struct user_job *job)
{
    const struct source *source = &job->source;
    bool named = false;

    for (size_t i = 0; i < source->targets_len; i++) {
        const struct source_target *target = &source->targets[i];
        if (target->kind != SOURCE_USER || target->index == SIZE_MAX ||
            &source->users[target->index] != job->user)
            continue;
        fprintf(stderr, "%s:%u: this alias includes %.*s: change it first\n",
                source->aliases_text.name, target->line, SLICE(job->key));
        named = true;
    }
    return named;
}

static size_t line_start(const struct text_file *text, size_t at)
{
    while (at > 0 && text->bytes[at - 1] != '\n')
        at--;
    return at;
}

int user_del(struct user_job *job)
{
    int code = user_lock_and(user_look_for, job);

    if (code != EXIT_DONE)
        return code;
    if (is_named_by_aliases(job))
        return EXIT_WRONG;
    const struct text_file *text = &job->source.users_text;
    size_t at = line_start(text, (size_t)(job->user->credentials_text.at - text->bytes));
    const char *newline = memchr(text->bytes + at, '\n', text->len - at);
    size_t len = newline == NULL ? text->len - at : (size_t)(newline + 1 - text->bytes) - at;
    code = edit_one_user(&job->source, job->folder, job->key, at, len, "");
    if (code == EXIT_DONE)
        printf("%.*s deleted; the mailbox, if there is one, is kept: %.*s\n", SLICE(job->key),
               SLICE(source_mailbox(&job->source, job->user)));
    return code;
}
