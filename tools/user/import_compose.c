#include "../kit/memory.h"
#include "import.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static void write_credentials(const struct import_user *user, bool no_password, FILE *to)
{
    const struct account *account = &user->account;
    struct slice rest = account->verifiers, scheme = account->scheme;
    bool dollar = slice_begins(account->hash, "$");
    bool any = scheme.len > 0 || account->hash.len > 0;

    if (account->locked)
        putc('!', to);
    if (no_password)
        return;
    if (scheme.len == 0 && any && !dollar)
        scheme = slice_of("{CRYPT}");
    else if (slice_is(scheme, "{CRYPT}") && dollar)
        scheme.len = 0;
    fprintf(to, "%.*s%.*s", SLICE(scheme), SLICE(account->hash));
    while (rest.len > 0) {
        struct slice verifier = slice_cut(&rest, ';');
        fprintf(to, "%s{SCRAM-SHA-256}%.*s", any ? " " : "", SLICE(verifier));
        any = true;
    }
}

static void write_options(const struct account *account, FILE *to)
{
    char quota[USER_QUOTA_MAX];
    const char *comma = "";

    user_write_quota(account->quota, quota);
    if (*quota != '\0') {
        fprintf(to, "quota=%s", quota);
        comma = ",";
    }
    if (account->send_as.len > 0) {
        fprintf(to, "%ssend-as=%.*s", comma, SLICE(account->send_as));
        comma = ",";
    }
    if (account->disabled) {
        fprintf(to, "%sdisabled", comma);
        comma = ",";
    }
    if (account->mailbox.len > 0)
        fprintf(to, "%smailbox=%.*s", comma, SLICE(account->mailbox));
    if (account->store.len > 0)
        fprintf(to, "%smailbox=lmtp:%.*s", comma, SLICE(account->store));
}

static void write_line(const struct import *import, const struct import_user *user, FILE *to)
{
    char address[USER_ADDRESS_MAX];

    user_write_address(user->key, address);
    fprintf(to, "%s:", address);
    write_credentials(user, user_has(import->job, USER_NO_PASSWORD), to);
    putc(':', to);
    write_options(&user->account, to);
}

/* A line of Dovecot's file replaces the whole line; one of passwd or shadow only the credentials.
 * Returns where the old text continues. */
static const char *write_replacement(const struct import *import, const struct import_user *user,
                                     const char *from, FILE *to)
{
    const struct text_file *text = &import->job->source.users_text;
    const char *at = user->user->credentials_text.at;
    const char *end = memchr(at, '\n', (size_t)(text->bytes + text->len - at));

    if (user->passwd || user->shadow) {
        fwrite(from, 1, (size_t)(at - from), to);
        write_credentials(user, false, to);
        return at + user->user->credentials_text.len;
    }
    while (at > from && at[-1] != '\n')
        at--;
    fwrite(from, 1, (size_t)(at - from), to);
    write_line(import, user, to);
    if (end == NULL)
        end = text->bytes + text->len;
    return end > from && end[-1] == '\r' ? end - 1 : end;
}

static void note_origin(struct import *import, size_t line, struct import_user *user)
{
    user->composed = line;
    import->report.origins[line] = (struct report_origin){.file = user->file, .line = user->line};
}

static bool is_due(const struct import_user *user)
{
    return !user->skipped && !user->wrong;
}

/* In the order of the old lines. */
static void replace_lines(struct import *import, FILE *to)
{
    const struct source *source = &import->job->source;
    const struct text_file *text = &source->users_text;
    struct import_user **by_user = pool_get(&import->pool, source->users_len * sizeof *by_user);
    const char *from = text->bytes;

    memset(by_user, 0, source->users_len * sizeof *by_user);
    for (size_t i = 0; i < import->users_len; i++)
        if (is_due(&import->users[i]) && import->users[i].user != NULL)
            by_user[import->users[i].user - source->users] = &import->users[i];
    for (size_t i = 0; i < source->users_len; i++) {
        if (by_user[i] == NULL)
            continue;
        from = write_replacement(import, by_user[i], from, to);
        note_origin(import, source->users[i].line, by_user[i]);
        import->replaced++;
    }
    if (text->len > 0)
        fwrite(from, 1, (size_t)(text->bytes + text->len - from), to);
}

void import_compose(struct import *import)
{
    const struct text_file *text = &import->job->source.users_text;
    size_t line = 1;

    for (size_t i = 0; i < text->len; i++)
        line += text->bytes[i] == '\n';
    if (import->text != NULL)
        explicit_bzero(import->text, import->text_len);
    free(import->text);
    free(import->report.origins);
    import->added = import->replaced = 0;
    import->report.gathered = text->name;
    import->report.origins_len = line + import->users_len + 1;
    import->report.origins = calloc(import->report.origins_len, sizeof *import->report.origins);
    if (import->report.origins == NULL)
        memory_fail();
    FILE *to = memory_stream(&import->text, &import->text_len);
    replace_lines(import, to);
    if (text->len > 0 && text->bytes[text->len - 1] != '\n') {
        putc('\n', to);
        line++;
    }
    for (size_t i = 0; i < import->users_len; i++) {
        struct import_user *user = &import->users[i];
        if (!is_due(user) || user->user != NULL)
            continue;
        write_line(import, user, to);
        putc('\n', to);
        note_origin(import, line++, user);
        import->added++;
    }
    if (fclose(to) != 0)
        memory_fail();
}

void import_mark(struct import *import)
{
    for (size_t i = 0; i < import->users_len; i++) {
        struct import_user *user = &import->users[i];
        if (!is_due(user) || !import->report.origins[user->composed].wrong)
            continue;
        user->wrong = true;
        import->wrong++;
    }
}
