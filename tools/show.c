/*
 * mailslot-show(8): queries mailslot.cdb as the server does, and shows what the server would
 * answer.
 */
#include "../smtpd/database/directory.h"
#include "check/check_run.h"
#include "kit/folder.h"
#include "kit/message.h"
#include "kit/program.h"
#include "show/show_address.h"
#include "show/show_ask.h"
#include "show/show_settings.h"
#include "source/source.h"
#include "source/sums.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>

static const char help[] =
    "usage: mailslot-show [-C FOLDER] [-d DATABASE] [--ask] [ADDRESS...]\n"
    "Shows how the server answers RCPT TO for each address, and where the mail goes.\n"
    "Without an address, shows the settings in effect.\n"
    "  -C, --folder=FOLDER      where the files are (" FOLDER_DEFAULT ")\n"
    "  -d, --database=DATABASE  read this one (FOLDER/" FOLDER_DATABASE ")\n"
    "      --ask                ask the servers that the mail is passed to, too\n"
    "      --help, --version\n"
    "Exit code: 0 all accepted; 1 an address is refused, or a certificate cannot be used;\n"
    "100 wrong usage or an unsafe database; 111 the database is missing or damaged.\n";

enum { OPTION_CHECK = 256, OPTION_ASK };

static const struct option options[] = {
    {"folder", required_argument, NULL, 'C'},
    {"database", required_argument, NULL, 'd'},
    {"check", no_argument, NULL, OPTION_CHECK},
    {"help", no_argument, NULL, 'h'},
    {"ask", no_argument, NULL, OPTION_ASK},
    {"version", no_argument, NULL, 'v'},
    {NULL, 0, NULL, 0},
};

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

/* Of both, the worse exit code. */
static int show_one(struct database *db, const struct settings *settings, const char *address,
                    bool ask)
{
    int code = show_address(db, settings, address);
    int said = ask && code != EXIT_FAILED ? show_ask(db, settings, address) : EXIT_DONE;

    return said > code ? said : code;
}

static int show(const char *folder, const char *path, bool ask, char **addresses)
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
        int one = show_one(&db, &settings, *addresses, ask);
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
    bool check = false, ask = false;
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
        case OPTION_ASK:
            ask = true;
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
    int code = show(path == NULL ? from : NULL, path == NULL ? own : path, ask, argv + optind);
    free(own);
    return program_finish(code);
}
