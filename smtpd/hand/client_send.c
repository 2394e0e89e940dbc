#include "client_send.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

void client_expect(struct client *client, enum hop_step reply)
{
    client->expected[client->expected_len++] = reply;
}

void client_put(struct client_step *step, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    step->output_len += (size_t)vsnprintf(
        step->output + step->output_len, sizeof step->output - step->output_len, format, arguments);
    va_end(arguments);
}

void client_send_hello(struct client *client, struct client_step *step)
{
    client_put(step, "%s %s\r\n",
               client->lmtp   ? "LHLO"
               : client->helo ? "HELO"
                              : "EHLO",
               client->hop.hello);
    client_expect(client, HOP_HELLO);
}

static void send_mail(struct client *client, struct client_step *step)
{
    const struct wall_hop_mail *mail = &client->mail;
    uint32_t offered = client->offers.extensions;
    char sender[ADDRESS_TEXT_MAX];

    address_write(&mail->sender, sender);
    client_put(step, "MAIL FROM:<%s>", sender);
    if ((offered & HOP_SIZE) && mail->size > 0)
        client_put(step, " SIZE=%" PRIu64, mail->size);
    client_put(step, "%s%s%s\r\n",
               (offered & HOP_8BITMIME) && mail->eight_bit ? " BODY=8BITMIME" : "",
               (offered & HOP_SMTPUTF8) && mail->utf8 ? " SMTPUTF8" : "",
               (offered & HOP_REQUIRETLS) && mail->require_tls ? " REQUIRETLS" : "");
    client->mail_due = false;
    client_expect(client, HOP_MAIL);
}

static void send_recipient(struct client *client, struct client_step *step)
{
    char recipient[ADDRESS_TEXT_MAX];

    address_write(&client->recipient, recipient);
    client_put(step, "RCPT TO:<%s>\r\n", recipient);
    client->recipient_due = false;
    client_expect(client, HOP_RCPT);
}

void client_send_reset(struct client *client, struct client_step *step)
{
    client_put(step, "RSET\r\n");
    client->reset_due = false;
    client_expect(client, HOP_RESET);
}

void client_send_due(struct client *client, struct client_step *step)
{
    bool together = client->offers.extensions & HOP_PIPELINING;

    while (client->recipient_due && (together || client->expected_len == 0)) {
        if (client->reset_due)
            client_send_reset(client, step);
        else if (client->mail_due)
            send_mail(client, step);
        else
            send_recipient(client, step);
    }
}
