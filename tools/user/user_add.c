/* add: a new user; for a user of this machine, also the mailbox. */
#include "../kit/memory.h"
#include "../kit/message.h"
#include "../kit/system_mailbox.h"
#include "edit.h"
#include "password.h"
#include "user.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static bool has_mailbox(const char *options)
{
    struct slice rest = slice_of(options);

    while (rest.at != NULL)
        if (slice_begins(slice_trim(text_file_cut(&rest, ',')), "mailbox="))
            return true;
    return false;
}

static char *format_line(const struct user_job *job, const char *credentials)
{
    const struct text_file *text = &job->source.users_text;
    const char *options = job->options;
    bool open = text->len > 0 && text->bytes[text->len - 1] != '\n';
    char address[USER_ADDRESS_MAX];
    const char *at = memrchr(job->key.at, '@', job->key.len);

    user_write_address(job->key, address);
    if (!user_has(job, USER_SYSTEM) || has_mailbox(options))
        return memory_format("%s%s:%s:%s\n", open ? "\n" : "", address, credentials, options);
    return memory_format("%s%s:%s:%s%smailbox=" SYSTEM_MAILBOX_FOLDER "/%.*s\n", open ? "\n" : "",
                         address, credentials, options, *options == '\0' ? "" : ",",
                         (int)(at - job->key.at), job->key.at);
}

/* Mail that is already there may belong to a former user. */
static int check_mail(const struct user_job *job, struct slice path)
{
    int64_t size = user_mailbox_size(path);

    if (size <= 0 || user_has(job, USER_KEEP_MAIL) || user_has(job, USER_SYSTEM) ||
        has_mailbox(job->options))
        return EXIT_DONE;
    return message_print(EXIT_WRONG,
                         "%.*s already exists, with %" PRId64 " bytes of mail that the new user "
                         "would get: move it away, or give the mail to this user by --keep-mail",
                         SLICE(path), size);
}

/* The mailbox comes first, so that a failure changes nothing; if the rest fails, it is removed. */
static int put_in_place(struct user_job *job, struct source *changed,
                        struct system_mailbox *mailbox, int64_t *size)
{
    size_t index;

    map_find(&changed->user_map, job->key, &index);
    struct slice path = source_mailbox(changed, &changed->users[index]);
    int code = check_mail(job, path);
    if (code == EXIT_DONE && user_has(job, USER_SYSTEM))
        code = system_mailbox_begin(mailbox, path);
    if (code == EXIT_DONE)
        *size = user_mailbox_size(path);
    return code == EXIT_DONE ? edit_commit(changed, job->folder, &job->key, 1) : code;
}

static int append_user(struct user_job *job, const char *credentials,
                       struct system_mailbox *mailbox)
{
    char *line = format_line(job, credentials), address[USER_ADDRESS_MAX];
    struct source changed;
    int64_t size = 0;
    int code = edit_begin(&changed, job->folder, &job->source, job->source.users_text.len, 0, line);

    if (code == EXIT_DONE)
        code = put_in_place(job, &changed, mailbox, &size);
    user_write_address(job->key, address);
    if (code == EXIT_DONE)
        printf("%s added%s", address, *credentials == '\0' ? ", without a password" : "");
    if (code == EXIT_DONE && user_has(job, USER_SYSTEM))
        printf("; mailbox %s%s", mailbox->path, mailbox->fd >= 0 ? ", new" : ", as it is");
    if (code == EXIT_DONE && size > 0)
        printf("; the mail that was already there is now this user's: %" PRId64 " bytes", size);
    if (code == EXIT_DONE)
        putchar('\n');
    source_free(&changed);
    explicit_bzero(line, strlen(line));
    free(line);
    return code;
}

int user_add(struct user_job *job)
{
    char credentials[CREDENTIALS_MAX] = "";
    struct system_mailbox mailbox = {.fd = -1};

    char *options = user_join_options(job->words + 1);
    if (options == NULL)
        return EXIT_WRONG;
    job->options = options;
    int code = user_look_for_none(job);
    if (code == EXIT_DONE && user_has(job, USER_SYSTEM)) {
        const char *at = memrchr(job->key.at, '@', job->key.len);
        code =
            system_mailbox_find(&mailbox, (struct slice){job->key.at, (size_t)(at - job->key.at)});
    }
    if (code == EXIT_DONE && !user_has(job, USER_NO_PASSWORD))
        code = password_ask(job->key, credentials);
    if (code == EXIT_DONE)
        code = user_lock_and(user_look_for_none, job);
    if (code == EXIT_DONE)
        code = append_user(job, credentials, &mailbox);
    int made = system_mailbox_end(&mailbox, code == EXIT_DONE);
    explicit_bzero(credentials, sizeof credentials);
    free(options);
    return code == EXIT_DONE ? made : code;
}
