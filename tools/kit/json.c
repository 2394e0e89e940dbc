#include "json.h"

#include "../../smtpd/base/utf8.h"

void json_string(FILE *to, struct slice text)
{
    uint32_t c;

    putc('"', to);
    for (size_t at = 0, len; at < text.len; at += len) {
        len = utf8_decode(text.at + at, text.len - at, &c);
        if (len == 0) {
            fprintf(to, "\\udc%02x", (unsigned char)text.at[at]);
            len = 1;
        } else if (c < ' ' || (c >= 0x7f && c <= 0x9f) || c == '"' || c == '\\') {
            fprintf(to, "\\u%04x", (unsigned)c);
        } else {
            fwrite(text.at + at, 1, len, to);
        }
    }
    putc('"', to);
}
