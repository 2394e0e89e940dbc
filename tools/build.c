/*
 * mailslot-build(8): checks the administrator's files and compiles them into mailslot.cdb.
 */
#include "kit/folder.h"
#include "kit/lock.h"
#include "kit/message.h"
#include "kit/program.h"
#include "source/compile.h"
#include "source/relay_file.h"
#include "source/source_load.h"
#include "source/writer.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define TICKET_SECRET "ticket-secret"

enum { OPTION_TICKET_SECRET = 256 };

static const char help[] =
    "usage: mailslot-build [-n] [-C FOLDER] [-o FILE]\n"
    "       mailslot-build --ticket-secret [-C FOLDER] [-o FILE]\n"
    "Checks mailslot.conf, users and aliases and compiles them into FOLDER/" FOLDER_DATABASE ".\n"
    "  -n, --check          only check\n"
    "  -C, --folder=FOLDER  where the files are (" FOLDER_DEFAULT ")\n"
    "  -o, --output=FILE    write the database to FILE\n"
    "      --ticket-secret  create the secret for tls-tickets in FOLDER/" TICKET_SECRET " or FILE\n"
    "      --help, --version\n"
    "Exit code: 0 success, 100 wrong usage or files, 111 system failure.\n";

static const struct option options[] = {
    {"check", no_argument, NULL, 'n'},
    {"folder", required_argument, NULL, 'C'},
    {"output", required_argument, NULL, 'o'},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'v'},
    {"ticket-secret", no_argument, NULL, OPTION_TICKET_SECRET},
    {NULL, 0, NULL, 0},
};

/* The relay's file first: as soon as the server knows the relay, that must know the smarthost. */
static int put_in_place(struct replace *database, struct relay_file *relay, const char *output)
{
    if (relay_file_commit(relay) != 0) {
        replace_abandon(database);
        return message_errno(EXIT_FAILED, "cannot replace %s", relay->path);
    }
    if (replace_commit(database) != 0)
        return message_errno(EXIT_FAILED, "cannot replace %s", output);
    return EXIT_DONE;
}

static int write_databases(const struct source *source, const char *output)
{
    struct replace database;
    struct relay_file relay;
    int code;

    if (compile_database(source, output, &database) != 0)
        return writer_fail(output);
    if (relay_file_make(&relay, source, output) != 0) {
        replace_abandon(&database);
        code = writer_fail(relay.path);
    } else {
        code = put_in_place(&database, &relay, output);
    }
    relay_file_close(&relay);
    return code;
}

static int build(const char *folder, const char *output)
{
    struct report report = {.to = stderr};
    struct source source;
    const char *file;
    int code = EXIT_DONE;

    if (source_load(&source, &report, folder, NULL, &file) != 0)
        code = message_errno(EXIT_FAILED, "cannot read %s", file);
    else
        report_finish(&report);
    if (report.errors > 0)
        code = message_print(EXIT_WRONG, "%u error%s in %s: %s", report.errors,
                             report.errors == 1 ? "" : "s", folder,
                             output == NULL ? "correct them" : "the database is unchanged");
    else if (code == EXIT_DONE && output != NULL)
        code = write_databases(&source, output);
    source_free(&source);
    return code;
}

/* Tickets that were issued with the old secret become invalid. */
static int make_ticket_secret(const char *path)
{
    struct replace replace;
    char secret[SETTINGS_TICKET_SECRET_LEN];
    int code = EXIT_DONE;

    if (getrandom(secret, sizeof secret, 0) != sizeof secret)
        return message_errno(EXIT_FAILED, "cannot get random bytes");
    if (replace_begin(&replace, path, true) != 0)
        code = message_errno(EXIT_FAILED, "cannot write %s.tmp", path);
    else if (replace_write(&replace, secret, sizeof secret) != 0 || replace_finish(&replace) != 0 ||
             replace_commit(&replace) != 0)
        code = message_errno(EXIT_FAILED, "cannot write %s", path);
    explicit_bzero(secret, sizeof secret);
    return code;
}

int main(int argc, char **argv)
{
    const char *folder = FOLDER_DEFAULT, *output = NULL;
    bool check_only = false, ticket_secret = false;
    int option;

    program_start();
    while ((option = getopt_long(argc, argv, "nC:o:", options, NULL)) != -1)
        switch (option) {
        case 'n':
            check_only = true;
            break;
        case 'C':
            folder = optarg;
            break;
        case 'o':
            output = optarg;
            break;
        case OPTION_TICKET_SECRET:
            ticket_secret = true;
            break;
        case 'v':
            return program_version();
        default:
            return program_help(option == 'h', help);
        }
    if (optind < argc)
        return program_unexpected(argv[optind], help);
    if (check_only && (output != NULL || ticket_secret))
        return message_print(EXIT_WRONG, "-n writes nothing: leave out -o and --ticket-secret");
    if (check_only)
        return build(folder, NULL);

    char *path = output != NULL
                     ? NULL
                     : folder_path(folder, ticket_secret ? TICKET_SECRET : FOLDER_DATABASE);
    char *lock = folder_of(output != NULL ? output : path);
    int code = lock_folder(lock);
    if (code == EXIT_DONE && ticket_secret)
        code = make_ticket_secret(output != NULL ? output : path);
    else if (code == EXIT_DONE)
        code = build(folder, output != NULL ? output : path);
    free(lock);
    free(path);
    return code;
}
