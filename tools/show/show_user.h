/*
 * show_user: what the records of a user tell, beside the mailbox. Never a secret.
 */
#ifndef MAILSLOT_SHOW_USER_H
#define MAILSLOT_SHOW_USER_H

#include "../../smtpd/database/directory.h"

enum { SHOW_KIND_MAX = 64 };

/* The size of a mailbox, if it is a file; -1: it cannot be examined, 0: it does not exist yet, or
 * is empty. */
int64_t show_user_size(const char *path, bool *absent);

/* Both records. 0, or -1: they are damaged. A user who cannot log in has no credentials. */
int show_user_records(struct database *db, const struct directory_user *user, struct slice *record,
                      struct slice *credentials);

bool show_user_is_locked(struct slice record);

/* Takes the next address that the user may send from. False: there are no more. */
bool show_user_next_send_as(struct slice *record, struct slice *address);

/* Takes the next kind of credentials. False: there are no more. */
bool show_user_next_kind(struct slice *credentials, char kind[SHOW_KIND_MAX]);

#endif
