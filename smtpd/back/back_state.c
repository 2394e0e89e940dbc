#include "back_state.h"

#include "../base/international.h"
#include "log.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

enum {
    ERRORS_BESIDES_MAX = 1, /* the front counts errors too, and closes at this one */
};

void back_end(struct back *back, enum end why)
{
    if (back->state != BACK_DONE)
        back->ended_in = back->state;
    back->end = why;
    back->state = BACK_DONE;
}

void back_breach(struct back *back, const char *what)
{
    log_event(EVENT_BREACH, "what", what, NULL);
    back_end(back, END_BREACH);
}

/* The front sees that the back sends no more but still exists, and replies 421. */
void back_stop(struct back *back)
{
    shutdown(back->front.wall, SHUT_WR);
    back_end(back, END_STOPPED);
}

/* An honest front reads each answer before it asks again, so there is always room for the next. */
void back_answer(struct back *back)
{
    back_answer_text(back, 0);
}

void back_answer_text(struct back *back, size_t len)
{
    struct pollfd wall = {.fd = back->front.wall, .events = POLLOUT};

    if (poll(&wall, 1, 0) == 0) {
        back_breach(back, "answers not read");
    } else if (wall_send(back->front.wall, &back->message, len) != 0) {
        back_end(back, END_FRONT_GONE);
    }
}

struct auth_context back_auth_context(struct back *back)
{
    return (struct auth_context){&back->db, &back->settings, &back->tls, back->start->peer};
}

void back_log_database(struct back *back)
{
    const struct database *db = &back->db;
    const char *error = NULL, *what = database_problem(db->state), *hint = "run mailslot-build";

    if (db->state == DATABASE_MISSING || db->state == DATABASE_FAILED)
        error = strerror(db->error);
    if (db->state == DATABASE_UNSAFE) {
        hint = "it must belong to root or to this user, and not be writable by group or others: "
               "chmod go-w";
    } else if (db->state == DATABASE_MISSING && db->error == EACCES) {
        hint = "make it readable by the user that the server runs as";
    } else if (db->state == DATABASE_CHANGED) {
        hint = "run mailslot-build; to copy a database here, copy it to another name first, then "
               "rename it with mv";
    } else if (what == NULL && international_missing()) {
        what = "cannot be asked about non-ASCII addresses";
        hint = "install libidn2-0 and libunistring2";
    } else if (what == NULL) {
        what = "has an invalid record";
    }
    if (!back->logged_broken)
        log_event(EVENT_DATABASE, "path", back->start->database, "what", what, "error", error, "do",
                  hint, NULL);
    back->logged_broken = true;
}

enum verdict back_found(struct back *back, enum verdict verdict)
{
    if (verdict == VERDICT_DATABASE)
        back_log_database(back);
    return verdict;
}

/* An honest front obeys max-errors, and lets no client guess addresses or flood the log. In LMTP
 * max-errors does not apply to these (session.h). */
bool back_too_many_errors(struct back *back)
{
    if (back->start->role == ROLE_LMTP ||
        ++back->errors <= back->settings.session.max_errors + ERRORS_BESIDES_MAX)
        return false;
    back_breach(back, "too many errors");
    return true;
}

/* The front checks before each command, so the last transaction may have exceeded the limit. */
bool back_too_idle(struct back *back, uint64_t count)
{
    back->idle += count;
    if (back->start->role == ROLE_LMTP ||
        back->idle <= back->settings.session.max_idle + back->settings.session.max_recipients + 1)
        return false;
    back_breach(back, "too many commands");
    return true;
}

bool back_refused_too_often(struct back *back, enum reply reply)
{
    if (reply_class(reply) == 5)
        return back_too_many_errors(back);
    return reply_class(reply) == 4 && back_too_idle(back, 1);
}
