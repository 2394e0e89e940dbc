/*
 * An SMTP client with mbed TLS: PORT CA-FILE NAME 1.2|1.3 [CIPHER SUITE]. Without a suite, the
 * library chooses. After STARTTLS the client sends its standard input and prints what the server
 * sends, until the server closes. For mbed TLS 2.28 (Debian 12) and 3 (Debian 13). Exit code: 0; 1
 * with the error; 77 if this build of the library lacks the version or the suite.
 */
#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/error.h>
#include <mbedtls/net_sockets.h>
#include <mbedtls/ssl.h>
#include <mbedtls/version.h>
#include <mbedtls/x509_crt.h>
#if MBEDTLS_VERSION_MAJOR >= 3
#include <psa/crypto.h>
#endif

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static mbedtls_net_context line;
static mbedtls_entropy_context entropy;
static mbedtls_ctr_drbg_context random_bytes;
static mbedtls_x509_crt authority;
static mbedtls_ssl_config config;
static mbedtls_ssl_context tls;

static void must(int result, const char *what)
{
    char text[128];

    if (result >= 0)
        return;
    mbedtls_strerror(result, text, sizeof text);
    fprintf(stderr, "%s: %s (-0x%04x)\n", what, text, (unsigned)-result);
    exit(1);
}

/* Reads a plaintext reply. */
static void await(const char *beginning)
{
    char reply[4096];
    size_t len = 0, start = 0;

    for (;;) {
        int got = mbedtls_net_recv(&line, (unsigned char *)reply + len, 1);
        must(got == 0 || len == sizeof reply - 2 ? MBEDTLS_ERR_NET_RECV_FAILED : got, "read");
        if (reply[len++] != '\n')
            continue;
        if (len - start > 4 && reply[start + 3] == ' ')
            break;
        start = len;
    }
    reply[len] = '\0';
    if (strncmp(reply, beginning, strlen(beginning)) != 0) {
        fprintf(stderr, "unexpected: %s", reply);
        exit(1);
    }
}

static void say(const char *text)
{
    must(mbedtls_net_send(&line, (const unsigned char *)text, strlen(text)), "write");
}

static void choose_version(const char *version)
{
    if (strcmp(version, "1.2") == 0) {
        mbedtls_ssl_conf_min_version(&config, MBEDTLS_SSL_MAJOR_VERSION_3, 3);
        mbedtls_ssl_conf_max_version(&config, MBEDTLS_SSL_MAJOR_VERSION_3, 3);
        return;
    }
#if MBEDTLS_VERSION_MAJOR >= 3 && defined(MBEDTLS_SSL_PROTO_TLS1_3)
    must(psa_crypto_init() == PSA_SUCCESS ? 0 : -1, "psa_crypto_init");
    mbedtls_ssl_conf_min_version(&config, MBEDTLS_SSL_MAJOR_VERSION_3, 4);
    mbedtls_ssl_conf_max_version(&config, MBEDTLS_SSL_MAJOR_VERSION_3, 4);
#else
    exit(77);
#endif
}

static void set_up(char **argv, int argc)
{
    static int suites[2];

    mbedtls_ctr_drbg_init(&random_bytes);
    mbedtls_entropy_init(&entropy);
    mbedtls_x509_crt_init(&authority);
    mbedtls_ssl_config_init(&config);
    mbedtls_ssl_init(&tls);
    must(mbedtls_ctr_drbg_seed(&random_bytes, mbedtls_entropy_func, &entropy, NULL, 0), "random");
    must(mbedtls_x509_crt_parse_file(&authority, argv[2]), argv[2]);
    must(mbedtls_ssl_config_defaults(&config, MBEDTLS_SSL_IS_CLIENT, MBEDTLS_SSL_TRANSPORT_STREAM,
                                     MBEDTLS_SSL_PRESET_DEFAULT),
         "defaults");
    mbedtls_ssl_conf_rng(&config, mbedtls_ctr_drbg_random, &random_bytes);
    mbedtls_ssl_conf_ca_chain(&config, &authority, NULL);
    mbedtls_ssl_conf_authmode(&config, MBEDTLS_SSL_VERIFY_REQUIRED);
    choose_version(argv[4]);
    if (argc > 5) {
        suites[0] = mbedtls_ssl_get_ciphersuite_id(argv[5]);
        if (suites[0] == 0)
            exit(77);
        mbedtls_ssl_conf_ciphersuites(&config, suites);
    }
    must(mbedtls_ssl_setup(&tls, &config), "setup");
    must(mbedtls_ssl_set_hostname(&tls, argv[3]), argv[3]);
    mbedtls_ssl_set_bio(&tls, &line, mbedtls_net_send, mbedtls_net_recv, NULL);
}

int main(int argc, char **argv)
{
    char bytes[65536];

    if (argc < 5)
        return 100;
    set_up(argv, argc);
    mbedtls_net_init(&line);
    must(mbedtls_net_connect(&line, "127.0.0.1", argv[1], MBEDTLS_NET_PROTO_TCP), "connect");
    await("220 ");
    say("EHLO client.example\r\n");
    await("250");
    say("STARTTLS\r\n");
    await("220 ");
    must(mbedtls_ssl_handshake(&tls), "handshake");
    printf("%s %s\n", mbedtls_ssl_get_version(&tls), mbedtls_ssl_get_ciphersuite(&tls));
    size_t len = fread(bytes, 1, sizeof bytes, stdin);
    for (size_t sent = 0; sent < len;) {
        int made = mbedtls_ssl_write(&tls, (unsigned char *)bytes + sent, len - sent);
        must(made, "write");
        sent += (size_t)made;
    }
    for (;;) {
        int got = mbedtls_ssl_read(&tls, (unsigned char *)bytes, sizeof bytes);
        if (got == 0 || got == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY)
            return 0;
#ifdef MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET
        if (got == MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET)
            continue;
#endif
        must(got, "read");
        fwrite(bytes, 1, (size_t)got, stdout);
    }
}
