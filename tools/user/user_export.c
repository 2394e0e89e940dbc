/* export: the users as a passwd-file of Dovecot, which import turns into the same users again. */
#include "../kit/message.h"
#include "account.h"
#include "edit.h"
#include "user.h"

#include <string.h>

/* Can it be a name in Dovecot's file? That ends at the first colon, and is never quoted. */
static bool is_plain(struct slice key)
{
    char written[USER_ADDRESS_MAX];

    user_write_address(key, written);
    return slice_is(key, written);
}

/* An address that needs quotes may contain a blank or a comma. */
static bool are_plain(struct slice addresses)
{
    while (addresses.len > 0) {
        struct slice address = slice_cut(&addresses, '\n');
        if (*address.at != '@' && !is_plain(address))
            return false;
    }
    return true;
}

/* Extra fields are separated by blanks. */
static bool is_word(struct slice text)
{
    return memchr(text.at, ' ', text.len) == NULL && memchr(text.at, '\t', text.len) == NULL;
}

/* Dovecot takes `%` for the beginning of a variable. */
static void print_value(struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        printf("%s%c", text.at[i] == '%' ? "%" : "", text.at[i] == '\n' ? ',' : text.at[i]);
}

static void print_field(const char **before, const char *name)
{
    printf("%s%s", *before, name);
    *before = " ";
}

static void print_password(const struct source_user *user)
{
    const struct credentials *credentials = &user->credentials;

    if (credentials->hash.len > 0)
        printf("{CRYPT}%.*s", SLICE(credentials->hash));
    else if (credentials->verifiers_len > 0)
        printf("{SCRAM-SHA-256}%.*s", SLICE(credentials->verifiers[0]));
}

/* The password field has room for one; these are the others. */
static void print_verifiers(const struct credentials *credentials, const char **before)
{
    size_t first = credentials->hash.len == 0;

    for (size_t i = first; i < credentials->verifiers_len; i++) {
        if (i == first)
            print_field(before, ACCOUNT_SCRAM "=");
        printf("%s%.*s", i > first ? ";" : "", SLICE(credentials->verifiers[i]));
    }
}

/* Only a store that the setting mailboxes does not name: Dovecot itself may be that one. */
static void print_store(const struct source *source, const struct source_user *user,
                        const char **before)
{
    struct slice store;

    if (!source_in_store(user, &store) || slice_equal(store, source->settings.mailboxes))
        return;
    print_field(before, ACCOUNT_STORE "=");
    print_value(store);
}

static void print_extra(struct report *report, const struct source *source,
                        const struct source_user *user)
{
    const char *file = source->users_text.name;
    struct slice send_as = user->send_as;
    const char *before = "";
    char quota[USER_QUOTA_MAX];

    user_write_quota(user->quota, quota);
    if (user->disabled || user->credentials.locked)
        print_field(&before, "nologin");
    if (user->disabled)
        print_field(&before, user->credentials.locked ? ACCOUNT_STATE "=disabled,locked"
                                                      : ACCOUNT_STATE "=disabled");
    if (*quota != '\0') {
        print_field(&before, ACCOUNT_QUOTA "=*:storage=");
        printf("%s%s", quota, strpbrk(quota, "KMGT") == NULL ? "B" : "");
    }
    if (*user->mailbox.at == '/' && is_word(user->mailbox) &&
        memchr(user->mailbox.at, ':', user->mailbox.len) == NULL) {
        print_field(&before, ACCOUNT_MAIL "=mbox:~/mail:INBOX=");
        print_value(user->mailbox);
        print_field(&before, ACCOUNT_INBOX "=");
        print_value(user->mailbox);
    } else if (*user->mailbox.at == '/') {
        report_error(report, file, user->line,
                     "%.*s: the path of the mailbox contains a blank or a colon, so it is left out",
                     SLICE(user->key));
    }
    if (send_as.len > 0 && are_plain(send_as)) {
        print_field(&before, ACCOUNT_SEND_AS "=");
        print_value((struct slice){send_as.at, send_as.len - 1});
    } else if (send_as.len > 0) {
        report_error(report, file, user->line,
                     "%.*s: an address of send-as needs quotes, so send-as is left out",
                     SLICE(user->key));
    }
    print_store(source, user, &before);
    print_verifiers(&user->credentials, &before);
}

int user_export(struct user_job *job)
{
    struct report report = {.to = stderr, .all_errors = true};
    struct source *source = &job->source;
    const char *file;
    int code = edit_load(source, job->folder, EDIT_READ);

    if (code != EXIT_DONE)
        return code;
    file = source->users_text.name;
    for (size_t i = 0; i < source->users_len; i++) {
        const struct source_user *user = &source->users[i];
        if (user->wrong) {
            report_error(&report, file, user->line,
                         "%.*s: the line has an error, so the user is left out", SLICE(user->key));
            continue;
        }
        if (!is_plain(user->key)) {
            report_error(&report, file, user->line,
                         "%.*s: the name needs quotes, which Dovecot does not have, so the user is "
                         "left out",
                         SLICE(user->key));
            continue;
        }
        printf("%.*s:", SLICE(user->key));
        print_password(user);
        fputs("::::::", stdout);
        print_extra(&report, source, user);
        putchar('\n');
    }
    return report.errors == 0
               ? EXIT_DONE
               : message_print(EXIT_ABSENT, "%u of the items above could not be exported",
                               report.errors);
}
