#include "requests.h"

#include "requests_table.h"

enum { ANYONE, LOGIN };

static const struct request {
    void (*handle)(struct back *back);
    unsigned states;
    bool login;
} requests[WALL_TYPES] = {
#define REQUEST(type, handler, states, login) [type] = {handler, states, login},
    REQUESTS(REQUEST)};

static bool is_allowed(const struct back *back, const struct request *request)
{
    bool login_is_due = request->login && role_needs_auth(back->start->role);

    return (request->states & back->state) != 0 &&
           (!login_is_due || auth_user(&back->auth).len > 0);
}

/* What was read from the database is kept for a transaction at most, because sessions can be long.
 */
static void forget(struct back *back, size_t mark, size_t mailboxes)
{
    if ((back->state & BACK_TRANSACTION) == 0)
        database_rewind(&back->db, back->settings_end);
    else if (back->delivery.count == mailboxes)
        database_rewind(&back->db, mark);
}

void requests_handle(struct back *back)
{
    const struct request *request = &requests[back->message.type];
    size_t mark = database_mark(&back->db), mailboxes = back->delivery.count;

    if (is_allowed(back, request))
        request->handle(back);
    else
        back_breach(back, "out of order");
    forget(back, mark, mailboxes);
}
