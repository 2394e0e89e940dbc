/*
 * mailslot-user(8): edits `users` one user at a time and builds the database.
 */
#include "edit.h"
#include "password.h"
#include "replace.h"
#include "usage.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
    "usage: mailslot-user [-C FOLDER] add [-n] ADDRESS [OPTIONS]\n"
    "       mailslot-user [-C FOLDER] passwd [-n] ADDRESS\n"
    "       mailslot-user [-C FOLDER] del|lock|unlock ADDRESS\n"
    "       mailslot-user [-C FOLDER] list [ADDRESS]\n"
    "Edits FOLDER/users (" USAGE_FOLDER ") and builds the database.\n"
    "A password is asked for on a terminal, else it is the first line of standard input.\n"
    "  -n, --no-password  the user only receives\n"
    "  OPTIONS            as in mailslot-users(5), e.g. quota=1G,send-as=sales@example.org\n"
    "      --help, --version\n"
    "Exit code: 0 done, 1 no such user, 100 wrong usage or files, 111 failure of this system.\n";

struct job {
    const char *folder;
    const char *address; /* as typed */
    const char *options; /* NULL: none */
    bool no_password;
    struct source source;
    struct slice key;
    const struct source_user *user; /* NULL: no such user */
};

/* Reads the files and finds the user in them. */
static int look(struct job *job)
{
    struct report report = {.to = stderr};
    struct slice written = {job->address, strlen(job->address)};
    size_t index;
    int code = edit_load(&job->source, job->folder);

    if (code != USAGE_DONE)
        return code;
    if (!source_key(&job->source, &report, program_invocation_short_name, 0, written, true,
                    &job->key))
        return USAGE_WRONG;
    job->user = NULL;
    if (table_find(&job->source.user_table, job->key.at, job->key.len, &index))
        job->user = &job->source.users[index];
    return USAGE_DONE;
}

static int look_for_user(struct job *job)
{
    int code = look(job);

    if (code == USAGE_DONE && job->user == NULL)
        code = usage_wrong(USAGE_ABSENT, "%.*s is not in %s", SLICE(job->key),
                           job->source.users_text.name);
    return code;
}

static int look_for_none(struct job *job)
{
    int code = look(job);

    if (code == USAGE_DONE && job->user != NULL)
        code = usage_wrong(USAGE_WRONG, "%.*s is there already: %s:%u", SLICE(job->key),
                           job->source.users_text.name, job->user->line);
    return code;
}

/* From here on no other tool changes the files; what was found before may have changed. */
static int lock_and(int (*look_again)(struct job *), struct job *job)
{
    source_free(&job->source);
    if (replace_lock(job->folder) != 0)
        return usage_fail(USAGE_FAILED, "cannot lock the folder %s", job->folder);
    return look_again(job);
}

static void print_mailbox(const struct source *source, const struct source_user *user)
{
    if (*user->mailbox.at != '/')
        printf("%s/", source->settings.mail_root);
    printf("%.*s", SLICE(user->mailbox));
}

static size_t line_start(const struct text *text, size_t at)
{
    while (at > 0 && text->bytes[at - 1] != '\n')
        at--;
    return at;
}

static int set_credentials(const struct job *job, const char *credentials)
{
    const struct source_user *user = job->user;
    size_t at = (size_t)(user->credentials.at - job->source.users_text.bytes);

    return edit_users(&job->source, job->folder, at, user->credentials.len, credentials);
}

static int append_user(const struct job *job, const char *credentials)
{
    const struct text *text = &job->source.users_text;
    bool open = text->len > 0 && text->bytes[text->len - 1] != '\n';
    char written[ADDRESS_TEXT_MAX];
    struct address address;

    address_from_key(job->key.at, job->key.len, &address);
    address_write(&address, written);
    bool quote = written[0] == '#'; /* else the line were a comment */
    char *line = memory_format("%s%s%.*s%s@%.*s:%s:%s\n", open ? "\n" : "", quote ? "\"" : "",
                               (int)(strrchr(written, '@') - written), written, quote ? "\"" : "",
                               (int)address.domain_len, address.domain, credentials,
                               job->options == NULL ? "" : job->options);
    int code = edit_users(&job->source, job->folder, text->len, 0, line);
    explicit_bzero(line, strlen(line));
    free(line);
    if (code == USAGE_DONE)
        printf("%s added%s\n", written, *credentials == '\0' ? ", without a password" : "");
    return code;
}

static int add(struct job *job)
{
    char credentials[HASH_FIELD_MAX] = "";

    if (job->options != NULL && strpbrk(job->options, "\r\n") != NULL)
        return usage_wrong(USAGE_WRONG, "options stand in one line");
    int code = look_for_none(job);
    if (code == USAGE_DONE && !job->no_password)
        code = password_ask(job->key, credentials);
    if (code == USAGE_DONE)
        code = lock_and(look_for_none, job);
    if (code == USAGE_DONE)
        code = append_user(job, credentials);
    explicit_bzero(credentials, sizeof credentials);
    return code;
}

/* Who is locked stays so: a new password is not a pardon. */
static int passwd(struct job *job)
{
    char credentials[1 + HASH_FIELD_MAX] = "!", *password = credentials + 1;
    int code = look_for_user(job);

    if (code == USAGE_DONE && !job->no_password)
        code = password_ask(job->key, password);
    if (code == USAGE_DONE)
        code = lock_and(look_for_user, job);
    if (code == USAGE_DONE) {
        bool locked = job->user->hash.locked;
        code = set_credentials(job, locked ? credentials : password);
        if (code == USAGE_DONE)
            printf("%.*s %s%s\n", SLICE(job->key),
                   *password == '\0' ? "has no password now" : "has a new password",
                   locked ? ", but is still locked" : "");
    }
    explicit_bzero(credentials, sizeof credentials);
    return code;
}

static int set_lock(struct job *job, bool locked)
{
    int code = lock_and(look_for_user, job);

    if (code != USAGE_DONE)
        return code;
    struct slice old = slice_trim(job->user->credentials);
    if (job->user->hash.locked != locked) {
        char *credentials =
            memory_format("%s%.*s", locked ? "!" : "", (int)(old.len - !locked), old.at + !locked);
        code = set_credentials(job, credentials);
        explicit_bzero(credentials, strlen(credentials));
        free(credentials);
    }
    if (code == USAGE_DONE)
        printf("%.*s is %s: %s\n", SLICE(job->key), locked ? "locked" : "not locked",
               locked                            ? "receives, but cannot log in"
               : hash_is_empty(&job->user->hash) ? "has no password, and only receives"
                                                 : "receives, and can log in");
    return code;
}

static int lock(struct job *job)
{
    return set_lock(job, true);
}

static int unlock(struct job *job)
{
    return set_lock(job, false);
}

static bool is_named_by_aliases(const struct job *job)
{
    const struct source *source = &job->source;
    bool named = false;

    for (size_t i = 0; i < source->targets_len; i++) {
        const struct source_target *target = &source->targets[i];
        if (target->is_alias || &source->users[target->index] != job->user)
            continue;
        fprintf(stderr, "%s:%u: this alias names %.*s: change it first\n",
                source->aliases_text.name, target->line, SLICE(job->key));
        named = true;
    }
    return named;
}

static int del(struct job *job)
{
    int code = lock_and(look_for_user, job);

    if (code != USAGE_DONE)
        return code;
    if (is_named_by_aliases(job))
        return USAGE_WRONG;
    const struct text *text = &job->source.users_text;
    size_t at = line_start(text, (size_t)(job->user->credentials.at - text->bytes));
    const char *newline = memchr(text->bytes + at, '\n', text->len - at);
    size_t len = newline == NULL ? text->len - at : (size_t)(newline + 1 - text->bytes) - at;
    code = edit_users(&job->source, job->folder, at, len, "");
    if (code == USAGE_DONE) {
        printf("%.*s deleted; the mailbox stays, if there is one: ", SLICE(job->key));
        print_mailbox(&job->source, job->user);
        putchar('\n');
    }
    return code;
}

enum { KINDS_WIDTH = sizeof "gost-yescrypt+scram" - 1 };

static void print_user(const struct source *source, const struct source_user *user, int width)
{
    static const char units[] = "KMGT";
    const struct hash *hash = &user->hash;
    bool scram = hash->verifiers_len > 0;
    char kinds[32] = "-";
    uint64_t quota = user->quota;
    char written[24] = "-";
    size_t unit = 0;

    while (quota > 0 && quota % 1024 == 0 && unit < strlen(units)) {
        quota /= 1024;
        unit++;
    }
    if (quota > 0)
        snprintf(written, sizeof written, "%" PRIu64 "%.*s", quota, unit > 0,
                 &units[unit - (unit > 0)]);
    if (hash->text.len > 0)
        snprintf(kinds, sizeof kinds, "%s%s", hash_kind(hash->text), scram ? "+scram" : "");
    else if (scram)
        snprintf(kinds, sizeof kinds, "scram");
    printf("%-*.*s  %-*s  %-8s  %6s  ", width, SLICE(user->key), KINDS_WIDTH, kinds,
           user->disabled ? "disabled"
           : hash->locked ? "locked"
                          : "-",
           written);
    print_mailbox(source, user);
    putchar('\n');
}

static int list_one(struct job *job)
{
    int code = look_for_user(job);

    if (code == USAGE_DONE)
        print_user(&job->source, job->user, (int)job->key.len);
    return code;
}

static int list(struct job *job)
{
    const struct source *source = &job->source;
    int width = (int)strlen("ADDRESS");

    if (job->address != NULL)
        return list_one(job);
    int code = edit_load(&job->source, job->folder);
    if (code != USAGE_DONE)
        return code;
    for (size_t i = 0; i < source->users_len; i++)
        if ((int)source->users[i].key.len > width)
            width = (int)source->users[i].key.len;
    printf("%-*s  %-*s  %-8s  %6s  %s\n", width, "ADDRESS", KINDS_WIDTH, "PASSWORD", "STATE",
           "QUOTA", "MAILBOX");
    for (size_t i = 0; i < source->users_len; i++)
        print_user(source, &source->users[i], width);
    return code;
}

static const struct command {
    const char *name;
    int (*run)(struct job *);
    int words_min, words_max; /* behind the name */
    bool password;            /* -n makes sense */
} commands[] = {
    {"add", add, 1, 2, true},    {"passwd", passwd, 1, 1, true},  {"del", del, 1, 1, false},
    {"lock", lock, 1, 1, false}, {"unlock", unlock, 1, 1, false}, {"list", list, 0, 1, false},
};

static const struct option options[] = {
    {"folder", required_argument, NULL, 'C'},
    {"no-password", no_argument, NULL, 'n'},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'v'},
    {NULL, 0, NULL, 0},
};

int main(int argc, char **argv)
{
    struct job job = {.folder = USAGE_FOLDER};
    const struct command *command = NULL;
    int option;

    usage_start();
    while ((option = getopt_long(argc, argv, "C:n", options, NULL)) != -1)
        switch (option) {
        case 'C':
            job.folder = optarg;
            break;
        case 'n':
            job.no_password = true;
            break;
        case 'v':
            return usage_version();
        default:
            return usage_help(option == 'h', help);
        }
    for (size_t i = 0; optind < argc && i < sizeof commands / sizeof commands[0]; i++)
        if (strcmp(argv[optind], commands[i].name) == 0)
            command = &commands[i];
    int words = argc - optind - 1;
    if (command == NULL || words < command->words_min || words > command->words_max ||
        (job.no_password && !command->password))
        return usage_help(false, help);
    job.address = argv[optind + 1]; /* argv ends in NULL */
    job.options = words == 2 ? argv[optind + 2] : NULL;
    int code = command->run(&job);
    source_free(&job.source);
    return usage_finish(code);
}
