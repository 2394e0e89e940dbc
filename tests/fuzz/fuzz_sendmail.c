/* A message for mailslot-sendmail: addresses that are found are valid; the header that is written
 * is a header, without Bcc, and becomes the same when it is written again. */
#include "../../tools/sendmail/field.h"
#include "../../tools/sendmail/header.h"
#include "fuzz.h"

#include <stdlib.h>

static int found(void *context, const struct address *address)
{
    (void)context;
    MUST(address_valid(address));
    return 0;
}

/* To be freed. */
static char *write_header(struct slice text, size_t *len, struct slice *body)
{
    static const struct address sender = {
        .local_len = 1, .domain_len = 1, .local = "a", .domain = "b"};
    const struct header_sender by = {&sender, "A \"B\"", slice_of("example.org")};
    char *header = NULL;
    FILE *to = open_memstream(&header, len);

    MUST(to != NULL);
    *body = header_write(text, &by, to);
    MUST(fclose(to) == 0);
    return header;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct slice text = {(const char *)bytes, len}, body, ignored;
    struct field field;
    size_t once_len, twice_len;

    if (len == 0)
        return 0;
    header_recipients(text, found, NULL);
    char *once = write_header(text, &once_len, &body);
    struct slice rest = {once, once_len};
    while (field_next(&rest, &field))
        MUST(!field_is(&field, "Bcc") && !field_is(&field, "Resent-Bcc"));
    MUST(rest.len == 0);
    char *twice = write_header((struct slice){once, once_len}, &twice_len, &ignored);
    MUST(once_len == twice_len && memcmp(once, twice, once_len) == 0);
    MUST(body.len <= len);
    free(once);
    free(twice);
    return 0;
}
