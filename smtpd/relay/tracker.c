#include "tracker.h"

#include <string.h>

enum command { COMMAND_OTHER, COMMAND_MAIL, COMMAND_DATA, COMMAND_DOT, COMMAND_RESET };

void tracker_begin(struct tracker *tracker)
{
    *tracker = (struct tracker){.count = 0};
}

bool tracker_is_idle(const struct tracker *tracker)
{
    return !tracker->lost && !tracker->open && !tracker->in_text && tracker->count == 0 &&
           tracker->verb_len == 0 && tracker->code_len == 0;
}

static void expect(struct tracker *tracker, enum command command)
{
    if (tracker->count == TRACKER_COMMANDS_MAX) {
        tracker->lost = true;
        return;
    }
    tracker->commands[(tracker->first + tracker->count++) % TRACKER_COMMANDS_MAX] =
        (uint8_t)command;
}

static void end_command(struct tracker *tracker)
{
    static const struct {
        const char *verb;
        enum command command;
    } verbs[] = {
        {"MAIL", COMMAND_MAIL},  {"DATA", COMMAND_DATA},  {"RSET", COMMAND_RESET},
        {"EHLO", COMMAND_RESET}, {"HELO", COMMAND_RESET},
    };
    struct slice verb = {tracker->verb, tracker->verb_len < 4 ? tracker->verb_len : 4};
    enum command command = COMMAND_OTHER;

    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
        if (slice_is_word(verb, verbs[i].verb))
            command = verbs[i].command;
    tracker->lost |= slice_is_word(verb, "BDAT");
    tracker->used |= command == COMMAND_MAIL;
    tracker->verb_len = 0;
    expect(tracker, command);
}

/* Only CRLF . CRLF ends a text (RFC 5321 section 4.1.1.4). */
static void read_text(struct tracker *tracker, char byte)
{
    static const char end[] = "\r\n.\r\n";

    if (byte == end[tracker->text])
        tracker->text++;
    else
        tracker->text = byte == '\r';
    if (end[tracker->text] == '\0') {
        tracker->in_text = false;
        expect(tracker, COMMAND_DOT);
    }
}

void tracker_client(struct tracker *tracker, struct slice bytes)
{
    for (size_t i = 0; i < bytes.len; i++) {
        char byte = bytes.at[i];
        if (tracker->in_text)
            read_text(tracker, byte);
        else if (byte == '\n')
            end_command(tracker);
        else if (tracker->verb_len < sizeof tracker->verb)
            tracker->verb[tracker->verb_len++] = byte;
    }
}

static void end_reply(struct tracker *tracker, char class)
{
    if (tracker->count == 0) /* such as the 421 of a server that hangs up */
        return;
    enum command command = tracker->commands[tracker->first];
    tracker->first = (uint16_t)((tracker->first + 1) % TRACKER_COMMANDS_MAX);
    tracker->count--;
    if (command == COMMAND_MAIL && class == '2') {
        tracker->open = true;
    } else if (command == COMMAND_DATA && class == '3') {
        tracker->open = tracker->in_text = true;
        tracker->text = 2; /* the line before it has ended */
    } else if (command == COMMAND_DOT || command == COMMAND_RESET) {
        tracker->open = false;
    }
}

void tracker_server(struct tracker *tracker, struct slice bytes)
{
    for (size_t i = 0; i < bytes.len; i++) {
        if (bytes.at[i] != '\n') {
            if (tracker->code_len < sizeof tracker->code)
                tracker->code[tracker->code_len++] = bytes.at[i];
            continue;
        }
        bool more = tracker->code_len == 4 && tracker->code[3] == '-';
        char class = tracker->code_len > 0 ? tracker->code[0] : '\0';
        tracker->code_len = 0;
        if (!more)
            end_reply(tracker, class);
    }
}
