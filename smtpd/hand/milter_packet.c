#include "milter_packet.h"

#include <string.h>

static void write_number(char *to, uint32_t number)
{
    for (int i = 3; i >= 0; i--) {
        to[i] = (char)number;
        number >>= 8;
    }
}

static uint32_t read_number(const void *from)
{
    const unsigned char *at = from;

    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

void milter_output_bytes(struct milter_output *output, const void *bytes, size_t len)
{
    if (len == 0 || len > output->size - output->len)
        return;
    memcpy(output->at + output->len, bytes, len);
    output->len += len;
}

void milter_output_number(struct milter_output *output, uint32_t number)
{
    char bytes[4];

    write_number(bytes, number);
    milter_output_bytes(output, bytes, sizeof bytes);
}

void milter_output_string(struct milter_output *output, struct slice string)
{
    if (string.len + 1 > output->size - output->len)
        return;
    milter_output_bytes(output, string.at, string.len);
    output->at[output->len++] = '\0';
}

void milter_output_begin(struct milter_output *output, char letter)
{
    output->begun = output->len;
    milter_output_number(output, 0);
    milter_output_bytes(output, &letter, 1);
}

void milter_output_end(struct milter_output *output)
{
    write_number(output->at + output->begun, (uint32_t)(output->len - output->begun - 4));
}

void milter_packet_begin(struct milter_packet *packet)
{
    *packet = (struct milter_packet){.left = 0};
}

char milter_packet_letter(const struct milter_packet *packet)
{
    return packet->head_len == MILTER_HEAD ? (char)packet->head[4] : '\0';
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static bool is_malformed(const struct milter_packet *packet)
{
    if (packet->head_len < MILTER_HEAD)
        return packet->head_len == 4 && read_number(packet->head) == 0;
    return packet->left >
           (packet->head[4] == MILTER_LETTER_BODY ? MILTER_NEW_BODY_MAX : MILTER_PIECE_MAX);
}

/* Returns how many bytes were read. */
static size_t feed_head(struct milter_packet *packet, struct slice bytes)
{
    size_t len = least(bytes.len, MILTER_HEAD - packet->head_len);

    memcpy(packet->head + packet->head_len, bytes.at, len);
    packet->head_len += len;
    if (len > 0 && packet->head_len == MILTER_HEAD)
        packet->left = read_number(packet->head) - 1;
    return len;
}

size_t milter_packet_feed(struct milter_packet *packet, struct slice bytes,
                          char buffer[MILTER_BUFFER_SIZE], enum milter_packet_result *result)
{
    size_t read = feed_head(packet, bytes);

    *result = is_malformed(packet) ? MILTER_PACKET_MALFORMED : MILTER_PACKET_PART;
    if (packet->head_len < MILTER_HEAD || *result == MILTER_PACKET_MALFORMED)
        return read;
    packet->len = packet->len < MILTER_PIECE_MAX ? packet->len : 0;
    size_t len = least(least(bytes.len - read, packet->left), MILTER_PIECE_MAX - packet->len);
    memcpy(buffer + packet->len, bytes.at + read, len);
    packet->len += len;
    packet->left -= (uint32_t)len;
    if (packet->left == 0)
        *result = MILTER_PACKET_WHOLE;
    else if (packet->len == MILTER_PIECE_MAX)
        *result = MILTER_PACKET_PIECE;
    return read + len;
}

bool milter_take_number(struct slice *data, uint32_t *number)
{
    if (data->len < 4)
        return false;
    *number = read_number(data->at);
    *data = slice_from(*data, 4);
    return true;
}

bool milter_take_string(struct slice *data, struct slice *string)
{
    *string = slice_until(*data, '\0');
    if (string->len == data->len)
        return false;
    *data = slice_from(*data, string->len + 1);
    return true;
}
