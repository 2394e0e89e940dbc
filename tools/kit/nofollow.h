/*
 * nofollow: opens a path only if it contains no symbolic link. In a folder that other users can
 * write to, a link of theirs could lead us to any file (as in CVE-2010-2023).
 */
#ifndef MAILSLOT_NOFOLLOW_H
#define MAILSLOT_NOFOLLOW_H

/* open(2) with O_CLOEXEC; errno is ELOOP if any part of the path is a symbolic link. A new file has
 * mode 0. */
int nofollow_open(const char *path, int flags);

#endif
