/*
 * printable: text that is safe to show on a terminal.
 */
#ifndef MAILSLOT_PRINTABLE_H
#define MAILSLOT_PRINTABLE_H

/* Replaces every control character by `?`: those of ASCII, and U+0080 to U+009F, as UTF-8 or as
 * single bytes. (U+009B begins terminal commands like ESC [.) */
void printable(char *text);

#endif
