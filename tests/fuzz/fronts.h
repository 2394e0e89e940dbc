/*
 * fronts: for a fuzzer of the back: what a front says that an attacker controls and that knows the
 * protocol of its wall. The input chooses the next message, after the back's last answer. Lengths
 * are near their limits, and any bytes of a message may be replaced.
 */
#ifndef MAILSLOT_FUZZ_FRONTS_H
#define MAILSLOT_FUZZ_FRONTS_H

#include "../../smtpd/base/base64.h"
#include "../../smtpd/wall/wall.h"
#include "../certificate.h"
#include "fuzz.h"

#include <gnutls/gnutls.h>
#include <stdio.h>

static struct input input;
static struct wall_message message;
static struct wall_challenge challenge; /* the back's last one */

/* A length, mostly at a limit. */
static size_t pick_len(size_t most)
{
    static const size_t lens[] = {0,   1,   2,   17,  63,  64,   254,  255,  256,  257,
                                  509, 510, 511, 512, 513, 1020, 1023, 1024, 1025, 9216};
    uint8_t how = next_byte(&input);
    size_t len = how < sizeof lens / sizeof lens[0] ? lens[how] : how;

    if (how == 0xff || len > most)
        len = most;
    return how == 0xfe && most > 0 ? most - 1 : len;
}

static size_t put(char *to, size_t at, const char *text)
{
    strcpy(to + at, text);
    return at + strlen(text);
}

static size_t fill(char *to, size_t at, size_t most)
{
    static const char fills[] = "a@\".\\=,+ \xc3\xb6\n\0";
    char with = fills[next_byte(&input) % (sizeof fills - 1)];
    size_t len = pick_len(most - at);

    memset(to + at, with, len);
    return at + len;
}

static void pick_address(struct address *address)
{
    static const char *const names[] = {"alice", "sam", "all", "out", "nobody", "a b"};
    static const char *const domains[] = {"example.org", "foreign.example", "[192.0.2.1]", ""};
    uint8_t how = next_byte(&input);

    *address = (struct address){0};
    if (how & 0x80) {
        address->local_len = (uint16_t)fill(address->local, 0, sizeof address->local);
    } else {
        const char *name = names[how % 6];
        address->local_len = (uint16_t)strlen(name);
        memcpy(address->local, name, strlen(name));
    }
    if (how & 0x40) {
        address->domain_len = (uint16_t)pick_len(sizeof address->domain);
        memset(address->domain, 'a', address->domain_len);
        for (size_t i = 3; i < address->domain_len; i += 4)
            address->domain[i] = i + 1 < address->domain_len ? '.' : 'a';
    } else {
        const char *domain = domains[(how >> 3) % 4];
        address->domain_len = (uint16_t)strlen(domain);
        memcpy(address->domain, domain, strlen(domain));
    }
}

static void make_mail(void)
{
    uint8_t how = next_byte(&input);

    message.type = WALL_MAIL;
    pick_address(&message.mail.sender);
    message.mail.helo_len = (uint16_t)pick_len(WALL_HELO_MAX);
    memset(message.mail.helo, 'h', message.mail.helo_len);
    message.mail.utf8 = how & 1;
    message.mail.prdr = how >> 1 & 1;
    message.mail.extended = how >> 2 & 1;
    message.mail.size = how & 8 ? 5000 : 0;
}

static size_t make_text(void)
{
    static const size_t lens[] = {1, 2, 70, 998, 4095, 4096, 65535, 65536};
    size_t len = lens[next_byte(&input) % 8], pattern_len;
    const char *pattern = next_bytes(&input, 1 + next_byte(&input) % 16, &pattern_len);

    message.type = WALL_TEXT;
    for (size_t i = 0; i < len; i++)
        message.text[i] = pattern_len == 0 ? 'x' : pattern[i % pattern_len];
    if (next_byte(&input) & 1)
        message.text[len - 1] = '\n';
    return len;
}

static void make_plain(void)
{
    struct wall_sasl *sasl = &message.sasl;
    size_t len = next_byte(&input) & 1 ? fill(sasl->data, 0, 600) : 0;

    message.type = WALL_AUTH;
    sasl->mechanism = WALL_PLAIN;
    sasl->has_response = 1;
    sasl->data[len++] = '\0';
    len = next_byte(&input) & 1 ? fill(sasl->data, len, WALL_SASL_MAX - 700)
                                : put(sasl->data, len, "alice@example.org");
    sasl->data[len++] = '\0';
    len = next_byte(&input) & 1 ? fill(sasl->data, len, len + 600) : put(sasl->data, len, "P-w");
    sasl->len = (uint32_t)len;
}

static void make_login(void)
{
    uint8_t how = next_byte(&input);

    message.type = WALL_AUTH;
    message.sasl.mechanism = how & 2 ? WALL_EXTERNAL : WALL_LOGIN;
    message.sasl.has_response = how & 1;
    message.sasl.len = (uint32_t)fill(message.sasl.data, 0, WALL_SASL_MAX);
}

/* gs2-header, name, nonce: each of the longest allowed length, or longer. */
static void make_scram_first(void)
{
    struct wall_sasl *sasl = &message.sasl;
    uint8_t how = next_byte(&input);
    size_t len = put(sasl->data, 0, how & 1 ? "p=tls-exporter," : how & 2 ? "y," : "n,");

    message.type = WALL_AUTH;
    sasl->mechanism = how & 1 ? WALL_SCRAM_PLUS : WALL_SCRAM;
    sasl->has_response = 1;
    if (how & 4)
        len = fill(sasl->data, put(sasl->data, len, "a="), 1500);
    len = put(sasl->data, len, ",n=");
    len = how & 8 ? fill(sasl->data, len, 2500) : put(sasl->data, len, "alice@example.org");
    len = put(sasl->data, len, ",r=");
    len = how & 16 ? fill(sasl->data, len, 3500) : put(sasl->data, len, "nonce");
    sasl->len = (uint32_t)len;
}

/* The nonce of the challenge, and a proof. */
static void make_scram_final(void)
{
    struct wall_sasl *sasl = &message.sasl;
    const char *comma = memchr(challenge.data, ',', challenge.len);
    size_t nonce_len = comma == NULL ? 0 : (size_t)(comma - challenge.data);
    char proof[64], header[2048];
    size_t header_len = fill(header, put(header, 0, "n,,"), 1400), len;

    message.type = WALL_RESPONSE;
    len = put(sasl->data, 0, "c=");
    len += base64_encode(header, next_byte(&input) & 1 ? header_len : 3, sasl->data + len);
    sasl->data[len++] = ',';
    memcpy(sasl->data + len, challenge.data, nonce_len);
    len += nonce_len;
    if (next_byte(&input) & 1)
        len = fill(sasl->data, put(sasl->data, len, ",x="), 4000);
    memset(proof, next_byte(&input), sizeof proof);
    len = put(sasl->data, len, ",p=");
    len += base64_encode(proof, next_byte(&input) & 1 ? 32 : 48, sasl->data + len);
    sasl->len = (uint32_t)len;
}

static void make_response(void)
{
    size_t len;
    const char *bytes = next_bytes(&input, next_byte(&input), &len);

    message.type = WALL_RESPONSE;
    memcpy(message.sasl.data, bytes, len);
    message.sasl.len = (uint32_t)len;
}

static void make_refused(uint32_t type)
{
    message.type = type;
    message.refused.reply = next_byte(&input) & 1 ? REPLY_UNKNOWN_COMMAND : next_byte(&input);
    message.refused.len = (uint32_t)fill(message.refused.command, 0, WALL_COMMAND_MAX);
}

static void make_sign(void)
{
    static const uint32_t algorithms[] = {GNUTLS_SIGN_ECDSA_SECP256R1_SHA256,
                                          GNUTLS_SIGN_ECDSA_SHA256, GNUTLS_SIGN_RSA_SHA256,
                                          GNUTLS_SIGN_RSA_RAW, UINT32_MAX};

    message.type = WALL_SIGN;
    message.sign.certificate = next_byte(&input) % 4 == 1 ? next_byte(&input) : 0;
    message.sign.algorithm = algorithms[next_byte(&input) % 5];
    message.sign.len = next_byte(&input) & 1 ? (uint32_t)pick_len(WALL_HASH_MAX) : 32;
}

static void make_secured(void)
{
    struct wall_secured *facts = &message.secured;
    static char der[2048];
    static ptrdiff_t der_len;
    uint8_t how = next_byte(&input);

    if (der_len == 0) {
        char lines[sizeof test_certificate], *to = lines;
        for (const char *c = strchr(test_certificate, '\n'); strncmp(c, "\n-", 2) != 0; c++)
            if (*c != '\n')
                *to++ = *c;
        der_len = base64_decode((struct slice){lines, (size_t)(to - lines)}, der, sizeof der);
        MUST(der_len > 0);
    }
    message.type = WALL_SECURED;
    strcpy(facts->protocol, "TLS1.3");
    strcpy(facts->cipher, "TLS_AES_256_GCM_SHA384");
    facts->exporter.len = (uint32_t)pick_len(WALL_BINDING_MAX);
    facts->unique.len = (uint32_t)pick_len(WALL_BINDING_MAX);
    if (how & 1)
        memset(facts->protocol, 'T', WALL_PROTOCOL_MAX - (how >> 1 & 1));
    if (how & 4)
        memset(facts->cipher, 'C', WALL_CIPHER_MAX - (how >> 3 & 1));
    for (int i = 0; i < (how >> 4 & 3); i++) {
        uint32_t len = (uint32_t)(der_len + (how >> 6 & 1));
        memcpy(facts->chain + facts->chain_len, &len, sizeof len);
        memcpy(facts->chain + facts->chain_len + sizeof len, der, (size_t)der_len);
        facts->chain_len += (uint32_t)(sizeof len + (size_t)der_len);
    }
    if (how & 0x80)
        facts->chain_len = (uint32_t)pick_len(WALL_CLIENT_CHAIN_MAX);
}

static void make_address(uint32_t type)
{
    message.type = type;
    pick_address(&message.address);
}

/* The next message; returns the length of its body. */
static size_t make(void)
{
    uint8_t how = next_byte(&input);

    memset(&message, 0,
           sizeof message.type + sizeof(struct wall_secured) + sizeof(struct wall_sasl));
    switch (how % 21) {
    case 0:
    case 1:
        make_mail();
        break;
    case 2:
    case 3:
        make_address(WALL_RECIPIENT);
        break;
    case 4:
        make_address(WALL_VERIFY);
        break;
    case 5:
        return make_text();
    case 6:
        message.type = WALL_COMMIT;
        break;
    case 7:
        message.type = WALL_ABANDON;
        break;
    case 8:
        message.type = WALL_END;
        message.end.end = next_byte(&input);
        break;
    case 9:
        make_refused(WALL_REFUSED);
        break;
    case 10:
        make_plain();
        break;
    case 11:
        make_login();
        break;
    case 12:
        make_scram_first();
        break;
    case 13:
        make_scram_final();
        break;
    case 14:
        make_response();
        break;
    case 15:
        make_refused(WALL_CANCEL);
        break;
    case 16:
        message.type = WALL_STARTTLS;
        message.errors = next_byte(&input) & 1 ? next_byte(&input) : 0;
        break;
    case 17:
        make_sign();
        break;
    case 18:
        make_secured();
        break;
    case 19:
        message.type = WALL_REFUSED_TEXT;
        message.fault = next_byte(&input);
        break;
    default:
        message.type = WALL_END;
        message.end.end = END_HANDED_OVER;
    }
    return wall_body_size(message.type);
}

#endif
