/*
 * version: the version of all programs of mailslot.
 */
#ifndef MAILSLOT_VERSION
#define MAILSLOT_VERSION "0.1"
#endif
