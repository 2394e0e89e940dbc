/* A message as it is written to an mbox: the result is the same however it is split, and misleads
 * no reader. */
#include "../../smtpd/mailbox/header_facts.h"
#include "../../smtpd/mailbox/mboxrd.h"
#include "fuzz.h"

enum { TEXT_MAX = 4096, MADE_MAX = 8 * TEXT_MAX };

struct made {
    size_t len;
    bool loop;
    char text[MADE_MAX];
};

static void keep(void *context, const char *bytes, size_t len)
{
    struct made *made = context;

    MUST(len <= sizeof made->text - made->len);
    memcpy(made->text + made->len, bytes, len);
    made->len += len;
}

static void feed(struct header *header, struct header_facts *facts, struct mboxrd *mboxrd,
                 const char *text, size_t len)
{
    struct made *made = mboxrd->context;
    struct header_part part;

    for (size_t at = 0, taken; at < len; at += taken) {
        taken = header_next(header, (struct slice){text + at, len - at}, &part);
        MUST(taken > 0 && taken <= len - at);
        MUST(part.kind == HEADER_NONE || part.text.len > 0);
        made->loop = header_facts_part(facts, &part) || made->loop;
        mboxrd_part(mboxrd, &part);
    }
}

static void run(const char *text, size_t len, size_t piece, struct made *made)
{
    struct header header = {0};
    struct header_facts facts;
    struct mboxrd mboxrd;

    made->len = 0;
    made->loop = false;
    header_facts_begin(&facts, "h");
    mboxrd_begin(&mboxrd, keep, made);
    for (size_t at = 0, some; at < len; at += some) {
        some = len - at < piece ? len - at : piece;
        feed(&header, &facts, &mboxrd, text + at, some);
    }
    if (header_in_line(&header))
        feed(&header, &facts, &mboxrd, "\n", 1);
    MUST(!header_in_line(&header));
    mboxrd_end(&mboxrd);
}

/* When it is read back, the header has no field of state and no NUL. */
static void look(const struct made *made)
{
    struct header header = {0};
    struct header_part part;

    for (size_t at = 0; at < made->len && !header.in_body;) {
        MUST(made->text[at] != '\0');
        at += header_next(&header, (struct slice){made->text + at, made->len - at}, &part);
        MUST(part.kind != HEADER_STATE && part.kind != HEADER_FROM);
    }
    MUST(header.in_body);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    static struct made whole, cut;
    struct input input = {bytes, bytes + len};
    uint8_t piece = next_byte(&input);
    size_t text_len;
    const char *text = next_bytes(&input, TEXT_MAX, &text_len);

    run(text, text_len, SIZE_MAX, &whole);
    run(text, text_len, piece % 11 + 1u, &cut);
    MUST(whole.len == cut.len && whole.loop == cut.loop);
    MUST(memcmp(whole.text, cut.text, whole.len) == 0);
    MUST(whole.len >= 2 && memcmp(whole.text + whole.len - 2, "\n\n", 2) == 0);
    MUST(memmem(whole.text, whole.len, "\nFrom ", 6) == NULL &&
         memcmp(whole.text, "From ", 5) != 0);
    look(&whole);
    return 0;
}
