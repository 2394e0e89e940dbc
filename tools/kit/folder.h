/*
 * folder: where the administrator's files and their database are.
 */
#ifndef MAILSLOT_FOLDER_H
#define MAILSLOT_FOLDER_H

#ifndef MAILSLOT_SYSCONFDIR
#define MAILSLOT_SYSCONFDIR "/etc"
#endif

#define FOLDER_DEFAULT MAILSLOT_SYSCONFDIR "/mailslot"
#define FOLDER_DATABASE "mailslot.cdb"

/* FOLDER/NAME, allocated. If the folder's name is empty, because a shell variable is not set, this
 * prints a message and exits. */
char *folder_path(const char *folder, const char *name);

/* The folder that a path is in, allocated. */
char *folder_of(const char *path);

#endif
