#include "milter_event.h"

#include "milter_macros.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* ---- strings -----------------------------------------------------------------------------------
 */

static bool add(struct milter_event *event, const char *text)
{
    size_t used = event->arguments_len + event->macros_len, len = strlen(text) + 1;

    if (len > sizeof event->strings - used)
        return false;
    memcpy(event->strings + used, text, len);
    return true;
}

static void add_argument(struct milter_event *event, const char *text)
{
    if (add(event, text))
        event->arguments_len += strlen(text) + 1;
}

void milter_event_macro(struct milter_event *event, const char *name, const char *value)
{
    size_t before = event->macros_len;

    if (value == NULL)
        return;
    bool named = add(event, name);
    event->macros_len += named ? strlen(name) + 1 : 0;
    if (named && add(event, value))
        event->macros_len += strlen(value) + 1;
    else
        event->macros_len = before;
}

static void begin(struct milter_event *event, enum milter_step step)
{
    event->step = step;
    event->refused = false;
    event->arguments_len = event->macros_len = 0;
}

size_t milter_event_write(const struct milter_event *event, size_t number,
                          struct wall_message *message)
{
    struct wall_milter_event *to = &message->milter_event;
    size_t len = event->arguments_len + event->macros_len;

    message->type = WALL_MILTER_EVENT;
    to->filter = (uint32_t)number;
    to->step = event->step;
    to->arguments_len = (uint16_t)event->arguments_len;
    to->macros_len = (uint16_t)event->macros_len;
    to->refused = event->refused;
    memcpy(to->strings, event->strings, len);
    return offsetof(struct wall_milter_event, strings) + len;
}

/* ---- the client --------------------------------------------------------------------------------
 */

/* As Postfix does: there is no DNS, so the name of a client is its address in brackets. */
void milter_event_connect(struct milter_event *event, const struct milter_client *client,
                          const struct delivery *delivery)
{
    const char *peer = delivery->client.peer;
    char name[PEER_MAX + 2], port[8], family[] = {milter_macros_family(peer), '\0'};
    bool local = *family == 'L', known = *family != 'U' && !local;

    begin(event, MILTER_CONNECT);
    snprintf(name, sizeof name, "[%s]", peer);
    snprintf(port, sizeof port, "%" PRIu16, client->port);
    add_argument(event, known ? name : local ? "localhost" : "unknown");
    add_argument(event, family);
    add_argument(event, port);
    add_argument(event, peer);
    milter_macros_of_client(event, client, delivery);
}

void milter_event_helo(struct milter_event *event, const struct milter_client *client,
                       const struct delivery *delivery)
{
    char helo[WALL_HELO_MAX + 1];

    begin(event, MILTER_HELO);
    *(char *)mempcpy(helo, delivery->mail.helo, delivery->mail.helo_len) = '\0';
    add_argument(event, helo);
    milter_macros_of_client(event, client, delivery);
}

/* ---- the transaction ---------------------------------------------------------------------------
 */

static void add_path(struct milter_event *event, const struct address *address)
{
    char text[ADDRESS_TEXT_MAX], path[ADDRESS_TEXT_MAX + 2];

    address_write(address, text);
    snprintf(path, sizeof path, "<%s>", text);
    add_argument(event, path);
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
        add_argument(event, text);
    if (mail->body != WALL_BODY_NOT_GIVEN)
        add_argument(event, bodies[mail->body]);
    snprintf(text, sizeof text, "AUTH=%.*s", (int)mail->author_len, mail->author);
    if (mail->author_len > 0)
        add_argument(event, text);
    if (mail->utf8)
        add_argument(event, "SMTPUTF8");
    if (mail->require_tls)
        add_argument(event, "REQUIRETLS");
    if (mail->prdr)
        add_argument(event, "PRDR");
}

void milter_event_mail(struct milter_event *event, const struct milter_client *client,
                       const struct delivery *delivery)
{
    begin(event, MILTER_MAIL);
    add_path(event, &delivery->mail.sender);
    add_parameters(event, &delivery->mail);
    milter_macros_of_client(event, client, delivery);
    milter_macros_of_mail(event, client, delivery);
}

void milter_event_rcpt(struct milter_event *event, const struct milter_client *client,
                       const struct delivery *delivery, const struct address *recipient,
                       enum verdict own)
{
    begin(event, MILTER_RCPT);
    event->refused = !verdict_accepts(own);
    add_path(event, recipient);
    milter_macros_of_client(event, client, delivery);
    milter_macros_of_mail(event, client, delivery);
    milter_macros_of_rcpt(event, recipient, own);
}

void milter_event_message(struct milter_event *event, enum milter_step step,
                          const struct milter_client *client, const struct delivery *delivery)
{
    begin(event, step);
    milter_macros_of_client(event, client, delivery);
    milter_macros_of_mail(event, client, delivery);
}
