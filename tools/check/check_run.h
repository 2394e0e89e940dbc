/*
 * check_run: checks an installation, one subject after the other (subjects.h).
 */
#ifndef MAILSLOT_CHECK_RUN_H
#define MAILSLOT_CHECK_RUN_H

/* Prints all lines. path is that of a database, or NULL for the one in the folder. folder NULL is
 * the default folder, the text files of which are only checked if path is NULL. Returns the exit
 * code (message.h). */
int check_run(const char *folder, const char *path);

#endif
