/*
 * directive: the values of a directive in a systemd service or socket and its drop-ins. The files
 * are read here, as systemd.unit(5) and systemd.syntax(7) describe, because systemctl(1) prints
 * LoadCredential= as "[unprintable]" and does not work in a chroot. Specifiers (%S) are not
 * expanded.
 */
#ifndef MAILSLOT_DIRECTIVE_H
#define MAILSLOT_DIRECTIVE_H

/* The value of a directive that has one, allocated; empty if there is none. */
char *directive_value(const char *unit, const char *name);

/* The values of a directive that is a list, each followed by a newline; allocated. */
char *directive_list(const char *unit, const char *name);

/* Cuts the next word off *rest, and takes away its quotes and backslashes. NULL: no more words. */
char *directive_word(char **rest);

#endif
