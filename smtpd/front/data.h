/*
 * data: the text of a message as DATA sends it (RFC 5321 4.1.1.4, 4.5.2), or BDAT (RFC 3030), made
 * into lines ended by LF.
 *
 * Pure. Only CR LF ends a line, and only CR LF . CR LF the message of DATA: no CR or LF alone, no
 * NUL and no packet boundary can make two messages of one (SMTP smuggling, CVE-2023-51764 and its
 * kin). In BDAT a dot is only a dot, and the message ends where the size of its chunks says.
 *
 * A fault does not stop the reading: the next command comes only after the true end of the message.
 * The output after a fault is not used.
 */
#ifndef MAILSLOT_DATA_H
#define MAILSLOT_DATA_H

#include "../wall/verdict.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A CR or LF that is not part of a CRLF: a fault, the end of a line, or the latter for a LF alone.
 * It never ends a message. */
enum data_newlines { DATA_REJECT, DATA_NORMALISE, DATA_NORMALISE_LF };

struct data {
    enum {
        DATA_LINE,     /* at the start of a line, or of the message */
        DATA_TEXT,     /* in a line */
        DATA_CR,       /* in a line, after a CR */
        DATA_DOT,      /* after a dot at the start of a line */
        DATA_DOT_CR,   /* after such a dot and a CR */
        DATA_COMPLETE, /* the end of the message has been read */
    } state;
    enum verdict fault; /* the first one: VERDICT_BARE_NEWLINE, _TOO_LARGE or _HOPS */
    bool chunked;       /* by BDAT */
    bool ended;         /* what was put out so far ends a line */
    enum data_newlines newlines;
    uint64_t size; /* RFC 1870: CR LF counts as two, added dots and the end do not count */
    uint64_t max_size;
    uint64_t received; /* Received fields in the header so far */
    uint64_t max_received;
    bool in_header;
    size_t column; /* of the header line, counted no further than the name matters */
    bool named;    /* so far the header line reads as "Received:" */
};

void data_begin(struct data *data, bool chunked, enum data_newlines newlines, uint64_t max_size,
                uint64_t max_received);

/* Reads from in, writes to out, at most len + 1 bytes, and sets *out_len. Returns how many bytes of
 * in were read: all, or those up to the message's end (then the state is DATA_COMPLETE). */
size_t data_feed(struct data *data, const char *in, size_t len, char *out, size_t *out_len);

/* After the last chunk: ends a line that was left open. Writes at most one byte to out, and returns
 * how many. */
size_t data_end(struct data *data, char *out);

#endif
