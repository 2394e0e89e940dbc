/*
 * user: the commands of mailslot-user(8), most of them in a file of their own, and what they have
 * in common.
 *
 * All functions that return an int return an exit code (message.h) after they have reported errors.
 */
#ifndef MAILSLOT_USER_H
#define MAILSLOT_USER_H

#include "edit.h"

/* Options that only some commands take; the values are above those of letters in getopt(3). */
enum user_option {
    USER_NO_PASSWORD = 1 << 8, /* add, passwd, import */
    USER_SYSTEM = 1 << 9,      /* add: a user of this machine */
    USER_KEEP_MAIL = 1 << 10,  /* add: the new user gets the mail that is already there */
    USER_JSON = 1 << 11,       /* list */
    USER_USAGE = 1 << 12,      /* list: how large each mailbox is */
    USER_REPLACE = 1 << 13,    /* import: replace users who already exist */
    USER_SKIP_BAD = 1 << 14,   /* import: leave out lines with errors */
};

/* The command line, and what was found for it. */
struct user_job {
    const char *folder;
    const char *address; /* as typed; NULL: none */
    char *const *words;  /* the arguments after the command, and NULL */
    const char *options; /* for add: the arguments that are options, joined */
    unsigned given;      /* enum user_option */
    enum edit_purpose purpose;
    struct source source;
    struct slice key;
    const struct source_user *user; /* NULL: no such user */
};

static inline bool user_has(const struct user_job *job, enum user_option option)
{
    return (job->given & option) != 0;
}

int user_add(struct user_job *job);
int user_passwd(struct user_job *job);
int user_del(struct user_job *job);
int user_lock(struct user_job *job);
int user_unlock(struct user_job *job);
int user_set(struct user_job *job);
int user_list(struct user_job *job);
int user_import(struct user_job *job);
int user_export(struct user_job *job);

/* Reads the files and finds the user in them, or finds that it is not there. */
int user_look_for(struct user_job *job);
int user_look_for_none(struct user_job *job);

/* Joins arguments to one field of options, allocated. NULL, after a message: that is not possible.
 */
char *user_join_options(char *const *words);

/* Takes the lock, so that no other tool changes the files, and looks again, because another tool
 * may have changed them before. */
int user_lock_and(int (*look_again)(struct user_job *), struct user_job *job);

/* The size of a mailbox in bytes; -1 if there is none, or it cannot be examined. */
int64_t user_mailbox_size(struct slice path);

/* The address of a key, quoted as it must be at the beginning of a line in `users`. */
enum { USER_ADDRESS_MAX = ADDRESS_TEXT_MAX + 2 };
void user_write_address(struct slice key, char written[USER_ADDRESS_MAX]);

/* A quota with the largest unit that fits; "" for none. */
enum { USER_QUOTA_MAX = 24 };
void user_write_quota(uint64_t quota, char written[USER_QUOTA_MAX]);

#endif
