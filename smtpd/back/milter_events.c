#include "milter_events.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- the client --------------------------------------------------------------------------------
 */

/* As Postfix does: there is no DNS, so the name of a client is its address in brackets. */
void milter_events_connect(struct milter_event *event, const struct milter_client *client,
                           const struct delivery *delivery)
{
    const char *peer = delivery->client.peer;
    char name[PEER_MAX + 2], port[8], family[] = {milter_macros_family(peer), '\0'};
    bool local = *family == 'L', known = *family != 'U' && !local;

    milter_event_begin(event, MILTER_CONNECT);
    snprintf(name, sizeof name, "[%s]", peer);
    snprintf(port, sizeof port, "%" PRIu16, client->port);
    milter_event_argument(event, known ? name : local ? "localhost" : "unknown");
    milter_event_argument(event, family);
    milter_event_argument(event, port);
    milter_event_argument(event, peer);
    milter_macros_of_client(event, client, delivery);
}

void milter_events_helo(struct milter_event *event, const struct milter_client *client,
                        const struct delivery *delivery)
{
    char helo[WALL_HELO_MAX + 1];

    milter_event_begin(event, MILTER_HELO);
    *(char *)mempcpy(helo, delivery->mail.helo, delivery->mail.helo_len) = '\0';
    milter_event_argument(event, helo);
    milter_macros_of_client(event, client, delivery);
}

/* ---- the transaction ---------------------------------------------------------------------------
 */

static void add_path(struct milter_event *event, const struct address *address)
{
    char text[ADDRESS_TEXT_MAX], path[ADDRESS_TEXT_MAX + 2];

    address_write(address, text);
    snprintf(path, sizeof path, "<%s>", text);
    milter_event_argument(event, path);
}

static void add_parameters(struct milter_event *event, const struct wall_mail *mail)
{
    static const char *const bodies[WALL_BODIES] = {
        [WALL_BODY_7BIT] = "BODY=7BIT",
        [WALL_BODY_8BITMIME] = "BODY=8BITMIME",
    };
    char text[sizeof "AUTH=" + WALL_AUTHOR_MAX];

    snprintf(text, sizeof text, "SIZE=%" PRIu64, mail->size);
    if (mail->size > 0)
        milter_event_argument(event, text);
    if (mail->body != WALL_BODY_NOT_GIVEN)
        milter_event_argument(event, bodies[mail->body]);
    snprintf(text, sizeof text, "AUTH=%.*s", (int)mail->author_len, mail->author);
    if (mail->author_len > 0)
        milter_event_argument(event, text);
    if (mail->utf8)
        milter_event_argument(event, "SMTPUTF8");
    if (mail->require_tls)
        milter_event_argument(event, "REQUIRETLS");
    if (mail->prdr)
        milter_event_argument(event, "PRDR");
}

void milter_events_mail(struct milter_event *event, const struct milter_client *client,
                        const struct delivery *delivery)
{
    milter_event_begin(event, MILTER_MAIL);
    add_path(event, &delivery->mail.sender);
    add_parameters(event, &delivery->mail);
    milter_macros_of_client(event, client, delivery);
    milter_macros_of_mail(event, client, delivery);
}

void milter_events_rcpt(struct milter_event *event, const struct milter_client *client,
                        const struct delivery *delivery, const struct address *recipient,
                        enum verdict own)
{
    milter_event_begin(event, MILTER_RCPT);
    event->refused = !verdict_accepts(own);
    add_path(event, recipient);
    milter_macros_of_client(event, client, delivery);
    milter_macros_of_mail(event, client, delivery);
    milter_macros_of_rcpt(event, recipient, own);
}

void milter_events_message(struct milter_event *event, enum milter_step step,
                           const struct milter_client *client, const struct delivery *delivery)
{
    milter_event_begin(event, step);
    milter_macros_of_client(event, client, delivery);
    milter_macros_of_mail(event, client, delivery);
}
