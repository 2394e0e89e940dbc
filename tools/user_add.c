/* add: a new user, and for one of this machine the mailbox as well. */
#include "edit.h"
#include "memory.h"
#include "password.h"
#include "system_mailbox.h"
#include "usage.h"
#include "user.h"

#include <stdlib.h>
#include <string.h>

static bool has_mailbox(const char *options)
{
    static const char name[] = "mailbox=";
    struct slice rest = {options, strlen(options)};

    while (rest.at != NULL) {
        struct slice item = slice_trim(slice_cut(&rest, ','));
        if (item.len >= strlen(name) && memcmp(item.at, name, strlen(name)) == 0)
            return true;
    }
    return false;
}

static char *format_line(const struct user_job *job, const char *credentials)
{
    const struct text *text = &job->source.users_text;
    const char *options = job->options == NULL ? "" : job->options;
    bool open = text->len > 0 && text->bytes[text->len - 1] != '\n';
    char address[USER_ADDRESS_MAX];
    const char *at = memrchr(job->key.at, '@', job->key.len);

    user_write_address(job->key, address);
    if (!job->system || has_mailbox(options))
        return memory_format("%s%s:%s:%s\n", open ? "\n" : "", address, credentials, options);
    return memory_format("%s%s:%s:%s%smailbox=" SYSTEM_MAILBOX_FOLDER "/%.*s\n", open ? "\n" : "",
                         address, credentials, options, *options == '\0' ? "" : ",",
                         (int)(at - job->key.at), job->key.at);
}

/* The mailbox first: if it cannot be had, nothing has changed; if the rest fails, it goes again. */
static int put_in_place(struct user_job *job, struct source *changed,
                        struct system_mailbox *mailbox)
{
    size_t index;
    int code = USAGE_DONE;

    if (job->system) {
        table_find(&changed->user_table, job->key.at, job->key.len, &index);
        code = system_mailbox_begin(mailbox, source_mailbox(changed, &changed->users[index]));
    }
    return code == USAGE_DONE ? edit_commit(changed, job->folder, &job->key, 1) : code;
}

static int append_user(struct user_job *job, const char *credentials,
                       struct system_mailbox *mailbox)
{
    char *line = format_line(job, credentials), address[USER_ADDRESS_MAX];
    struct source changed;
    int code = edit_begin(&changed, job->folder, &job->source, job->source.users_text.len, 0, line);

    if (code == USAGE_DONE)
        code = put_in_place(job, &changed, mailbox);
    user_write_address(job->key, address);
    if (code == USAGE_DONE)
        printf("%s added%s", address, *credentials == '\0' ? ", without a password" : "");
    if (code == USAGE_DONE && job->system)
        printf("; mailbox %s%s", mailbox->path, mailbox->fd >= 0 ? ", new" : ", as it is");
    if (code == USAGE_DONE)
        putchar('\n');
    source_free(&changed);
    explicit_bzero(line, strlen(line));
    free(line);
    return code;
}

int user_add(struct user_job *job)
{
    char credentials[HASH_FIELD_MAX] = "";
    struct system_mailbox mailbox = {.fd = -1};

    if (job->options != NULL && strpbrk(job->options, "\r\n") != NULL)
        return usage_wrong(USAGE_WRONG, "options stand in one line");
    int code = user_look_for_none(job);
    if (code == USAGE_DONE && job->system) {
        const char *at = memrchr(job->key.at, '@', job->key.len);
        code =
            system_mailbox_find(&mailbox, (struct slice){job->key.at, (size_t)(at - job->key.at)});
    }
    if (code == USAGE_DONE && !job->no_password)
        code = password_ask(job->key, credentials);
    if (code == USAGE_DONE)
        code = user_lock_and(user_look_for_none, job);
    if (code == USAGE_DONE)
        code = append_user(job, credentials, &mailbox);
    int made = system_mailbox_end(&mailbox, code == USAGE_DONE);
    explicit_bzero(credentials, sizeof credentials);
    return code == USAGE_DONE ? made : code;
}
