/*
 * check: mailslot-check(8): what a new administrator gets wrong. One line for each thing:
 *
 *   MARK  SUBJECT      what is there; type: COMMAND
 *
 * Behind WARN and FAIL always stands what to type. Nothing is written, no program is run, and
 * nobody is asked over the network.
 */
#ifndef MAILSLOT_CHECK_H
#define MAILSLOT_CHECK_H

#include "../../smtpd/database/directory.h"
#include "../kit/pool.h"
#include "../kit/service_user.h"
#include "../kit/text_file.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

enum check_mark {
    CHECK_OK,
    CHECK_SKIP, /* could not be looked at: what to type, so that it can */
    CHECK_WARN, /* mail comes in, but something is not as it should be */
    CHECK_FAIL, /* mail is refused or put off, or secrets are open */
};

/* Our own programs, with the options that lead them to the same files. */
struct check_commands {
    const char *again;       /* mailslot-check */
    const char *user;        /* mailslot-user, where the text files are */
    const char *build_texts; /* mailslot-build, where the text files are */
    const char *build;       /* the same from here: check_at_texts() of that */
};

struct check {
    const char *folder; /* of the text files */
    const char *path;   /* of the database */
    bool has_texts;     /* are the text files checked, too? */
    bool is_copy;       /* are the text files on another machine? */
    const char *there;  /* after a text file's name: "", or " on the machine that ..." */
    const char *conf;   /* mailslot.conf, and where it is */
    struct check_commands commands;
    struct service_user user;
    struct database db;
    struct settings settings;
    struct pool pool; /* of what is printed */
    bool failed;      /* has a FAIL been printed? */
};

/* Prints all lines. path NULL: the database of the folder; folder NULL: the default one, of which
 * the text files are not looked at if there is a path. Returns the exit code (message.h). */
int check_run(const char *folder, const char *path);

void check_say(struct check *check, enum check_mark mark, const char *subject, const char *format,
               ...) __attribute__((format(printf, 4, 5)));

/* Nothing is wrong with what the server uses: ok, or skip where only root could have asked what it
 * may do there. */
void check_say_good(struct check *check, const char *subject, const char *what);

/* To be typed: one word. */
const char *check_quote(struct check *check, const char *text);
const char *check_quote_slice(struct check *check, struct slice text);

/* To be typed: a command that changes the text files, or builds from them. Where the database is a
 * copy, the command is typed on the other machine, BUILDER, and the new database fetched. */
const char *check_at_texts(struct check *check, const char *command);

/* To be typed: what gives the database the owner and the mode that the server expects. */
const char *check_own(struct check *check);

/* The subjects, each file's in its order. Those behind check_database() are for one that is open,
 * which it returns. */
void check_service_user(struct check *check);
void check_texts(struct check *check);
bool check_database(struct check *check);
void check_names(struct check *check);
void check_users(struct check *check);
void check_mailboxes(struct check *check);
void check_certificates(struct check *check);
void check_ports(struct check *check);

/* Who keeps deliveries out of a mailbox, and what to type; st NULL: there is no file yet. NULL:
 * nobody does. In the pool. */
const char *check_locked(struct check *check, const char *path, const struct stat *st,
                         enum check_mark *mark);

/* Can everybody get to what is at the path, as far as the folders above go? */
bool check_is_reachable(const char *path);

/* May somebody else than its owner (or root) read or write a file with secrets? Says so, and
 * returns whether it did. */
bool check_secret(struct check *check, const char *subject, const char *path);

#endif
