/*
 * client_send: the commands of the client (client.h).
 */
#ifndef MAILSLOT_CLIENT_SEND_H
#define MAILSLOT_CLIENT_SEND_H

#include "client.h"

/* Appends to what goes to the hop. */
__attribute__((format(printf, 2, 3))) void client_put(struct client_step *step, const char *format,
                                                      ...);

/* The reply to this step is to come. */
void client_expect(struct client *client, enum hop_step reply);

void client_send_hello(struct client *client, struct client_step *step);
void client_send_reset(struct client *client, struct client_step *step);

/* Sends the recipient that is due, if there is one, after the commands that must come before it.
 * Stops where a reply has to be read first. */
void client_send_due(struct client *client, struct client_step *step);

#endif
