/*
 * fuzz: shared by the fuzzers. Each is one function, which gets an input and must return; it
 * asserts what must hold. `make fuzz` runs them.
 */
#ifndef MAILSLOT_FUZZ_H
#define MAILSLOT_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

/* Unlike assert(), this is not removed by NDEBUG. */
#define MUST(condition)                                                                            \
    do {                                                                                           \
        if (!(condition))                                                                          \
            abort();                                                                               \
    } while (0)

/* The rest of an input. */
struct input {
    const uint8_t *at, *end;
};

/* The next byte; 0 after the end. */
static inline uint8_t next_byte(struct input *input)
{
    return input->at < input->end ? *input->at++ : 0;
}

/* Up to most bytes; *len says how many there are. */
static inline const char *next_bytes(struct input *input, size_t most, size_t *len)
{
    const char *at = (const char *)input->at;

    *len = (size_t)(input->end - input->at) < most ? (size_t)(input->end - input->at) : most;
    input->at += *len;
    return at;
}

/* Up to the next newline, which is skipped. */
static inline const char *next_line(struct input *input, size_t *len)
{
    const char *at = (const char *)input->at;
    const uint8_t *newline = memchr(at, '\n', (size_t)(input->end - input->at));

    *len = (size_t)((newline == NULL ? input->end : newline) - input->at);
    input->at = newline == NULL ? input->end : newline + 1;
    return at;
}

/* Replaces up to three bytes of a body, mostly none. */
static inline void poke(struct input *input, char *body, size_t len)
{
    for (int pokes = next_byte(input) % 8 - 4; pokes > 0; pokes--) {
        size_t at = next_byte(input);
        at = (at << 8 | next_byte(input)) % (len == 0 ? 1 : len);
        if (len > 0)
            body[at] = (char)next_byte(input);
    }
}

#endif
