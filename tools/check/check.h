/*
 * check: what a new administrator gets wrong, a line for each thing:
 *
 *   MARK  SUBJECT      what is there; type: COMMAND
 *
 * WARN and FAIL always end with a command. Nothing is written, no program is run, and nothing is
 * sent over the network.
 */
#ifndef MAILSLOT_CHECK_H
#define MAILSLOT_CHECK_H

#include "../../smtpd/base/slice.h"
#include "../../smtpd/database/directory.h"
#include "../kit/pool.h"
#include "../kit/service_user.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

enum check_mark {
    CHECK_OK,
    CHECK_SKIP, /* could not be checked; ends with a command that can */
    CHECK_WARN, /* mail is accepted, but something is wrong */
    CHECK_FAIL, /* mail is refused or deferred, users cannot log in, or secrets are open */
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

/* Nothing is wrong: ok; or skip, if only root could find out whether the server can use it. */
void check_say_good(struct check *check, const char *subject, const char *what);

/* To be typed: one word. */
const char *check_quote(struct check *check, const char *text);
const char *check_quote_slice(struct check *check, struct slice text);

/* To be typed: a command that changes the text files, or builds from them. If the database is a
 * copy, it is run on the machine that has the files, BUILDER, and the new database copied here. */
const char *check_at_texts(struct check *check, const char *command);

/* To be typed: gives the database the owner and the mode that the server requires. */
const char *check_own(struct check *check);

/* The subjects, in the order of the output. check_database() returns whether the database is open:
 * those after it need that. */
void check_service_user(struct check *check);
void check_texts(struct check *check);
bool check_database(struct check *check);
void check_names(struct check *check);
void check_users(struct check *check);
void check_mailboxes(struct check *check);
void check_certificates(struct check *check);
void check_ports(struct check *check);

/* What is wrong with a mailbox, and the command; NULL: nothing. Its folder is good. In the pool. */
const char *check_mailbox(struct check *check, const char *path, const char *folder, bool absolute,
                          enum check_mark *mark);

/* Which lock keeps deliveries from a mailbox, and the command; NULL: none. st NULL: there is no
 * file yet. In the pool. */
const char *check_locked(struct check *check, const char *path, const struct stat *st,
                         enum check_mark *mark);

/* Can a user replace a mailbox's folder, or a link in its path? Then root must change nothing
 * there: mail could end up with this user, and a command could hit any file. */
bool check_is_diverted(struct check *check, const char *path);

/* What to do then: to set another mailbox. `why` says what is wrong with this one. In the pool. */
const char *check_elsewhere(struct check *check, const char *path, const char *why);

/* Do the folders above the path let all users through? */
bool check_is_reachable(const char *path);

/* Can other users read a file with secrets, or write to it? Says so, and returns whether they can.
 */
bool check_secret(struct check *check, const char *subject, const char *path);

#endif
