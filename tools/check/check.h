/*
 * check: what the subjects of mailslot-check(8) have in common. They print lines:
 *
 *   MARK  SUBJECT      what was found; type: COMMAND
 *
 * WARN and FAIL always end with a command. Nothing is written, and no mail is sent.
 */
#ifndef MAILSLOT_CHECK_H
#define MAILSLOT_CHECK_H

#include "../../smtpd/base/slice.h"
#include "../../smtpd/database/directory.h"
#include "../kit/pool.h"
#include "../kit/service_user.h"

#include <stdbool.h>
#include <stdint.h>

enum check_mark {
    CHECK_OK,
    CHECK_SKIP, /* could not be checked; ends with a command that can */
    CHECK_WARN, /* mail is accepted, but something is wrong */
    CHECK_FAIL, /* mail is refused or deferred, users cannot log in, or secrets are open */
};

/* mailslot's programs, with the options that name the same files. */
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

void check_say(struct check *check, enum check_mark mark, const char *subject, const char *format,
               ...) __attribute__((format(printf, 4, 5)));

/* Nothing is wrong: prints ok, or skip if only root can find out whether the server can use it. */
void check_say_good(struct check *check, const char *subject, const char *what);

/* A word of a command to type. */
const char *check_quote(struct check *check, const char *text);
const char *check_quote_slice(struct check *check, struct slice text);

/* The command to type for one that changes the text files, or builds from them. If the database is
 * a copy, it runs on the machine with the files, BUILDER, and copies the new database here. */
const char *check_at_texts(struct check *check, const char *command);

/* The command to type that gives the database the owner and mode that the server requires. */
const char *check_own(struct check *check);

/* Can every user search all folders above the path? */
bool check_is_reachable(const char *path);

/* Can other users read a file with secrets, or write to it? Reports it, and returns whether they
 * can. */
bool check_secret(struct check *check, const char *subject, const char *path);

#endif
