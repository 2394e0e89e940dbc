/* list: the users as a table, or as JSON. Of credentials, only the kinds are shown. */
#include "../kit/json.h"
#include "../kit/message.h"
#include "../kit/printable.h"
#include "../source/hash.h"
#include "edit.h"
#include "user.h"

#include <inttypes.h>
#include <string.h>

enum { KINDS_WIDTH = sizeof "gost-yescrypt+scram" - 1, USED_WIDTH = 6 };

/* The size of a mailbox, in the unit that leaves at least two digits. */
static void write_size(int64_t size, char written[USER_QUOTA_MAX])
{
    static const char units[] = "KMGT";
    size_t unit = 0;

    for (; size >= 10240 && unit < strlen(units); size /= 1024)
        unit++;
    if (size < 0)
        snprintf(written, USER_QUOTA_MAX, "-");
    else
        snprintf(written, USER_QUOTA_MAX, "%" PRId64 "%.*s", size, unit > 0,
                 &units[unit - (unit > 0)]);
}

static void print_row(struct user_job *job, const struct source_user *user, int width)
{
    struct slice mailbox = source_mailbox(&job->source, user);
    char size[USER_QUOTA_MAX] = "", shown[SETTINGS_PATH_MAX];

    const struct credentials *credentials = &user->credentials;
    bool scram = credentials->verifiers_len > 0;
    char kinds[32] = "-", quota[USER_QUOTA_MAX];

    user_write_quota(user->quota, quota);
    snprintf(shown, sizeof shown, "%.*s", SLICE(mailbox));
    printable(shown);
    if (credentials->hash.len > 0)
        snprintf(kinds, sizeof kinds, "%s%s", hash_kind(credentials->hash), scram ? "+scram" : "");
    else if (scram)
        snprintf(kinds, sizeof kinds, "scram");
    if (user_has(job, USER_USAGE))
        write_size(user_mailbox_size(mailbox), size);
    printf("%-*.*s  %-*s  %-8s  %6s  %*s%s%s\n", width, SLICE(user->key), KINDS_WIDTH, kinds,
           user->disabled        ? "disabled"
           : credentials->locked ? "locked"
                                 : "-",
           *quota == '\0' ? "-" : quota, user_has(job, USER_USAGE) ? USED_WIDTH : 0, size,
           user_has(job, USER_USAGE) ? "  " : "", shown);
}

/* Prints lines as an array of strings. */
static void print_strings(const char *name, struct slice lines)
{
    const char *before = "";

    printf(", \"%s\": [", name);
    while (lines.len > 0) {
        fputs(before, stdout);
        json_string(stdout, slice_cut(&lines, '\n'));
        before = ", ";
    }
    putchar(']');
}

static void print_object(struct user_job *job, const struct source_user *user)
{
    struct slice mailbox = source_mailbox(&job->source, user);
    const struct credentials *credentials = &user->credentials;
    char kinds[48];

    snprintf(kinds, sizeof kinds, "%s\n%s",
             credentials->hash.len > 0 ? hash_kind(credentials->hash) : "",
             credentials->verifiers_len > 0 ? "SCRAM-SHA-256" : "");
    printf("{\"address\": ");
    json_string(stdout, user->key);
    print_strings("credentials", slice_of(*kinds == '\n' ? kinds + 1 : kinds));
    printf(", \"locked\": %s, \"disabled\": %s", credentials->locked ? "true" : "false",
           user->disabled ? "true" : "false");
    if (user->quota > 0)
        printf(", \"quota\": %" PRIu64, user->quota);
    else
        printf(", \"quota\": null");
    print_strings("send_as", user->send_as);
    printf(", \"mailbox\": ");
    if (mailbox.len > 0)
        json_string(stdout, mailbox);
    else
        printf("null"); /* the line is wrong */
    if (user_has(job, USER_USAGE)) {
        int64_t size = user_mailbox_size(mailbox);
        printf(size < 0 ? ", \"usage\": null" : ", \"usage\": %" PRId64, size);
    }
    putchar('}');
}

static void print_json(struct user_job *job, const struct source_user *users, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        fputs(i == 0 ? "[\n  " : ",\n  ", stdout);
        print_object(job, &users[i]);
    }
    puts(len == 0 ? "[]" : "\n]");
}

static void print_table(struct user_job *job)
{
    const struct source *source = &job->source;
    int width = (int)strlen("ADDRESS");

    for (size_t i = 0; i < source->users_len; i++)
        if ((int)source->users[i].key.len > width)
            width = (int)source->users[i].key.len;
    printf("%-*s  %-*s  %-8s  %6s  %*s%s\n", width, "ADDRESS", KINDS_WIDTH, "PASSWORD", "STATE",
           "QUOTA", user_has(job, USER_USAGE) ? USED_WIDTH + 2 : 0,
           user_has(job, USER_USAGE) ? "USED  " : "", "MAILBOX");
    for (size_t i = 0; i < source->users_len; i++)
        print_row(job, &source->users[i], width);
}

int user_list(struct user_job *job)
{
    struct source *source = &job->source;
    job->purpose = EDIT_READ;
    int code =
        job->address == NULL ? edit_load(source, job->folder, job->purpose) : user_look_for(job);

    if (code != EXIT_DONE)
        return code;
    if (user_has(job, USER_JSON))
        print_json(job, job->address == NULL ? source->users : job->user,
                   job->address == NULL ? source->users_len : 1);
    else if (job->address == NULL)
        print_table(job);
    else
        print_row(job, job->user, (int)job->key.len);
    return code;
}
