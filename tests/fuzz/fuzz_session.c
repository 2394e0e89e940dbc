/*
 * The session in memory. A line of the input is a line of the client. When the session waits for
 * the back or for text, the next bytes choose what comes, even what no honest back would answer.
 */
#include "../../smtpd/front/session.h"
#include "../../smtpd/front/session_text.h"
#include "fuzz.h"

static struct wall_message message;

/* RFC 5321 4.2.1: lines of one code, each with CR LF, and nothing else in them. */
static void check_reply(const char *at, size_t len)
{
    const char *end = at + len, *code = at;

    MUST(len < STEP_REPLY_MAX);
    while (at < end) {
        const char *stop = memmem(at, (size_t)(end - at), "\r\n", 2);
        MUST(stop != NULL && stop - at >= 4 && memcmp(at, code, 3) == 0);
        MUST(at[0] >= '2' && at[0] <= '5' && (at[3] == '-' || at[3] == ' '));
        MUST((at[3] == ' ') == (stop + 2 == end));
        MUST(memchr(at, '\n', (size_t)(stop - at)) == NULL &&
             memchr(at, '\0', (size_t)(stop - at)) == NULL);
        at = stop + 2;
    }
}

static void answer(struct session *session, struct input *input, struct step *step)
{
    static const uint32_t types[] = {WALL_VERDICT, WALL_RESULT, WALL_READY, WALL_CHALLENGE};
    uint8_t how = next_byte(input);
    struct wall_message back = {.type = types[how % 4]};
    size_t len;

    if (how < 0x80) /* a proper answer */
        back.type = session->verb->answer;
    if (back.type == WALL_RESULT) {
        back.result.count = how & 0x40                ? next_byte(input)
                            : session->settings->lmtp ? (uint32_t)session->transaction.recipients
                                                      : 1;
        memcpy(back.result.id, "id", 3);
        const char *codes = next_bytes(input, sizeof back.result.codes, &len);
        memcpy(back.result.codes, codes, len < 4 ? len : 4);
        input->at -= len < 4 ? 0 : len - 4;
    } else if (back.type == WALL_VERDICT) {
        back.verdict.code = next_byte(input) % (VERDICT_COUNT + 1);
        back.verdict.count = next_byte(input);
        for (int i = 0; i < VERDICT_NAMES_MAX; i++)
            back.verdict.names[i] = message.address.local_len <= ADDRESS_LOCAL_MAX &&
                                            message.address.domain_len <= ADDRESS_DOMAIN_MAX
                                        ? message.address
                                        : (struct address){0};
    } else if (back.type == WALL_CHALLENGE) {
        back.challenge.code = next_byte(input) % (VERDICT_COUNT + 1);
        back.challenge.len = (next_byte(input) * 4u) % (WALL_CHALLENGE_MAX + 1);
    } else {
        back.ready = next_byte(input) % 8;
    }
    const char *said = next_bytes(input, 64, &len);
    session_said(session, (struct slice){said, how & 0x20 ? len : 0});
    input->at -= how & 0x20 ? 0 : len;
    session_answer(session, &back, step);
}

/* Carries out a step, like front.c. */
static bool carry_out(struct session *session, struct input *input, struct step *step)
{
    for (;;) {
        check_reply(step->reply, step->reply_len);
        MUST(!step->send || (message.type > WALL_CHALLENGE && message.type < WALL_TYPES));
        if (step->close)
            return false;
        if (step->send && step->wait) {
            MUST(session->verb != NULL && session->verb->answer != 0);
            answer(session, input, step);
        } else if (step->read == STEP_SKIP_CHUNK) {
            step_clear(step);
        } else if (step->read != STEP_READ_NOTHING) {
            enum verdict fault = (enum verdict)(next_byte(input) % (VERDICT_HOPS + 1));
            MUST(session->state >= SESSION_RECIPIENTS && session->transaction.recipients > 0);
            if (step->read == STEP_READ_CHUNK && !step->last)
                session_chunk_end(session, fault, step);
            else
                session_text_end(session, fault, step);
        } else if (step->more) {
            session_more(session, step);
        } else {
            return true;
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    static struct step step = {.message = &message};
    struct input input = {bytes, bytes + len};
    uint8_t how = next_byte(&input);
    struct wall_settings settings = {
        .session.hostname = "mx.example.org",
        .greet = true,
        .lmtp = how & 1,
        .session.vrfy = how & 2,
        .submission = how & 4,
        .tls_due = how & 8,
        .secure = how & 16,
        .local = (how & 20) == 20,
        .local_user = "user@example.org",
        .starttls = how & 32,
        .auth = how & 64,
        .mechanisms = how & 64 ? WALL_PLAIN | WALL_LOGIN | WALL_SCRAM : 0,
        .session.max_message_size = 1000,
        .session.max_recipients = 5,
        .session.max_errors = 20,
        .session.max_idle = 30,
    };
    struct session session;
    bool goes_on;

    memset(&message, 0, sizeof message.type + 4096);
    session_begin(&session, &settings, &step);
    goes_on = carry_out(&session, &input, &step);
    while (goes_on && input.at < input.end) {
        size_t line_len;
        const char *at = next_line(&input, &line_len);
        struct slice line = {at, line_len};
        bool good = memchr(at, '\0', line_len) == NULL && memchr(at, '\r', line_len) == NULL;
        if (line_len > (session.in_auth ? 12288 : 2046))
            session_bad_line(&session, REPLY_LINE_TOO_LONG, line, &step);
        else if (!good)
            session_bad_line(&session, REPLY_LINE_NUL, line, &step);
        else
            session_line(&session, line, &step);
        goes_on = carry_out(&session, &input, &step);
        MUST(session.transaction.recipients <= settings.session.max_recipients);
        MUST((session.transaction.recipients > 0) == (session.state >= SESSION_RECIPIENTS));
    }
    return 0;
}
