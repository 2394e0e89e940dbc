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
#include "show/show_json.h"
#include "show/show_settings.h"
#include "source/source.h"
#include "source/sums.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>

static const char help[] =
    "usage: mailslot-show [-C FOLDER] [-d DATABASE] [--ask | --json] [ADDRESS...]\n"
    "Shows how the server answers RCPT TO for each address, and where the mail goes.\n"
    "Without an address, shows the settings in effect.\n"
    "  -C, --folder=FOLDER      where the files are (" FOLDER_DEFAULT ")\n"
    "  -d, --database=DATABASE  read this one (FOLDER/" FOLDER_DATABASE ")\n"
    "      --ask                ask the servers that the mail is passed to, too\n"
    "      --json               print an array with an object for each address\n"
    "      --help, --version\n"
    "Exit code: 0 all accepted; 1 an address is refused, or a certificate cannot be used;\n"
    "100 wrong usage or an unsafe database; 111 the database is missing or damaged.\n";

/* What is printed. */
enum form {
    FORM_TEXT,
    FORM_ASK, /* text, and what other servers say */
    FORM_JSON,
};

enum { OPTION_CHECK = 256, OPTION_ASK, OPTION_JSON };

static const struct option options[] = {
    {"folder", required_argument, NULL, 'C'},   {"database", required_argument, NULL, 'd'},
    {"check", no_argument, NULL, OPTION_CHECK}, {"help", no_argument, NULL, 'h'},
    {"ask", no_argument, NULL, OPTION_ASK},     {"version", no_argument, NULL, 'v'},
    {"json", no_argument, NULL, OPTION_JSON},   {NULL, 0, NULL, 0},
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
static int show_one(const struct show *show, const char *address, enum form form)
{
    if (form == FORM_JSON)
        return show_json_address(show, address);
    int code = show_address(show, address);
    int said = form == FORM_ASK && code != EXIT_FAILED ? show_ask(show->db, show->settings, address)
                                                       : EXIT_DONE;

    return said > code ? said : code;
}

static int show_addresses(const struct show *show, char **addresses, enum form form)
{
    bool json = form == FORM_JSON;
    int code = EXIT_DONE;

    for (size_t i = 0; addresses[i] != NULL; i++) {
        if (json)
            fputs(i == 0 ? "[\n  " : ",\n  ", stdout);
        int one = show_one(show, addresses[i], form);
        code = one > code ? one : code;
    }
    fputs(json ? "\n]\n" : "", stdout);
    return code;
}

static int show_all(struct database *db, const char *folder, const char *path, char **addresses,
                    enum form form)
{
    struct settings settings;
    struct show_way way;
    const struct show show = {db, &settings, &way};
    int code;

    if (folder != NULL)
        warn_of_change(folder, db);
    if (directory_settings(db, &settings) != 0)
        return message_print(EXIT_FAILED, "%s: the settings are damaged: %s", path, repair(folder));
    show_way_open(&way, &settings, path);
    if (*addresses == NULL)
        code = show_settings(&show, path, form == FORM_JSON);
    else
        code = show_addresses(&show, addresses, form);
    show_way_close(&way);
    return code;
}

static int show(const char *folder, const char *path, char **addresses, enum form form)
{
    struct database db;
    int code = open_database(&db, folder, path);

    if (code == EXIT_DONE)
        code = show_all(&db, folder, path, addresses, form);
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
    bool check = false, ask = false, json = false;
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
        case OPTION_JSON:
            json = true;
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
    if (ask && json)
        return message_print(EXIT_WRONG, "--ask prints text: leave out --json");
    enum form form = ask ? FORM_ASK : json ? FORM_JSON : FORM_TEXT;
    const char *from = folder == NULL ? FOLDER_DEFAULT : folder;
    char *own = folder_path(from, FOLDER_DATABASE);
    int code = show(path == NULL ? from : NULL, path == NULL ? own : path, argv + optind, form);
    free(own);
    return program_finish(code);
}
