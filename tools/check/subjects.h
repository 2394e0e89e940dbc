/*
 * subjects: what mailslot-check(8) examines, in the order of the output.
 */
#ifndef MAILSLOT_SUBJECTS_H
#define MAILSLOT_SUBJECTS_H

#include "check.h"

#include <sys/stat.h>

/* check_database() returns whether the database is open. The subjects up to the certificates need
 * that; the ports do not. check_hops(), check_smarthost() and check_milters() connect to other
 * servers, for HOP_TALK_SECONDS or MILTER_TALK_SECONDS each. */
void check_service_user(struct check *check);
void check_texts(struct check *check);
bool check_database(struct check *check);
void check_names(struct check *check);
void check_users(struct check *check);
void check_mailboxes(struct check *check);
void check_certificates(struct check *check);
void check_hops(struct check *check);
void check_smarthost(struct check *check);
void check_milters(struct check *check);
void check_ports(struct check *check);

/* For check_mailboxes(): what is wrong with a mailbox in a good folder, and the command that
 * corrects it, in the pool; NULL: nothing. */
const char *check_mailbox(struct check *check, const char *path, const char *folder, bool absolute,
                          enum check_mark *mark);

/* Which lock keeps deliveries from a mailbox, and the command, in the pool; NULL: none. st NULL:
 * the file does not exist. */
const char *check_locked(struct check *check, const char *path, const struct stat *st,
                         enum check_mark *mark);

/* Can a user replace a mailbox's folder, or a link in its path? Then root must change nothing
 * there: this user could get the mail, and a command could change any file. */
bool check_is_diverted(struct check *check, const char *path);

/* What to do then: set another mailbox. `why` says what is wrong with this one. In the pool. */
const char *check_elsewhere(struct check *check, const char *path, const char *why);

#endif
