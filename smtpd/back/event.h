/*
 * event: all that the log can say, in one table. mailslot-log(7) lists what each means and
 * carries, units/mailslot.catalog explains it to `journalctl -x`.
 *
 * Scripts and fail2ban go by names and ids: they stay as they are, and new events get new ids
 * (`journalctl --new-id128`).
 */
#ifndef MAILSLOT_EVENT_H
#define MAILSLOT_EVENT_H

enum event {
    /* mail */
    EVENT_DELIVERED,
    EVENT_DEFERRED,
    EVENT_OVER_QUOTA,
    EVENT_REFUSED_MESSAGE,
    EVENT_REFUSED_RECIPIENT,
    EVENT_DEFERRED_RECIPIENT,
    EVENT_REFUSED_SENDER,
    EVENT_INTERRUPTED,
    EVENT_RESTORED,
    /* TLS and AUTH */
    EVENT_TLS,
    EVENT_TLS_FAILED,
    EVENT_TLS_UNAVAILABLE,
    EVENT_TICKETS_UNAVAILABLE,
    EVENT_CLIENT_CERTIFICATE,
    EVENT_AUTHENTICATED,
    EVENT_AUTH_FAILED,
    EVENT_AUTH_UNAVAILABLE,
    EVENT_AUTH_UNLIMITED,
    /* the session */
    EVENT_REFUSED_COMMAND,
    EVENT_END,
    EVENT_BREACH,
    EVENT_FRONT_KILLED,
    EVENT_CANNOT_START,
    EVENT_DATABASE,
    EVENT_USAGE,
    EVENT_ROOT,
    /* the listener */
    EVENT_LISTENING,
    EVENT_TURNED_AWAY,
    EVENT_CANNOT_ACCEPT,
    EVENT_CANNOT_FORK,
    EVENT_COUNT
};

struct event_kind {
    const char *name;
    int priority;
    const char *id;      /* MESSAGE_ID */
    const char *message; /* the names of the pairs that MESSAGE shows behind the peer */
    enum {
        EVENT_EACH, /* is logged each time */
        EVENT_FEW,  /* a client can have many: logged LOG_FEW times a session, and counted then */
    } flood;
};

extern const struct event_kind event_kinds[EVENT_COUNT];

#endif
