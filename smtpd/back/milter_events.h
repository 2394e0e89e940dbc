/*
 * milter_events: the events of a session that filters are asked about, each with its arguments and
 * macros.
 */
#ifndef MAILSLOT_MILTER_EVENTS_H
#define MAILSLOT_MILTER_EVENTS_H

#include "milter_macros.h"

/* Each makes the event of this step. */
void milter_events_connect(struct milter_event *event, const struct milter_client *client,
                           const struct delivery *delivery);
void milter_events_helo(struct milter_event *event, const struct milter_client *client,
                        const struct delivery *delivery);
void milter_events_mail(struct milter_event *event, const struct milter_client *client,
                        const struct delivery *delivery);

/* own: the directory's verdict; VERDICT_OK: it goes to another domain, by a relay. */
void milter_events_rcpt(struct milter_event *event, const struct milter_client *client,
                        const struct delivery *delivery, const struct address *recipient,
                        enum verdict own);

/* MILTER_DATA, _EOH or _END. */
void milter_events_message(struct milter_event *event, enum milter_step step,
                           const struct milter_client *client, const struct delivery *delivery);

#endif
