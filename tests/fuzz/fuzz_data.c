/* The text of a message, by DATA or in chunks: the result is the same however it is split. */
#include "../../smtpd/front/data.h"
#include "fuzz.h"

struct made {
    size_t len, used;
    char text[8192];
};

static struct data run(const struct data *begin, const char *text, size_t len, size_t piece,
                       struct made *made)
{
    struct data data = *begin;
    size_t out;

    made->len = made->used = 0;
    while (made->used < len && data.state != DATA_COMPLETE) {
        size_t some = len - made->used < piece ? len - made->used : piece;
        size_t used = data_feed(&data, text + made->used, some, made->text + made->len, &out);
        MUST(used == some || data.state == DATA_COMPLETE);
        MUST(out <= used + 1);
        made->used += used;
        made->len += out;
    }
    if (data.chunked)
        made->len += data_end(&data, made->text + made->len);
    return data;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    static struct made whole, cut;
    struct input input = {bytes, bytes + len};
    uint8_t how = next_byte(&input), piece = next_byte(&input), limit = next_byte(&input);
    struct data begin;
    size_t text_len;
    const char *text = next_bytes(&input, 2048, &text_len);

    data_begin(&begin, how & 1, (enum data_newlines)((how >> 1) % 3), (uint64_t)limit * 16,
               how >> 4);
    struct data one = run(&begin, text, text_len, SIZE_MAX, &whole);
    struct data two = run(&begin, text, text_len, piece % 7 + 1u, &cut);
    MUST(one.state == two.state && one.fault == two.fault && whole.used == cut.used);
    MUST(one.size == two.size && whole.len == cut.len);
    MUST(memcmp(whole.text, cut.text, whole.len) == 0);
    MUST(memchr(whole.text, '\r', whole.len) == NULL || one.fault != VERDICT_OK ||
         memchr(text, '\r', text_len) != NULL);
    if (one.state == DATA_COMPLETE && one.fault == VERDICT_OK)
        MUST(whole.len == 0 || whole.text[whole.len - 1] == '\n');
    return 0;
}
