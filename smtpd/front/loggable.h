/*
 * loggable: what the log may show of a line that is refused. A password may be in it, or the text
 * of a message that comes where commands are due. Pure.
 */
#ifndef MAILSLOT_LOGGABLE_H
#define MAILSLOT_LOGGABLE_H

#include "../base/slice.h"

/* Is this AUTH, even if it is written wrong? */
bool loggable_is_auth(struct slice line);

/* Of AUTH: the mechanism, if there is one of this name, and never the initial response. */
struct slice loggable_auth(struct slice line);

/* Of a line that is no command: its first word. */
struct slice loggable_word(struct slice line);

#endif
