#include "input.h"

#include "../kit/message.h"

#include <sys/mman.h>
#include <sysexits.h>
#include <unistd.h>

/* In memory if there is no folder for temporary files. */
static FILE *open_spool(void)
{
    FILE *spool = tmpfile();

    if (spool != NULL)
        return spool;
    int fd = memfd_create("mailslot-sendmail", MFD_CLOEXEC);
    return fd < 0 ? NULL : fdopen(fd, "w+");
}

/* Where the reading of a line is. A dot and a CR are held back until it is clear what follows. */
struct line {
    bool begun, dot, cr;
};

static void put(struct line *line, int c, FILE *to)
{
    if (line->dot)
        putc_unlocked('.', to);
    if (line->cr)
        putc_unlocked('\r', to);
    putc_unlocked(c, to);
    *line = (struct line){.begun = c != '\n'};
}

/* The bytes that were held back at the end. */
static void put_rest(const struct line *line, FILE *to)
{
    if (line->dot)
        putc_unlocked('.', to);
    if (line->cr)
        putc_unlocked('\r', to);
}

static void copy(FILE *from, FILE *to, bool dot_ends, struct input *input)
{
    struct line line = {0};
    size_t len = 0;
    int c;

    while (len <= INPUT_MAX && (c = getc_unlocked(from)) != EOF) {
        len++;
        input->eight_bit = input->eight_bit || c > 0x7f;
        if (c == '\n' && line.dot && dot_ends)
            return;
        if (c == '\n')
            line.cr = false;
        if (c == '.' && !line.begun && !line.dot && !line.cr)
            line.dot = true;
        else if (c == '\r' && !line.cr)
            line.cr = true;
        else
            put(&line, c, to);
    }
    put_rest(&line, to);
}

static void skip_from_lines(struct slice *text)
{
    while (slice_begins(*text, "From ") || slice_begins(*text, ">From "))
        slice_cut(text, '\n');
}

static int map(FILE *spool, struct input *input)
{
    off_t len = ftello(spool);

    if (len > INPUT_MAX)
        return message_print(EX_UNAVAILABLE, "the message is larger than 1 GiB");
    input->text = (struct slice){"", 0};
    if (len == 0)
        return EX_OK;
    void *text = mmap(NULL, (size_t)len, PROT_READ, MAP_PRIVATE, fileno(spool), 0);
    if (text == MAP_FAILED)
        return message_errno(EX_TEMPFAIL, "cannot map the message into memory");
    input->text = (struct slice){text, (size_t)len};
    skip_from_lines(&input->text);
    return EX_OK;
}

int input_read(struct input *input, FILE *from, bool dot_ends)
{
    FILE *spool = open_spool();

    *input = (struct input){0};
    if (spool == NULL)
        return message_errno(EX_TEMPFAIL, "cannot make a temporary file");
    copy(from, spool, dot_ends, input);
    int code = EX_OK;
    if (ferror(from))
        code = message_errno(EX_IOERR, "cannot read the message");
    else if (fflush(spool) != 0 || ferror(spool))
        code = message_errno(EX_TEMPFAIL, "cannot keep the message in a temporary file");
    else
        code = map(spool, input);
    fclose(spool);
    return code;
}
