/*
 * mailslot-check(8): finds mistakes of a new administrator, and prints commands that correct them.
 */
#include "check/check_run.h"
#include "kit/folder.h"
#include "kit/program.h"

#include <getopt.h>
#include <stddef.h>

static const char help[] =
    "usage: mailslot-check [-C FOLDER] [-d DATABASE]\n"
    "Looks for mistakes in the files, the database and this machine, and prints commands that "
    "correct them.\n"
    "  -C, --folder=FOLDER      where the files are (" FOLDER_DEFAULT ")\n"
    "  -d, --database=DATABASE  check this one (FOLDER/" FOLDER_DATABASE ")\n"
    "      --help, --version\n"
    "Exit code: 0 no FAIL, 1 a FAIL, 100 wrong usage, 111 system failure.\n";

static const struct option options[] = {
    {"folder", required_argument, NULL, 'C'},
    {"database", required_argument, NULL, 'd'},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'v'},
    {NULL, 0, NULL, 0},
};

int main(int argc, char **argv)
{
    const char *folder = NULL, *database = NULL;
    int option;

    program_start();
    while ((option = getopt_long(argc, argv, "C:d:", options, NULL)) != -1)
        switch (option) {
        case 'C':
            folder = optarg;
            break;
        case 'd':
            database = optarg;
            break;
        case 'v':
            return program_version();
        default:
            return program_help(option == 'h', help);
        }
    if (optind < argc)
        return program_unexpected(argv[optind], help);
    return program_finish(check_run(folder, database));
}
