/*
 * printable: what a terminal may be shown.
 */
#ifndef MAILSLOT_PRINTABLE_H
#define MAILSLOT_PRINTABLE_H

/* Puts `?` in place of every control character: those of ASCII, and U+0080 to U+009F (of which
 * U+009B begins commands to a terminal as ESC [ does), as UTF-8 or as single bytes. */
void printable(char *text);

#endif
