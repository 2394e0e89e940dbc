/*
 * mailslot-user(8): edits `users`, and builds the database.
 */
#include "user.h"
#include "usage.h"

#include <getopt.h>
#include <string.h>

static const char help[] =
    "usage: mailslot-user [-C FOLDER] add [-n] [--system] ADDRESS [OPTIONS]\n"
    "       mailslot-user [-C FOLDER] passwd [-n] ADDRESS\n"
    "       mailslot-user [-C FOLDER] del|lock|unlock ADDRESS\n"
    "       mailslot-user [-C FOLDER] list [--json] [ADDRESS]\n"
    "       mailslot-user [-C FOLDER] import [-n] [--replace] [--skip-bad] [FILE]...\n"
    "       mailslot-user [-C FOLDER] export\n"
    "Edits FOLDER/users and builds the database.\n"
    "A password is asked for on a terminal, else it is the first line of standard input.\n"
    "import reads lines of passwd, shadow and Dovecot's passwd-file, which export writes.\n"
    "  -C, --folder=FOLDER  where the files are (" USAGE_FOLDER ")\n"
    "  -n, --no-password    the user only receives\n"
    "      --system         a user of this machine: the mailbox is /var/mail/NAME, and made\n"
    "      --json           an array of objects\n"
    "      --replace        users who are there already are replaced\n"
    "      --skip-bad       wrong lines are left out; else nothing is imported\n"
    "  OPTIONS              as in mailslot-users(5), e.g. quota=1G,send-as=sales@example.org\n"
    "      --help, --version\n"
    "Exit code: 0 done, 1 no such user, 100 wrong usage or files, 111 failure of this system.\n";

/* Options that not every command has. */
enum { NO_PASSWORD = 1, SYSTEM = 2, JSON = 4, REPLACE = 8, SKIP_BAD = 16 };

enum { ANY = 1 << 30 };

static const struct command {
    const char *name;
    int (*run)(struct user_job *);
    int words_min, words_max; /* behind the name */
    unsigned options;
} commands[] = {
    {"add", user_add, 1, 2, NO_PASSWORD | SYSTEM},
    {"passwd", user_passwd, 1, 1, NO_PASSWORD},
    {"del", user_del, 1, 1, 0},
    {"lock", user_lock, 1, 1, 0},
    {"unlock", user_unlock, 1, 1, 0},
    {"list", user_list, 0, 1, JSON},
    {"import", user_import, 0, ANY, NO_PASSWORD | REPLACE | SKIP_BAD},
    {"export", user_export, 0, 0, 0},
};

static const struct option options[] = {
    {"folder", required_argument, NULL, 'C'},
    {"no-password", no_argument, NULL, 'n'},
    {"system", no_argument, NULL, 's'},
    {"json", no_argument, NULL, 'j'},
    {"replace", no_argument, NULL, 'r'},
    {"skip-bad", no_argument, NULL, 'b'},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'v'},
    {NULL, 0, NULL, 0},
};

static unsigned find_flag(int option)
{
    return option == 'n'   ? NO_PASSWORD
           : option == 's' ? SYSTEM
           : option == 'j' ? JSON
           : option == 'r' ? REPLACE
           : option == 'b' ? SKIP_BAD
                           : 0;
}

static const struct command *find_command(const char *name)
{
    for (size_t i = 0; name != NULL && i < sizeof commands / sizeof commands[0]; i++)
        if (strcmp(name, commands[i].name) == 0)
            return &commands[i];
    return NULL;
}

int main(int argc, char **argv)
{
    struct user_job job = {.folder = USAGE_FOLDER, .purpose = EDIT_CHANGE};
    unsigned given = 0;
    int option;

    usage_start();
    while ((option = getopt_long(argc, argv, "C:n", options, NULL)) != -1) {
        if (option == 'C')
            job.folder = optarg;
        else if (option == 'v')
            return usage_version();
        else if (find_flag(option) != 0)
            given |= find_flag(option);
        else
            return usage_help(option == 'h', help);
    }
    const struct command *command = find_command(argv[optind]); /* argv ends in NULL */
    int words = argc - optind - 1;
    if (command == NULL || words < command->words_min || words > command->words_max ||
        (given & ~command->options) != 0)
        return usage_help(false, help);
    job.files = &argv[optind + 1];
    job.address = argv[optind + 1];
    job.options = words == 2 ? argv[optind + 2] : NULL;
    job.no_password = (given & NO_PASSWORD) != 0;
    job.system = (given & SYSTEM) != 0;
    job.json = (given & JSON) != 0;
    job.replace = (given & REPLACE) != 0;
    job.skip_bad = (given & SKIP_BAD) != 0;
    int code = command->run(&job);
    source_free(&job.source);
    return usage_finish(code);
}
