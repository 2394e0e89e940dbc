/*
 * event: every event of the log, in one table. mailslot-log(7) describes each and its pairs;
 * units/mailslot.catalog explains it in `journalctl -x`.
 *
 * Scripts and fail2ban match names and ids: these never change, and a new event gets a new id
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
    /* hops (hop_log.h) */
    EVENT_RELAYED,
    EVENT_REFUSED_BY_HOP,
    EVENT_HOP_UNAVAILABLE,
    EVENT_UNCERTAIN,
    EVENT_UNHEARD,
    EVENT_TARGET_REFUSED,
    EVENT_PARTLY_DELIVERED,
    EVENT_HOP_LOOP,
    EVENT_HAND_BREACH,
    EVENT_HAND_KILLED,
    /* filters (milter_log.h) */
    EVENT_REFUSED_BY_FILTER,
    EVENT_FILTER_UNAVAILABLE,
    EVENT_DISCARDED,
    EVENT_QUARANTINED,
    EVENT_CHANGED_BY_FILTER,
    EVENT_ADDED_REFUSED,
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
    const char *message; /* the names of the pairs that MESSAGE shows after the peer */
    enum {
        EVENT_EACH, /* is logged each time */
        EVENT_FEW,  /* a client can cause many: logged LOG_FEW times a session, then counted */
    } flood;
};

extern const struct event_kind event_kinds[EVENT_COUNT];

#endif
