/*
 * mailslot-user(8): edits `users`, and builds the database.
 */
#include "user/user.h"
#include "kit/folder.h"
#include "kit/message.h"
#include "kit/program.h"

#include <getopt.h>
#include <string.h>

static const char help[] =
    "usage: mailslot-user [-C FOLDER] add [-n] [--system] [--keep-mail] ADDRESS [OPTION]...\n"
    "       mailslot-user [-C FOLDER] set ADDRESS OPTION...\n"
    "       mailslot-user [-C FOLDER] passwd [-n] ADDRESS\n"
    "       mailslot-user [-C FOLDER] del|lock|unlock ADDRESS\n"
    "       mailslot-user [-C FOLDER] list [--usage] [--json] [ADDRESS]\n"
    "       mailslot-user [-C FOLDER] import [-n] [--replace] [--skip-bad] [FILE]...\n"
    "       mailslot-user [-C FOLDER] export\n"
    "Edits FOLDER/users and builds the database.\n"
    "A password is asked for on a terminal, else it is the first line of standard input.\n"
    "import reads lines of passwd, shadow and Dovecot's passwd-file, which export writes.\n"
    "  -C, --folder=FOLDER  where the files are (" FOLDER_DEFAULT ")\n"
    "  -n, --no-password    the user only receives\n"
    "      --system         a user of this machine: the mailbox is /var/mail/NAME, and made\n"
    "      --keep-mail      mail that is in the mailbox already is the new user's\n"
    "      --usage          how many bytes are in each mailbox\n"
    "      --json           an array of objects\n"
    "      --replace        users who are there already are replaced\n"
    "      --skip-bad       wrong lines are left out; else nothing is imported\n"
    "  OPTION               as in mailslot-users(5): quota=1G, send-as=sales@example.org,\n"
    "                       disabled, mailbox=/PATH; set takes one away by quota=\n"
    "      --help, --version\n"
    "Exit code: 0 done, 1 no such user, 100 wrong usage or files, 111 failure of this system.\n";

/* Options that not every command has. */
enum {
    NO_PASSWORD = 1,
    SYSTEM = 2,
    JSON = 4,
    REPLACE = 8,
    SKIP_BAD = 16,
    KEEP_MAIL = 32,
    USAGE = 64,
};

enum { ANY = 1 << 30 };

static const struct command {
    const char *name;
    int (*run)(struct user_job *);
    int words_min, words_max; /* behind the name */
    const char *words;        /* that are needed */
    unsigned options;
} commands[] = {
    {"add", user_add, 1, ANY, "an ADDRESS", NO_PASSWORD | SYSTEM | KEEP_MAIL},
    {"set", user_set, 2, ANY, "an ADDRESS and options such as quota=1G", 0},
    {"passwd", user_passwd, 1, 1, "an ADDRESS", NO_PASSWORD},
    {"del", user_del, 1, 1, "an ADDRESS", 0},
    {"lock", user_lock, 1, 1, "an ADDRESS", 0},
    {"unlock", user_unlock, 1, 1, "an ADDRESS", 0},
    {"list", user_list, 0, 1, "", JSON | USAGE},
    {"import", user_import, 0, ANY, "", NO_PASSWORD | REPLACE | SKIP_BAD},
    {"export", user_export, 0, 0, "", 0},
};

static const struct option options[] = {
    {"folder", required_argument, NULL, 'C'},
    {"no-password", no_argument, NULL, 'n'},
    {"system", no_argument, NULL, 's'},
    {"keep-mail", no_argument, NULL, 'k'},
    {"usage", no_argument, NULL, 'u'},
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
           : option == 'k' ? KEEP_MAIL
           : option == 'u' ? USAGE
           : option == 'j' ? JSON
           : option == 'r' ? REPLACE
           : option == 'b' ? SKIP_BAD
                           : 0;
}

static const char *flag_name(unsigned flag)
{
    for (size_t i = 0; options[i].name != NULL; i++)
        if (find_flag(options[i].val) == flag)
            return options[i].name;
    return "";
}

static const struct command *find_command(const char *name)
{
    for (size_t i = 0; name != NULL && i < sizeof commands / sizeof commands[0]; i++)
        if (strcmp(name, commands[i].name) == 0)
            return &commands[i];
    return NULL;
}

static int wrong_command(const char *name)
{
    static const char see[] = "mailslot-user --help lists them";

    if (name == NULL)
        return message_print(EXIT_WRONG, "name a command; %s", see);
    if (strcmp(name, "quota") == 0 || strcmp(name, "send-as") == 0)
        return message_print(
            EXIT_WRONG, "there is no command %s; to change it: mailslot-user set ADDRESS %s=%s",
            name, name, *name == 'q' ? "SIZE" : "ADDRESS");
    return message_print(EXIT_WRONG, "there is no command %s; %s", name, see);
}

/* Is the command called as it can be? */
static int check_call(const struct command *command, char *const *words, unsigned given)
{
    unsigned foreign = given & ~command->options;
    int count = 0;

    while (words[count] != NULL)
        count++;
    if (foreign != 0)
        return message_print(EXIT_WRONG, "%s does not take --%s", command->name,
                             flag_name(foreign & -foreign));
    if (count < command->words_min)
        return message_print(EXIT_WRONG, "%s needs %s", command->name, command->words);
    if (count > command->words_max)
        return message_print(EXIT_WRONG, "%s takes no more than %d argument%s: what is %s?",
                             command->name, command->words_max, command->words_max == 1 ? "" : "s",
                             words[command->words_max]);
    return EXIT_DONE;
}

int main(int argc, char **argv)
{
    struct user_job job = {.folder = FOLDER_DEFAULT, .purpose = EDIT_CHANGE};
    unsigned given = 0;
    int option;

    program_start();
    while ((option = getopt_long(argc, argv, "C:n", options, NULL)) != -1) {
        if (option == 'C')
            job.folder = optarg;
        else if (option == 'v')
            return program_version();
        else if (find_flag(option) != 0)
            given |= find_flag(option);
        else
            return program_help(option == 'h', help);
    }
    const struct command *command = find_command(argv[optind]); /* argv ends in NULL */
    if (command == NULL)
        return wrong_command(argv[optind]);
    job.words = &argv[optind + 1];
    int code = check_call(command, job.words, given);
    if (code != EXIT_DONE)
        return code;
    job.address = job.words[0];
    job.no_password = (given & NO_PASSWORD) != 0;
    job.system = (given & SYSTEM) != 0;
    job.keep_mail = (given & KEEP_MAIL) != 0;
    job.json = (given & JSON) != 0;
    job.usage = (given & USAGE) != 0;
    job.replace = (given & REPLACE) != 0;
    job.skip_bad = (given & SKIP_BAD) != 0;
    code = command->run(&job);
    source_free(&job.source);
    return program_finish(code);
}
