#include "told.h"

#include <stddef.h>

const char *told_sender(enum wall_sender_code code)
{
    return code == WALL_SENDER_ACCEPTED    ? "250 2.1.0"
           : code == WALL_SENDER_NOT_YOURS ? "550 5.7.1"
           : code == WALL_SENDER_NO_SPACE  ? "452 4.3.1"
                                           : "451 4.3.0";
}

const char *told_verdict(enum wall_verdict_code code)
{
    static const char *const replies[] = {
        [WALL_USER] = "250 2.1.5",      [WALL_CATCH_ALL] = "250 2.1.5",
        [WALL_AMBIGUOUS] = "451 4.3.0", [WALL_UNKNOWN] = "550 5.1.1",
        [WALL_FOREIGN] = "550 5.7.1",   [WALL_DISABLED] = "550 5.2.1",
        [WALL_FULL] = "452 4.2.2",      [WALL_NO_ROOM] = "452 4.3.1",
        [WALL_TOO_MANY] = "452 4.5.3",  [WALL_BROKEN] = "451 4.3.0",
    };

    return replies[code];
}

const char *told_result(enum wall_result_code code)
{
    static const char *const replies[] = {
        [WALL_DELIVERED] = "250 2.0.0",  [WALL_NO_SPACE] = "452 4.3.1",
        [WALL_OVER_QUOTA] = "452 4.2.2", [WALL_LOCKED] = "451 4.2.0",
        [WALL_MAILBOX] = "451 4.2.0",    [WALL_FAILED] = "451 4.3.0",
        [WALL_LOOP] = "554 5.4.6",       [WALL_TOO_LARGE] = "552 5.3.4",
    };

    return replies[code];
}

const char *told_note(enum wall_note note)
{
    return note == WALL_NOTE_BARE_NEWLINE ? "550 5.5.2"
           : note == WALL_NOTE_TOO_LARGE  ? "552 5.3.4"
           : note == WALL_NOTE_HOPS       ? "554 5.4.6"
                                          : NULL;
}
