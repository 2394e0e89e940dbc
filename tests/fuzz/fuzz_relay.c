/*
 * The parsers of mailslot-relay. The first byte of the input is even: lines of a smarthost's reply
 * to EHLO. Whatever it offers, the client's reply is well formed, and offers neither TLS nor AUTH.
 *
 * Odd: bytes of both sides; a byte before each piece says whose it is, and how long. However the
 * pieces are cut, the tracker comes to the same.
 */
#include "../../smtpd/relay/offers.h"
#include "../../smtpd/relay/tracker.h"
#include "fuzz.h"

static void check_reply(struct slice reply)
{
    size_t facts = 0;

    for (size_t lines = 0; reply.len > 0; lines++) {
        struct slice line = slice_cut(&reply, '\n');
        MUST(line.len > 4 && slice_ends(line, "\r"));
        line.len--;
        MUST(slice_begins(line, reply.len > 0 ? "250-" : "250 "));
        for (size_t i = 0; i < line.len; i++)
            MUST(line.at[i] >= ' ' && line.at[i] <= '~');
        line = slice_from(line, 4);
        struct slice word = slice_cut_word(&line);
        MUST(lines == 0 || (!slice_is_word(word, "STARTTLS") && !slice_is_word(word, "AUTH") &&
                            !slice_begins_word(word, "AUTH=")));
        MUST(!slice_is_word(word, "REQUIRETLS"));
        facts += slice_is_word(word, "XRELAY");
    }
    MUST(facts == 1);
}

static void read_offers(struct input *input)
{
    static const struct offers_facts facts = {"mx.example.org", "smtp.example.net", "-", "-", 0};
    static char reply[OFFERS_REPLY_MAX];
    static struct offers offers;
    size_t len;

    offers_begin(&offers);
    while (input->at < input->end) {
        const char *line = next_line(input, &len);
        offers_add(&offers, (struct slice){line, len});
    }
    len = offers_write(&offers, &facts, reply);
    MUST(len < sizeof reply);
    check_reply((struct slice){reply, len});
    MUST((offers_best(&offers, ~0U) == 0) == (offers.mechanisms == 0));
}

static void follow(struct tracker *tracker, bool client, struct slice bytes)
{
    if (client)
        tracker_client(tracker, bytes);
    else
        tracker_server(tracker, bytes);
}

static void track(struct input *input)
{
    static struct tracker whole, cut;
    size_t len;

    memset(&whole, 0, sizeof whole);
    memset(&cut, 0, sizeof cut);
    tracker_begin(&whole);
    tracker_begin(&cut);
    while (input->at < input->end) {
        uint8_t what = next_byte(input);
        const char *bytes = next_bytes(input, what >> 1, &len);
        follow(&whole, what & 1, (struct slice){bytes, len});
        for (size_t i = 0; i < len; i++)
            follow(&cut, what & 1, (struct slice){bytes + i, 1});
        MUST(tracker_is_idle(&whole) == tracker_is_idle(&cut));
        MUST(whole.in_text == cut.in_text && whole.open == cut.open && whole.count == cut.count);
        MUST(!tracker_is_idle(&whole) || (whole.count == 0 && !whole.in_text));
        MUST(whole.count <= TRACKER_COMMANDS_MAX);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct input input = {bytes, bytes + len};

    if (next_byte(&input) % 2 == 0)
        read_offers(&input);
    else
        track(&input);
    return 0;
}
