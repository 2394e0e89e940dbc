/*
 * milter_packet: the packets of the milter protocol: the length of what follows, in 4 bytes, a
 * letter, and its data. Numbers are in network byte order; strings end in NUL. There is no RFC;
 * libmilter of Sendmail 8.14 is the reference (mfdef.h).
 *
 * Pure.
 */
#ifndef MAILSLOT_MILTER_PACKET_H
#define MAILSLOT_MILTER_PACKET_H

#include "../wall/milter.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    MILTER_VERSION = 6,
    MILTER_HEAD = 5,         /* bytes of length and letter */
    MILTER_DATA_MAX = 65535, /* bytes of data that every filter accepts */
    MILTER_BUFFER_SIZE = MILTER_HEAD + MILTER_DATA_MAX,
};

/* What a filter may be asked, and does not want: bits of SMFIP_. NO: not even to be asked; NR: it
 * does not reply. */
enum {
    MILTER_NO_CONNECT = 1 << 0,
    MILTER_NO_HELO = 1 << 1,
    MILTER_NO_MAIL = 1 << 2,
    MILTER_NO_RCPT = 1 << 3,
    MILTER_NO_BODY = 1 << 4,
    MILTER_NO_HEADER = 1 << 5,
    MILTER_NO_EOH = 1 << 6,
    MILTER_NR_HEADER = 1 << 7,
    MILTER_NO_DATA = 1 << 9,
    MILTER_RCPT_REJ = 1 << 11, /* it wants to see recipients that were refused */
    MILTER_NR_CONNECT = 1 << 12,
    MILTER_NR_HELO = 1 << 13,
    MILTER_NR_MAIL = 1 << 14,
    MILTER_NR_RCPT = 1 << 15,
    MILTER_NR_DATA = 1 << 16,
    MILTER_NR_EOH = 1 << 18,
    MILTER_NR_BODY = 1 << 19,
    MILTER_LEADING_SPACE = 1 << 20, /* values of fields begin right after the colon */
    MILTER_ALL_STEPS = (1 << 21) - 1,
};

/* What a filter may do with a message: bits of SMFIF_. */
enum {
    MILTER_MAY_ADD_FIELDS = 1 << 0,
    MILTER_MAY_CHANGE_BODY = 1 << 1,
    MILTER_MAY_ADD_RCPT = 1 << 2,
    MILTER_MAY_DELETE_RCPT = 1 << 3,
    MILTER_MAY_CHANGE_FIELDS = 1 << 4,
    MILTER_MAY_QUARANTINE = 1 << 5,
    MILTER_MAY_CHANGE_SENDER = 1 << 6,
    MILTER_MAY_ADD_RCPT_WITH = 1 << 7, /* parameters */
    MILTER_ALL_ACTIONS = (1 << 9) - 1, /* with SMFIF_SETSYMLIST */
};

/* ---- writing --------------------------------------------------------------------------------- */

/* Packets that are being written. Each function does nothing if there is no room. */
struct milter_output {
    char *at;
    size_t len, size;
    size_t begun; /* where the last packet begins */
};

void milter_output_begin(struct milter_output *output, char letter);
void milter_output_bytes(struct milter_output *output, const void *bytes, size_t len);
void milter_output_number(struct milter_output *output, uint32_t number);
void milter_output_string(struct milter_output *output, struct slice string);

/* The packet is complete. */
void milter_output_end(struct milter_output *output);

/* ---- reading --------------------------------------------------------------------------------- */

/* Data are read in pieces. Only those of a new body may be longer than one: some filters send all
 * of it in one packet. */
enum {
    MILTER_LETTER_BODY = 'b',
    MILTER_PIECE_MAX = MILTER_CHANGE_MAX,
    MILTER_NEW_BODY_MAX = 1 << 30,
};

/* A packet that is being read. A piece of its data is at the beginning of the caller's buffer. */
struct milter_packet {
    unsigned char head[MILTER_HEAD];
    size_t head_len;
    uint32_t left; /* bytes that are still to come */
    size_t len;    /* bytes in the buffer */
};

enum milter_packet_result {
    MILTER_PACKET_PART,
    MILTER_PACKET_PIECE, /* there is one, and another is to come, in its place */
    MILTER_PACKET_WHOLE,
    MILTER_PACKET_MALFORMED, /* it has no letter, or is longer than a packet of its kind may be */
};

void milter_packet_begin(struct milter_packet *packet);

/* Its letter; 0: that has not come yet. */
char milter_packet_letter(const struct milter_packet *packet);

/* Reads until the end of the packet at most. Returns how many bytes were read. */
size_t milter_packet_feed(struct milter_packet *packet, struct slice bytes,
                          char buffer[MILTER_BUFFER_SIZE], enum milter_packet_result *result);

/* Each removes a value from the front of the data: a number; a string, which is returned without
 * its NUL. Returns false if the data are too short. */
bool milter_take_number(struct slice *data, uint32_t *number);
bool milter_take_string(struct slice *data, struct slice *string);

#endif
