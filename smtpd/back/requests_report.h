/*
 * requests_report: what the front reports for the log.
 */
#ifndef MAILSLOT_REQUESTS_REPORT_H
#define MAILSLOT_REQUESTS_REPORT_H

#include "requests_table.h"

/* Logs and counts a command that this reply refuses. user: the user that it named, or NULL.
 * True: it was one too many, and a breach. */
bool requests_report_refused(struct back *back, const char *command, enum reply reply,
                             const char *user);

/* Writes the address of the authenticated user, or an empty string. */
void requests_report_user(const struct back *back, char text[ADDRESS_TEXT_MAX]);

/* Is this a reply that refuses? */
bool requests_report_is_refusal(uint32_t reply);

#endif
