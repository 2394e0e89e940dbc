#include "told.h"

enum reply told_sender(uint32_t code)
{
    switch ((enum wall_sender_code)code) {
    case WALL_SENDER_ACCEPTED:
        return REPLY_SENDER;
    case WALL_SENDER_NOT_YOURS:
        return REPLY_NOT_YOURS;
    case WALL_SENDER_TOO_LARGE:
        return REPLY_TOO_LARGE;
    case WALL_SENDER_NO_SPACE:
        return REPLY_NO_SPACE;
    case WALL_SENDER_UNKNOWN:
        break;
    }
    return REPLY_DIRECTORY;
}

enum reply told_verdict(uint32_t code)
{
    switch ((enum wall_verdict_code)code) {
    case WALL_USER:
    case WALL_CATCH_ALL:
        return REPLY_RECIPIENT;
    case WALL_UNKNOWN:
        return REPLY_UNKNOWN_USER;
    case WALL_FOREIGN:
        return REPLY_FOREIGN;
    case WALL_DISABLED:
        return REPLY_DISABLED;
    case WALL_FULL:
        return REPLY_OVER_QUOTA;
    case WALL_NO_ROOM:
        return REPLY_NO_SPACE;
    case WALL_TOO_MANY:
        return REPLY_TOO_MANY_RECIPIENTS;
    case WALL_AMBIGUOUS: /* to VRFY alone */
        return REPLY_AMBIGUOUS;
    case WALL_BROKEN:
        break;
    }
    return REPLY_DIRECTORY;
}

enum reply told_result(uint32_t code)
{
    switch ((enum wall_result_code)code) {
    case WALL_DELIVERED:
        return REPLY_DELIVERED;
    case WALL_NO_SPACE:
        return REPLY_NO_SPACE;
    case WALL_OVER_QUOTA:
        return REPLY_OVER_QUOTA;
    case WALL_LOCKED:
        return REPLY_LOCKED;
    case WALL_MAILBOX:
        return REPLY_MAILBOX;
    case WALL_LOOP:
        return REPLY_LOOP;
    case WALL_TOO_LARGE:
        return REPLY_TOO_LARGE;
    case WALL_FAILED:
        break;
    }
    return REPLY_FAILED;
}

enum reply told_fault(enum wall_note note)
{
    return note == WALL_NOTE_BARE_NEWLINE ? REPLY_BARE_NEWLINE
           : note == WALL_NOTE_TOO_LARGE  ? REPLY_TOO_LARGE
                                          : REPLY_LOOP;
}
