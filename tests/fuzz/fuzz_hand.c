/*
 * The hand's client in memory. The input is what a hop sends; a byte before each piece of it says
 * how much comes at once, or that the back asks for something, or that the hop hangs up.
 *
 * Whatever a hop says: lines of commands are well formed, as many replies are taken as commands
 * were sent, the dot follows the back's word and a 354 of its own, and the back gets printable
 * lines.
 */
#include "../../smtpd/base/utf8.h"
#include "../../smtpd/hand/client.h"
#include "fuzz.h"

static struct client client;
static struct client_step step;
static struct wall_message message;

/* What the hop has been asked, and what it has said, as seen from outside. */
static struct {
    size_t commands, replies; /* at most one reply was passed on for each command */
    size_t accepted, results; /* recipients; replies to the dot that are to come */
    bool lmtp, in_text, ended;
} seen;

static void check_name(const char *name, size_t size)
{
    const char *end = memchr(name, '\0', size);

    MUST(end != NULL);
    for (; name < end; name++)
        MUST(*name > ' ' && *name <= '~');
}

/* One line of printable characters. */
static void check_text(const char *text, size_t size)
{
    const char *end = memchr(text, '\0', size);
    uint32_t c;

    MUST(end != NULL);
    for (size_t len; text < end; text += len) {
        len = utf8_decode(text, (size_t)(end - text), &c);
        MUST(len > 0 && c >= ' ' && (c < 0x7f || c >= 0xa0));
    }
}

static void check_reply(const struct wall_hop_reply *reply)
{
    MUST(reply->step > HOP_CONNECT && reply->step < HOP_STEPS && reply->fault < HOP_FAULTS);
    MUST(reply->code == 0 || (reply->code >= 200 && reply->code < 600));
    check_text(reply->text, sizeof reply->text);
    check_name(reply->status, sizeof reply->status);
    MUST((reply->status[0] != '\0') == (reply->code != 0 && reply->code / 100 != 3));
    MUST(reply->status[0] == '\0' || (uint32_t)(reply->status[0] - '0') == reply->code / 100);
    if (reply->fault != HOP_SAID) {
        MUST(step.close);
        return;
    }
    MUST(reply->code != 0 && (reply->code / 100 != 3 || reply->code == 354));
    MUST((reply->step == HOP_DATA && reply->code < 400) == (reply->code == 354));
    seen.replies++;
    MUST(reply->step != HOP_DOT || seen.results-- > 0);
    seen.accepted += reply->step == HOP_RCPT && reply->code < 300;
    seen.in_text = reply->code == 354;
}

static void check_ready(const struct wall_hop_ready *ready)
{
    MUST((ready->extensions & ~(uint32_t)HOP_EXTENSIONS) == 0 && ready->verified <= 1);
    check_name(ready->host, sizeof ready->host);
    check_name(ready->protocol, sizeof ready->protocol);
    check_name(ready->cipher, sizeof ready->cipher);
    seen.replies++;
}

/* Each line is a command, or the dot. */
static void check_output(struct slice output)
{
    static const char *const commands[] = {"EHLO ",     "HELO ",  "LHLO ",  "MAIL FROM:<",
                                           "RCPT TO:<", "DATA\r", "RSET\r", "QUIT\r"};

    MUST(output.len <= sizeof step.output);
    while (output.len > 0) {
        struct slice line = slice_cut(&output, '\n');
        bool known = false;
        MUST(slice_ends(line, "\r") && memchr(line.at, '\r', line.len - 1) == NULL &&
             memchr(line.at, '\0', line.len) == NULL);
        for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
            known = known || slice_begins(line, commands[i]);
        if (known)
            MUST(!seen.in_text);
        else
            MUST(seen.in_text && message.type == WALL_HOP_DOT &&
                 (line.len == 1 || slice_is(line, ".\r")));
        seen.commands++;
    }
}

static void carry_out(void)
{
    check_output((struct slice){step.output, step.output_len});
    if (message.type == WALL_HOP_DOT && step.output_len > 0) {
        MUST(client.results == (seen.lmtp ? seen.accepted : 1) && client.results > 0);
        seen.commands += seen.results = client.results;
        seen.in_text = false;
        seen.accepted = 0;
    }
    if (step.send && message.type == WALL_HOP_REPLY)
        check_reply(&message.hop_reply);
    else if (step.send)
        check_ready(&message.hop_ready);
    MUST(seen.replies <= seen.commands + 1); /* the greeting may be refused */
    seen.ended = step.close;
}

/* The first letters of an honest session, and others. */
static void ask(uint8_t what)
{
    static const enum wall_type types[] = {WALL_HOP_MAIL, WALL_HOP_RCPT, WALL_HOP_RCPT,
                                           WALL_HOP_DATA, WALL_TEXT,     WALL_HOP_DOT,
                                           WALL_HOP_RESET};
    static const char text[] = "a\n.b\r\n.";
    char out[4 * sizeof text];
    size_t made;

    message.type = types[what % 7];
    if (message.type == WALL_HOP_MAIL) {
        message.hop_mail = (struct wall_hop_mail){
            .size = what, .eight_bit = what & 1, .utf8 = what & 2, .require_tls = what & 4};
        MUST(address_parse(slice_of("s@a.example"), &message.hop_mail.sender) == ADDRESS_OK);
    } else if (message.type == WALL_HOP_RCPT) {
        MUST(address_parse(slice_of("\"r r\"@b.example"), &message.address) == ADDRESS_OK);
    }
    if (message.type == WALL_HOP_MAIL || message.type == WALL_HOP_RESET)
        seen.accepted = 0;
    client_request(&client, &step);
    if (types[what % 7] == WALL_TEXT && !step.close)
        hop_text_feed(&client.text, (struct slice){text, what % sizeof text}, out, sizeof out,
                      &made);
    carry_out();
}

static void feed(const char *at, size_t len)
{
    /* In memory of its own, so that reading beyond it shows. */
    char *bytes = malloc(len + 1);

    MUST(bytes != NULL);
    memcpy(bytes, at, len);
    for (size_t fed = 0; fed < len && !seen.ended;) {
        message.type = WALL_NONE;
        size_t used = client_feed(&client, (struct slice){bytes + fed, len - fed}, &step);
        MUST(used > 0 && used <= len - fed);
        fed += used;
        carry_out();
    }
    free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct input input = {bytes, bytes + len};
    struct wall_hop hop = {.hello = "id.hop.mx.example", .lmtp = next_byte(&input) & 1};
    size_t piece;

    memset(&seen, 0, sizeof seen);
    seen.lmtp = hop.lmtp;
    step.message = &message;
    client_begin(&client, &hop, &step);
    carry_out();
    while (input.at < input.end && !seen.ended) {
        uint8_t how = next_byte(&input);
        if (how < 0x80) { /* a line */
            const char *line = next_line(&input, &piece);
            feed(line, piece + (input.at > (const uint8_t *)line + piece));
        } else if (how < 0xc0) { /* so many bytes */
            const char *at = next_bytes(&input, how - 0x80u, &piece);
            feed(at, piece);
        } else if (how < 0xfe) {
            if (!client_is_busy(&client))
                ask(how);
        } else {
            message.type = WALL_NONE;
            if (how == 0xfe)
                client_closed(&client, &step);
            else
                client_quit(&client, &step);
            MUST(step.close);
            carry_out();
        }
    }
    return 0;
}
