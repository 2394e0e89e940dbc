#include "client.h"

#include "client_send.h"
#include "hop_offers.h"

#include <string.h>

static void clear(struct client_step *step)
{
    step->output_len = 0;
    step->send = step->close = false;
}

static enum hop_step now(const struct client *client)
{
    return client->expected_len > 0 ? client->expected[0] : client->in_text ? HOP_TEXT : HOP_IDLE;
}

bool client_is_busy(const struct client *client)
{
    return client->expected_len > 0;
}

/* Passes on the reply that was read. */
static void answer(struct client *client, enum hop_step at, enum hop_fault fault,
                   struct client_step *step)
{
    const struct hop_reply *reply = &client->reply;
    struct wall_hop_reply *to = &step->message->hop_reply;

    step->message->type = WALL_HOP_REPLY;
    memset(to, 0, sizeof *to);
    to->step = at;
    to->fault = fault;
    to->code = reply->code;
    strcpy(to->status, reply->status);
    strcpy(to->text, reply->text);
    step->send = true;
    step->close = fault != HOP_SAID;
}

/* As answer(), but no reply has come, or not a whole one. */
static void answer_without(struct client *client, enum hop_fault fault, struct client_step *step)
{
    hop_reply_begin(&client->reply);
    answer(client, now(client), fault, step);
}

/* Passes on how the hop has refused MAIL. */
static void answer_refusal(struct client *client, struct client_step *step)
{
    step->message->type = WALL_HOP_REPLY;
    step->message->hop_reply = client->refusal;
    step->send = true;
    client->refused = false;
}

static void refuse_session(struct client *client, enum hop_step at, struct client_step *step)
{
    answer(client, at, HOP_SAID, step);
    step->close = true;
    if (client->reply.code != 421)
        client_put(step, "QUIT\r\n");
}

static void said_greeting(struct client *client, bool good, struct client_step *step)
{
    if (good)
        client_send_hello(client, step);
    else
        refuse_session(client, HOP_GREETING, step);
}

static void said_hello(struct client *client, bool good, struct client_step *step)
{
    if (good) {
        step->message->type = WALL_HOP_READY;
        step->message->hop_ready = client->offers;
        step->send = true;
    } else if (client->reply.code >= 500 && !client->lmtp && !client->helo) {
        client->helo = true;
        client->offers = (struct wall_hop_ready){0};
        client_send_hello(client, step);
    } else {
        refuse_session(client, HOP_HELLO, step);
    }
}

static void said_reset(struct client *client, bool good, struct client_step *step)
{
    if (!good)
        answer(client, HOP_RESET, client->reply.code == 421 ? HOP_CLOSED : HOP_MALFORMED, step);
}

/* If MAIL is refused, the reply to a recipient that was sent with it has to be read first. */
static void said_mail(struct client *client, bool good, struct client_step *step)
{
    client->open = good;
    if (good)
        return;
    answer(client, HOP_MAIL, HOP_SAID, step);
    client->mail_due = true;
    client->recipient_due = false;
    if (client->expected_len > 0) {
        client->refusal = step->message->hop_reply;
        client->refused = true;
        step->send = false;
    }
}

static void said_recipient(struct client *client, bool good, struct client_step *step)
{
    client->accepted += good;
    if (!client->refused)
        answer(client, HOP_RCPT, HOP_SAID, step);
    else if (!good)
        answer_refusal(client, step);
    else
        answer(client, HOP_RCPT, HOP_MALFORMED, step);
}

static void said_data(struct client *client, bool good, struct client_step *step)
{
    client->in_text = good;
    hop_text_begin(&client->text);
    answer(client, HOP_DATA, HOP_SAID, step);
}

static void said_dot(struct client *client, bool good, struct client_step *step)
{
    (void)good;
    answer(client, HOP_DOT, HOP_SAID, step);
    if (--client->results > 0)
        client_expect(client, HOP_DOT);
}

static void (*const said[HOP_STEPS])(struct client *client, bool good, struct client_step *step) = {
    [HOP_GREETING] = said_greeting, [HOP_HELLO] = said_hello,    [HOP_RESET] = said_reset,
    [HOP_MAIL] = said_mail,         [HOP_RCPT] = said_recipient, [HOP_DATA] = said_data,
    [HOP_DOT] = said_dot,
};

/* Only DATA goes on with 354, and with nothing else. */
static bool fits(enum hop_step at, uint16_t code)
{
    return at == HOP_DATA ? code == 354 || code >= 400 : code / 100 != 3;
}

/* A whole reply has come. */
static void take_reply(struct client *client, struct client_step *step)
{
    enum hop_step at = now(client);
    uint16_t code = client->reply.code;

    if (client->expected_len == 0) {
        answer(client, at, code == 421 ? HOP_CLOSED : HOP_AHEAD, step);
    } else if (!fits(at, code)) {
        answer(client, at, HOP_MALFORMED, step);
    } else {
        client->expected_len--;
        memmove(client->expected, client->expected + 1,
                client->expected_len * sizeof client->expected[0]);
        said[at](client, code < 400, step);
    }
    if (step->send && code == 421 && client->expected_len == 0)
        step->close = true;
}

void client_begin(struct client *client, const struct wall_hop *hop, struct client_step *step)
{
    memset(client, 0, sizeof *client);
    client->hop = *hop;
    client->hop.hello[sizeof hop->hello - 1] = '\0';
    client->lmtp = hop->lmtp;
    client_expect(client, HOP_GREETING);
    clear(step);
}

static void begin_message(struct client *client, const struct wall_hop_mail *mail)
{
    client->reset_due = client->reset_due || client->open;
    client->open = false;
    client->accepted = 0;
    client->mail_due = mail != NULL;
    if (mail != NULL)
        client->mail = *mail;
}

static void request_dot(struct client *client, struct client_step *step)
{
    step->output_len = hop_text_end(&client->text, step->output);
    client->results = client->lmtp ? client->accepted : 1;
    client->in_text = client->open = false;
    client->accepted = 0;
    client_expect(client, HOP_DOT);
}

static bool may_ask(const struct client *client, uint32_t type)
{
    switch (type) {
    case WALL_TEXT:
    case WALL_HOP_DOT:
        return client->in_text;
    case WALL_HOP_MAIL:
    case WALL_HOP_RESET:
        return !client->in_text;
    case WALL_HOP_RCPT:
        return !client->in_text && (client->open || client->mail_due);
    case WALL_HOP_DATA:
        return !client->in_text && client->open && client->accepted > 0;
    default:
        return false;
    }
}

void client_request(struct client *client, struct client_step *step)
{
    const struct wall_message *asked = step->message;

    clear(step);
    if (hop_reply_begun(&client->reply) || !may_ask(client, asked->type)) {
        answer_without(client, hop_reply_begun(&client->reply) ? HOP_AHEAD : HOP_DISORDER, step);
    } else if (asked->type == WALL_HOP_MAIL) {
        begin_message(client, &asked->hop_mail);
    } else if (asked->type == WALL_HOP_RESET) {
        begin_message(client, NULL);
        client->reset_due = true;
    } else if (asked->type == WALL_HOP_RCPT) {
        client->recipient = asked->address;
        client->recipient_due = true;
        client_send_due(client, step);
    } else if (asked->type == WALL_HOP_DATA) {
        client_put(step, "DATA\r\n");
        client_expect(client, HOP_DATA);
    } else if (asked->type == WALL_HOP_DOT) {
        request_dot(client, step);
    }
}

size_t client_feed(struct client *client, struct slice bytes, struct client_step *step)
{
    enum hop_reply_result result;

    clear(step);
    size_t used = hop_reply_feed(&client->reply, bytes, &result);
    if (result == HOP_REPLY_MALFORMED) {
        answer(client, now(client), HOP_MALFORMED, step);
        return used;
    }
    if (result != HOP_REPLY_PART && now(client) == HOP_HELLO && !client->helo &&
        client->reply.lines > 1)
        hop_offers_add(&client->offers, hop_reply_line(&client->reply));
    if (result != HOP_REPLY_WHOLE)
        return used;
    take_reply(client, step);
    if (!step->close)
        client_send_due(client, step);
    hop_reply_begin(&client->reply);
    if (used < bytes.len && step->output_len > 0 && !step->close) {
        step->output_len = 0; /* it has been answered before it is sent */
        answer_without(client, HOP_AHEAD, step);
    }
    return used;
}

void client_closed(struct client *client, struct client_step *step)
{
    clear(step);
    if (client->refused)
        answer_refusal(client, step);
    else
        answer_without(client, HOP_CLOSED, step);
    step->close = true;
}

void client_rest(struct client *client, struct client_step *step)
{
    clear(step);
    if (client->reset_due && !client_is_busy(client) && !client->in_text)
        client_send_reset(client, step);
}

/* RSET needs no waiting for its reply where commands may go together. */
static bool may_quit(const struct client *client)
{
    bool only_reset = client->expected_len == 1 && client->expected[0] == HOP_RESET &&
                      (client->offers.extensions & HOP_PIPELINING) != 0;

    return (!client_is_busy(client) || only_reset) && !client->in_text &&
           !hop_reply_begun(&client->reply);
}

void client_quit(struct client *client, struct client_step *step)
{
    clear(step);
    if (may_quit(client))
        client_put(step, "QUIT\r\n");
    step->close = true;
}
