#include "printable.h"

#include "../../smtpd/base/utf8.h"

#include <string.h>

void printable(char *text)
{
    uint32_t c;

    for (size_t left = strlen(text), len; left > 0; text += len, left -= len) {
        len = utf8_decode(text, left, &c);
        if (len == 0) {
            len = 1;
            c = (unsigned char)*text;
        }
        if (c < ' ' || (c >= 0x7f && c <= 0x9f))
            memset(text, '?', len);
    }
}
