/*
 * overflow_uid: the user id that the kernel reports instead of those that a user name space does
 * not have. With PrivateUsers= that is every other user, so it tells nothing about who somebody is.
 */
#ifndef MAILSLOT_OVERFLOW_UID_H
#define MAILSLOT_OVERFLOW_UID_H

#include <sys/types.h>

uid_t overflow_uid(void);

#endif
