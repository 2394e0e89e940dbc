/*
 * milter_event: something that happens in a session, as filters are told about it: the arguments of
 * the event, and the macros that have a value (struct wall_milter_event).
 */
#ifndef MAILSLOT_MILTER_EVENT_H
#define MAILSLOT_MILTER_EVENT_H

#include "../base/peer.h"
#include "../base/role.h"
#include "delivery_state.h"

/* The client and its session. */
struct milter_client {
    enum role role;
    const char *hostname;  /* ours */
    const char *mechanism; /* of AUTH; NULL: none */
    uint16_t port;         /* the client's; 0: not known */
};

struct milter_event {
    enum milter_step step;
    bool refused; /* MILTER_RCPT: the recipient is */
    size_t arguments_len, macros_len;
    char strings[MILTER_EVENT_MAX];
};

/* Each makes the event of this step. */
void milter_event_connect(struct milter_event *event, const struct milter_client *client,
                          const struct delivery *delivery);
void milter_event_helo(struct milter_event *event, const struct milter_client *client,
                       const struct delivery *delivery);
void milter_event_mail(struct milter_event *event, const struct milter_client *client,
                       const struct delivery *delivery);

/* own: the directory's verdict; VERDICT_OK: it goes to another domain, by a relay. */
void milter_event_rcpt(struct milter_event *event, const struct milter_client *client,
                       const struct delivery *delivery, const struct address *recipient,
                       enum verdict own);

/* MILTER_DATA, _EOH or _END. */
void milter_event_message(struct milter_event *event, enum milter_step step,
                          const struct milter_client *client, const struct delivery *delivery);

/* Writes the event as a message for filter `number`. Returns the length of its body. */
size_t milter_event_write(const struct milter_event *event, size_t number,
                          struct wall_message *message);

/* Adds a macro, after all arguments; or nothing if the value is NULL or there is no room. For
 * milter_macros.c. */
void milter_event_macro(struct milter_event *event, const char *name, const char *value);

#endif
