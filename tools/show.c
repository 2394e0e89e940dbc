/*
 * mailslot-show(8): queries mailslot.cdb as the server does, and shows what the server would
 * answer.
 */
#include "../smtpd/database/directory.h"
#include "../smtpd/database/record.h"
#include "../smtpd/wall/verdict.h"
#include "check/check_run.h"
#include "kit/certificate_text.h"
#include "kit/folder.h"
#include "kit/memory.h"
#include "kit/message.h"
#include "kit/printable.h"
#include "kit/program.h"
#include "source/hash.h"
#include "source/source.h"
#include "source/sums.h"
#include "source/walk.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const char help[] =
    "usage: mailslot-show [-C FOLDER] [-d DATABASE] [ADDRESS...]\n"
    "Shows how the server answers RCPT TO for each address, and where the mail goes.\n"
    "Without an address, shows the settings in effect.\n"
    "  -C, --folder=FOLDER      where the files are (" FOLDER_DEFAULT ")\n"
    "  -d, --database=DATABASE  read this one (FOLDER/" FOLDER_DATABASE ")\n"
    "      --help, --version\n"
    "Exit code: 0 all accepted; 1 an address is refused, or a certificate cannot be used;\n"
    "100 wrong usage or an unsafe database; 111 the database is missing or damaged.\n";

enum { OPTION_CHECK = 256 };

static const struct option options[] = {
    {"folder", required_argument, NULL, 'C'},   {"database", required_argument, NULL, 'd'},
    {"check", no_argument, NULL, OPTION_CHECK}, {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'v'},        {NULL, 0, NULL, 0},
};

/* What the reply to RCPT means, and the exit code. */
static const struct answer {
    const char *meaning;
    int code;
} answers[] = {
    [VERDICT_USER] = {"accepted: user", EXIT_DONE},
    [VERDICT_ALIAS] = {"accepted: alias", EXIT_DONE},
    [VERDICT_CATCH_ALL] = {"accepted: catch-all of", EXIT_DONE},
    [VERDICT_DISABLED] = {"refused: disabled,", EXIT_ABSENT},
    [VERDICT_UNKNOWN] = {"refused: no such user or alias", EXIT_ABSENT},
    [VERDICT_FOREIGN] = {"refused: not a local domain", EXIT_ABSENT},
    [VERDICT_DATABASE] = {"deferred: the database is damaged", EXIT_FAILED},
};

static void print_mailbox(const struct settings *settings, const struct directory_user *user)
{
    char path[DIRECTORY_PATH_MAX];
    struct stat st = {0};

    directory_mailbox(settings, user, path);
    bool is_there = stat(path, &st) == 0;
    bool absent = !is_there && errno == ENOENT;
    printable(path);
    printf("    mailbox      %s\n", path);
    if (is_there && S_ISREG(st.st_mode))
        printf("    size         %" PRId64 " bytes\n", (int64_t)st.st_size);
    else if (absent)
        puts("    size         0 bytes, does not exist yet");
}

static bool is_locked(struct database *db, const struct directory_user *user)
{
    struct slice text, name, value;

    if (database_find(db, "user", user->address, &text) == 1)
        while (record_line(&text, &name, &value) == 1)
            if (slice_is(name, "locked"))
                return slice_is(value, "yes");
    return false;
}

/* The kind, never the secret. */
static int print_credentials(struct database *db, const struct directory_user *user)
{
    struct slice text, name, value;
    int found = database_find(db, "credential", user->address, &text);

    if (found < 0)
        return -1;
    if (found == 0) {
        puts(is_locked(db, user) ? "    credentials  locked (receives mail, cannot log in)"
                                 : "    credentials  none (receives mail, cannot log in)");
        return 0;
    }
    while (record_line(&text, &name, &value) == 1)
        if (slice_is(name, "crypt")) {
            printf("    credentials  %s\n", hash_kind(value));
        } else if (slice_is(name, "scram-sha-256")) {
            struct slice iterations = slice_until(value, ',');
            printf("    credentials  SCRAM-SHA-256, %.*s iterations\n", SLICE(iterations));
        }
    return 0;
}

static int print_send_as(struct database *db, const struct directory_user *user)
{
    struct slice text, name, value;

    if (database_find(db, "user", user->address, &text) != 1)
        return -1;
    while (record_line(&text, &name, &value) == 1)
        if (slice_is(name, "send-as"))
            printf("    send-as      %.*s\n", SLICE(value));
    return 0;
}

static int print_users(struct database *db, const struct settings *settings,
                       struct directory_match *match)
{
    struct directory_user user;
    int more;

    while ((more = directory_next_user(db, match, &user)) == 1) {
        printf("  %.*s\n", SLICE(user.address));
        print_mailbox(settings, &user);
        if (user.quota > 0)
            printf("    quota        %" PRIu64 " bytes\n", user.quota);
        if (user.disabled)
            puts("    disabled");
        if (print_send_as(db, &user) != 0 || print_credentials(db, &user) != 0)
            return -1;
    }
    return more;
}

/* Did the name match only without the delimiter and what follows it? */
static bool has_detail(const struct address *asked, enum verdict verdict,
                       const struct directory_match *match)
{
    return verdict != VERDICT_CATCH_ALL && match->address.local_len > 0 &&
           match->address.local_len < asked->local_len;
}

static int show_address(struct database *db, const struct settings *settings, const char *text)
{
    struct directory_match match;
    struct address address;
    char name[ADDRESS_KEY_MAX], status[REPLY_STATUS_MAX];

    if (address_parse(slice_of(text), &address) != ADDRESS_OK) {
        char *shown = memory_format("%s", text);
        printable(shown);
        printf("%s: refused: not a mail address\n", shown);
        free(shown);
        return EXIT_ABSENT;
    }
    enum verdict verdict = directory_find(db, settings, &address, &match);
    const struct answer *answer = &answers[verdict];
    printf("%s: %s %s", text, reply_status(verdict_reply(verdict, REPLY_RECIPIENT), status),
           answer->meaning);
    if (verdict == VERDICT_UNKNOWN || verdict == VERDICT_FOREIGN || verdict == VERDICT_DATABASE) {
        putchar('\n');
        return answer->code;
    }
    if (verdict == VERDICT_CATCH_ALL)
        match.address.local_len = 0;
    size_t len = address_key(&match.address, name);
    printf(" %.*s%s\n", (int)len, name,
           has_detail(&address, verdict, &match) ? ", without the detail" : "");
    if (print_users(db, settings, &match) == 0)
        return answer->code;
    puts("    451 4.3.0 deferred: the database is damaged here");
    return EXIT_FAILED;
}

static int count_records(struct database *db)
{
    size_t counts[WALK_KINDS] = {0};
    struct walk records;
    int more;

    walk_begin(&records, db);
    while ((more = walk_next(&records)) > 0)
        counts[records.kind]++;
    if (more == 0)
        printf("# domains: %zu, users: %zu (%zu with a password), aliases: %zu\n",
               counts[WALK_DOMAIN], counts[WALK_USER], counts[WALK_CREDENTIAL], counts[WALK_ALIAS]);
    return more;
}

/* The names in a certificate and its last day; or what is wrong with it. */
static int show_certificate(const struct settings *settings, const char *folder, size_t i)
{
    char problem[CERTIFICATE_PROBLEM_MAX];
    struct certificate certificate;
    struct slice name = settings->certificates[i];
    int code = EXIT_DONE;

    printf("# %.*s: ", SLICE(name));
    if (certificate_load(&certificate, folder, name, settings->keys[i], problem) == 0) {
        certificate_print(&certificate, stdout);
        putchar('\n');
    } else {
        printf("NOT USABLE, clients are refused TLS: %s\n", problem);
        code = EXIT_ABSENT;
    }
    certificate_release(&certificate);
    return code;
}

/* As the user who runs this sees the files; the server may be another user. */
static int show_certificates(const struct settings *settings, const char *path)
{
    char *folder = folder_of(path);
    int code = EXIT_DONE;

    if (settings->certificates_len > 0 && gnutls_load() != 0)
        code = message_print(EXIT_ABSENT, "no TLS: GnuTLS is not installed (package libgnutls30)");
    for (size_t i = 0;
         code != EXIT_FAILED && gnutls.strerror != NULL && i < settings->certificates_len; i++) {
        int one = show_certificate(settings, folder, i);
        code = one > code ? one : code;
    }
    free(folder);
    return code;
}

/* In the form of mailslot.conf(5). */
static int show_settings(struct database *db, const struct settings *settings, const char *path)
{
    char *text = NULL;
    size_t len;
    FILE *to = memory_stream(&text, &len);

    settings_write(settings, to);
    if (fclose(to) != 0)
        memory_fail();
    printf("# %s\n", path);
    for (char *line = text, *newline; (newline = strchr(line, '\n')) != NULL; line = newline + 1) {
        const char *equals = memchr(line, '=', (size_t)(newline - line));
        printf("%.*s = %.*s\n", (int)(equals - line), line, (int)(newline - equals - 1),
               equals + 1);
    }
    free(text);
    int code = show_certificates(settings, path);
    if (count_records(db) == 0)
        return code;
    return message_print(EXIT_FAILED, "%s is damaged: run mailslot-build", path);
}

/* How to repair the database, for the end of a message. */
static const char *repair(const char *folder)
{
    return folder != NULL && source_is_absent(folder)
               ? "copy it here again from the machine that builds it"
               : "run mailslot-build";
}

/* The most frequent reason for an unexpected answer. */
static void warn_of_change(const char *folder, struct database *db)
{
    if (source_is_absent(folder))
        return; /* nothing to compare with */
    char *name = sums_changed(folder, db);
    struct slice ignored;

    if (database_find(db, "texts", (struct slice){0}, &ignored) == 0)
        message_print(0, "the database was made by an older mailslot-build, and may differ from "
                         "the files: run mailslot-build");
    if (name != NULL)
        message_print(0, "%s has changed since the last build: run mailslot-build", name);
    free(name);
}

static int open_database(struct database *db, const char *folder, const char *path)
{
    enum database_state state = database_open(db, path);

    if (state == DATABASE_OPEN)
        return EXIT_DONE;
    if (state == DATABASE_UNSAFE)
        return message_print(EXIT_WRONG,
                             "%s is not safe, so the server refuses it: it must be a regular file "
                             "that belongs to root or to the user who reads it, and that only its "
                             "owner can change",
                             path);
    if (state == DATABASE_DAMAGED || state == DATABASE_OLD)
        return message_print(EXIT_FAILED, "%s %s: %s", path, database_problem(state),
                             repair(folder));
    errno = db->error;
    return message_errno(EXIT_FAILED, "cannot %s %s%s", state == DATABASE_FAILED ? "read" : "open",
                         path, errno == ENOENT ? " (mailslot-build creates it)" : "");
}

static int show(const char *folder, const char *path, char **addresses)
{
    struct settings settings;
    struct database db;
    int code = open_database(&db, folder, path);

    if (code != EXIT_DONE)
        return code;
    if (folder != NULL)
        warn_of_change(folder, &db);
    if (directory_settings(&db, &settings) != 0)
        code = message_print(EXIT_FAILED, "%s: the settings are damaged: %s", path, repair(folder));
    else if (*addresses == NULL)
        code = show_settings(&db, &settings, path);
    for (; code != EXIT_FAILED && *addresses != NULL; addresses++) {
        int one = show_address(&db, &settings, *addresses);
        code = one > code ? one : code;
    }
    database_close(&db);
    return code;
}

/* The option dates from before mailslot-check(8). */
static int run_check(const char *folder, const char *path)
{
    message_print(0, "--check is now a separate program: mailslot-check");
    return program_finish(check_run(folder, path));
}

int main(int argc, char **argv)
{
    const char *folder = NULL, *path = NULL;
    bool check = false;
    int option;

    program_start();
    while ((option = getopt_long(argc, argv, "C:d:", options, NULL)) != -1)
        switch (option) {
        case 'C':
            folder = optarg;
            break;
        case 'd':
            path = optarg;
            break;
        case OPTION_CHECK:
            check = true;
            break;
        case 'v':
            return program_version();
        default:
            return program_help(option == 'h', help);
        }
    if (check && optind < argc)
        return program_unexpected(argv[optind], help);
    if (check)
        return run_check(folder, path);
    const char *from = folder == NULL ? FOLDER_DEFAULT : folder;
    char *own = folder_path(from, FOLDER_DATABASE);
    int code = show(path == NULL ? from : NULL, path == NULL ? own : path, argv + optind);
    free(own);
    return program_finish(code);
}
