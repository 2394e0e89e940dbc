/*
 * mailslot-user(8): edits `users`, and builds the database.
 */
#include "user/user.h"
#include "kit/folder.h"
#include "kit/message.h"
#include "kit/program.h"

#include <getopt.h>
#include <string.h>

enum { ANY = 1 << 30 };

/* The syntax is printed by --help, which shell completion reads. */
static const struct command {
    const char *name, *syntax;
    int (*run)(struct user_job *);
    int words_min, words_max; /* after the name */
    const char *words;        /* the required ones */
    unsigned options;         /* of user.h */
} commands[] = {
    {"add", "[-n] [--system] [--keep-mail] ADDRESS [OPTION]...", user_add, 1, ANY, "an ADDRESS",
     USER_NO_PASSWORD | USER_SYSTEM | USER_KEEP_MAIL},
    {"set", "ADDRESS OPTION...", user_set, 2, ANY, "an ADDRESS and options such as quota=1G", 0},
    {"passwd", "[-n] ADDRESS", user_passwd, 1, 1, "an ADDRESS", USER_NO_PASSWORD},
    {"del", "ADDRESS", user_del, 1, 1, "an ADDRESS", 0},
    {"lock", "ADDRESS", user_lock, 1, 1, "an ADDRESS", 0},
    {"unlock", "ADDRESS", user_unlock, 1, 1, "an ADDRESS", 0},
    {"list", "[--usage] [--json] [ADDRESS]", user_list, 0, 1, "", USER_JSON | USER_USAGE},
    {"import", "[-n] [--replace] [--skip-bad] [FILE]...", user_import, 0, ANY, "",
     USER_NO_PASSWORD | USER_REPLACE | USER_SKIP_BAD},
    {"export", "", user_export, 0, 0, "", 0},
};

enum { COMMANDS = sizeof commands / sizeof commands[0] };

static const char help[] =
    "Edits FOLDER/users and builds the database.\n"
    "A password is asked for on a terminal, or read from the first line of standard input.\n"
    "import reads passwd, shadow, and Dovecot's passwd-file, which is also what export writes.\n"
    "  -C, --folder=FOLDER  where the files are (" FOLDER_DEFAULT ")\n"
    "  -n, --no-password    a user who only receives mail, and cannot log in\n"
    "      --system         a user of this machine: creates the mailbox /var/mail/NAME\n"
    "      --keep-mail      give the new user the mail that is already in the mailbox\n"
    "      --usage          show the size of each mailbox\n"
    "      --json           print an array of JSON objects\n"
    "      --replace        replace users who already exist\n"
    "      --skip-bad       leave out lines with errors, instead of importing nothing\n"
    "  OPTION               as in mailslot-users(5): quota=1G, send-as=sales@example.org,\n"
    "                       disabled, mailbox=/PATH; set removes one with quota=\n"
    "      --help, --version\n"
    "Exit code: 0 success, 1 no such user, 100 wrong usage or files, 111 system failure.\n";

static const struct option options[] = {
    {"folder", required_argument, NULL, 'C'},
    {"no-password", no_argument, NULL, USER_NO_PASSWORD},
    {"system", no_argument, NULL, USER_SYSTEM},
    {"keep-mail", no_argument, NULL, USER_KEEP_MAIL},
    {"usage", no_argument, NULL, USER_USAGE},
    {"json", no_argument, NULL, USER_JSON},
    {"replace", no_argument, NULL, USER_REPLACE},
    {"skip-bad", no_argument, NULL, USER_SKIP_BAD},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'v'},
    {NULL, 0, NULL, 0},
};

static int show_help(bool asked)
{
    for (size_t i = 0; i < COMMANDS; i++)
        fprintf(asked ? stdout : stderr, "%s mailslot-user [-C FOLDER] %s%s%s\n",
                i == 0 ? "usage:" : "      ", commands[i].name,
                *commands[i].syntax == '\0' ? "" : " ", commands[i].syntax);
    return program_help(asked, help);
}

static const char *option_name(unsigned option)
{
    const struct option *at = options;

    while ((unsigned)at->val != option)
        at++;
    return at->name;
}

static const struct command *find_command(const char *name)
{
    for (size_t i = 0; name != NULL && i < COMMANDS; i++)
        if (strcmp(name, commands[i].name) == 0)
            return &commands[i];
    return NULL;
}

static int wrong_command(const char *name)
{
    static const char see[] = "mailslot-user --help lists the commands";

    if (name == NULL)
        return message_print(EXIT_WRONG, "give a command; %s", see);
    if (strcmp(name, "quota") == 0 || strcmp(name, "send-as") == 0)
        return message_print(
            EXIT_WRONG, "there is no command %s; to change it: mailslot-user set ADDRESS %s=%s",
            name, name, *name == 'q' ? "SIZE" : "ADDRESS");
    return message_print(EXIT_WRONG, "there is no command %s; %s", name, see);
}

/* Does the command take these options, and so many arguments? */
static int check_call(const struct command *command, char *const *words, unsigned given)
{
    unsigned foreign = given & ~command->options;
    int count = 0;

    while (words[count] != NULL)
        count++;
    if (foreign != 0)
        return message_print(EXIT_WRONG, "%s does not take --%s", command->name,
                             option_name(foreign & -foreign));
    if (count < command->words_min)
        return message_print(EXIT_WRONG, "%s needs %s", command->name, command->words);
    if (count > command->words_max)
        return message_print(EXIT_WRONG, "%s takes %s argument: remove %s", command->name,
                             command->words_max == 0 ? "no" : "only one",
                             words[command->words_max]);
    return EXIT_DONE;
}

int main(int argc, char **argv)
{
    struct user_job job = {.folder = FOLDER_DEFAULT, .purpose = EDIT_CHANGE};
    int option;

    program_start();
    while ((option = getopt_long(argc, argv, "C:n", options, NULL)) != -1) {
        if (option == 'C')
            job.folder = optarg;
        else if (option == 'v')
            return program_version();
        else if (option == 'n')
            job.given |= USER_NO_PASSWORD;
        else if (option >= USER_NO_PASSWORD)
            job.given |= (unsigned)option;
        else
            return show_help(option == 'h');
    }
    const struct command *command = find_command(argv[optind]); /* argv ends in NULL */
    if (command == NULL)
        return wrong_command(argv[optind]);
    job.words = &argv[optind + 1];
    job.address = job.words[0];
    int code = check_call(command, job.words, job.given);
    if (code == EXIT_DONE)
        code = command->run(&job);
    source_free(&job.source);
    return program_finish(code);
}
