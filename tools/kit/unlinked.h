/*
 * unlinked: files in folders that others can write to: what they put there must not lead us
 * elsewhere (CVE-2010-2023 and its kin).
 */
#ifndef MAILSLOT_UNLINKED_H
#define MAILSLOT_UNLINKED_H

/* open(2), where no symbolic link is followed anywhere in the path (errno is ELOOP), with
 * O_CLOEXEC; a new file has mode 0. */
int open_unlinked(const char *path, int flags);

#endif
