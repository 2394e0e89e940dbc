/*
 * keyring: what is signed and what is not, and problems with certificates, which certtool makes.
 */
#include "../../smtpd/back/keyring.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[32];
static struct settings settings;
static struct keyring keyring;
static struct wall_signature made;

static void run(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void run(const char *format, ...)
{
    char command[512], text[600];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(command, sizeof command, format, arguments);
    va_end(arguments);
    snprintf(text, sizeof text, "cd %s && ( %s ) >/dev/null 2>&1", folder, command);
    assert_int_equal(system(text), 0);
}

static int make_certificates(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/mailslot-test-XXXXXX");
    if (mkdtemp(folder) == NULL || gnutls_load() != 0)
        return -1;
    run("printf 'cn = %s\\nexpiration_days = 9\\ntls_www_server\\n' >good.cfg", "mx");
    run("printf 'cn = %s\\nactivation_date = \"2020-01-01 00:00:00\"\\n"
        "expiration_date = \"2020-02-01 00:00:00\"\\n' >old.cfg",
        "mx");
    run("certtool --generate-privkey --key-type ecdsa --outfile %s.key", "ec");
    run("certtool --generate-privkey --key-type rsa --bits 2048 --outfile %s.key", "rsa");
    run("certtool --generate-privkey --key-type ed25519 --outfile %s.key", "ed");
    for (const char *const *name = (const char *const[]){"ec", "rsa", "ed", NULL}; *name; name++)
        run("certtool -s --load-privkey %s.key --template good.cfg --outfile %s.pem", *name, *name);
    run("certtool -s --load-privkey ec.key --template old.cfg --outfile %s.pem", "old");
    run("cat ec.pem ec.key >%s.pem; echo nonsense >text.pem; mkdir dir.pem", "both");
    return 0;
}

static int remove_certificates(void **state)
{
    char command[64];

    (void)state;
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

static struct slice path(const char *text)
{
    return slice_of(text);
}

static void open_keys(const char *priority)
{
    settings_default(&settings);
    strcpy(settings.tls_priority, priority);
    settings.certificates[0] = path("ec.pem");
    settings.keys[0] = path("ec.key");
    settings.certificates[1] = path("rsa.pem");
    settings.keys[1] = path("rsa.key");
    settings.certificates_len = settings.keys_len = 2;
    assert_int_equal(keyring_prepare(&keyring, &settings, folder), 0);
    assert_int_equal(keyring_load(&keyring), 0);
    assert_int_equal(keyring.count, 2);
}

static bool sign(uint32_t index, uint32_t algorithm, uint32_t len)
{
    struct wall_sign asked = {.certificate = index, .algorithm = algorithm, .len = len};

    memset(asked.hash, 1, sizeof asked.hash);
    return keyring_sign(&keyring, &asked, &made);
}

static void one_signature_per_handshake(void **state)
{
    static const struct {
        uint32_t index, algorithm, len;
    } good[] = {
        {0, GNUTLS_SIGN_ECDSA_SHA256, 32}, {0, GNUTLS_SIGN_ECDSA_SECP256R1_SHA256, 32},
        {0, GNUTLS_SIGN_ECDSA_SHA384, 48}, {1, GNUTLS_SIGN_RSA_PSS_RSAE_SHA256, 32},
        {1, GNUTLS_SIGN_RSA_SHA256, 32},   {1, GNUTLS_SIGN_RSA_PSS_RSAE_SHA512, 64},
    };

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        open_keys("");
        if (!sign(good[i].index, good[i].algorithm, good[i].len) || made.len == 0)
            fail_msg("not signed: %zu", i);
        assert_false(sign(good[i].index, good[i].algorithm, good[i].len));
        assert_int_equal(made.len, 0);
        keyring_forget(&keyring);
        assert_false(sign(good[i].index, good[i].algorithm, good[i].len));
    }
}

static void nothing_else_is_signed(void **state)
{
    static const struct {
        uint32_t index, algorithm, len;
    } bad[] = {
        {2, GNUTLS_SIGN_ECDSA_SHA256, 32},
        {UINT32_MAX, GNUTLS_SIGN_ECDSA_SHA256, 32},
        {0, GNUTLS_SIGN_ECDSA_SHA256, 31},
        {0, GNUTLS_SIGN_ECDSA_SHA256, 33},
        {0, GNUTLS_SIGN_ECDSA_SHA256, 0},
        {0, GNUTLS_SIGN_RSA_SHA256, 32},
        {1, GNUTLS_SIGN_ECDSA_SHA256, 32},
        {1, GNUTLS_SIGN_RSA_SHA1, 20},
        {1, GNUTLS_SIGN_RSA_RAW, 32}, /* a bare hash or a DigestInfo */
        {1, GNUTLS_SIGN_RSA_RAW, 51},
        {1, GNUTLS_SIGN_RSA_MD5, 16},
        {0, GNUTLS_SIGN_ECDSA_SHA1, 20},
        {0, GNUTLS_SIGN_DSA_SHA256, 32},
        {0, GNUTLS_SIGN_EDDSA_ED25519, 32},
        {0, 0, 32},
        {0, UINT32_MAX, 32},
        {0, 12345, 32},
    };

    (void)state;
    open_keys("");
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (sign(bad[i].index, bad[i].algorithm, bad[i].len))
            fail_msg("signed: %zu", i);
    assert_true(sign(0, GNUTLS_SIGN_ECDSA_SHA256, 32));
    keyring_forget(&keyring);
    /* TLS 1.3 has no PKCS #1 signatures */
    open_keys("NORMAL:-VERS-ALL:+VERS-TLS1.3");
    assert_false(sign(1, GNUTLS_SIGN_RSA_SHA256, 32));
    assert_true(sign(1, GNUTLS_SIGN_RSA_PSS_RSAE_SHA256, 32));
    keyring_forget(&keyring);
}

static void problems_are_reported(void **state)
{
    static const struct {
        const char *chain, *key, *problem; /* NULL: good */
    } table[] = {
        {"ec.pem", "ec.key", NULL},
        {"both.pem", "both.pem", NULL},
        {"none.pem", "ec.key", "cannot read"},
        {"ec.pem", "none.key", "cannot read"},
        {"dir.pem", "ec.key", "not a regular file"},
        {"text.pem", "ec.key", "not a certificate"},
        {"ec.key", "ec.key", "not a certificate"},
        {"ec.pem", "ec.pem", "not a private key"},
        {"ec.pem", "rsa.key", "is not the key of"},
        {"old.pem", "ec.key", "expired on 2020-02-01"},
        {"ed.pem", "ed.key", "make one for RSA or ECDSA"},
    };
    char problem[CERTIFICATE_PROBLEM_MAX];

    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct certificate certificate;
        const struct slice chain = path(table[i].chain), key = path(table[i].key);
        int result = certificate_load(&certificate, folder, chain, key, problem);
        if ((result == 0) != (table[i].problem == NULL) ||
            (result != 0 && strstr(problem, table[i].problem) == NULL))
            fail_msg("%s %s: %s", table[i].chain, table[i].key, result == 0 ? "good" : problem);
        certificate_release(&certificate);
    }
}

/* systemd's credentials are used first; they are found by the last component of the path. */
static void credentials_come_first(void **state)
{
    const struct slice names[] = {path("mx.pem"), path("/etc/ssl/mx.pem"), path("a/b.pem")};
    char found[SETTINGS_PATH_MAX], wanted[SETTINGS_PATH_MAX];

    (void)state;
    unsetenv("CREDENTIALS_DIRECTORY");
    assert_int_equal(certificate_path("/x", names[0], found), 0);
    assert_string_equal(found, "/x/mx.pem");
    assert_int_equal(certificate_path("/x", names[1], found), 0);
    assert_string_equal(found, "/etc/ssl/mx.pem");
    setenv("CREDENTIALS_DIRECTORY", folder, 1);
    run("touch %s", "mx.pem");
    snprintf(wanted, sizeof wanted, "%s/mx.pem", folder);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(certificate_path("/x", names[i], found), 0);
        assert_string_equal(found, wanted);
    }
    assert_int_equal(certificate_path("/x", names[2], found), 0);
    assert_string_equal(found, "/x/a/b.pem");
    unsetenv("CREDENTIALS_DIRECTORY");
}

/* Each role has its own secret, derived from one file. */
static void ticket_keys_are_bound_to_the_role(void **state)
{
    unsigned char keys[3][WALL_TICKET_KEY];

    (void)state;
    open_keys("");
    assert_int_equal(keyring_ticket_key(&keyring, ROLE_SMTP, keys[0]), -1);
    run("head -c 63 /dev/urandom >%s", "ticket-secret");
    assert_int_equal(keyring_ticket_key(&keyring, ROLE_SMTP, keys[0]), -1);
    run("head -c 64 /dev/urandom >%s", "ticket-secret");
    assert_int_equal(keyring_ticket_key(&keyring, ROLE_SMTP, keys[0]), 0);
    assert_int_equal(keyring_ticket_key(&keyring, ROLE_SMTP, keys[1]), 0);
    assert_int_equal(keyring_ticket_key(&keyring, ROLE_SUBMISSION, keys[2]), 0);
    assert_memory_equal(keys[0], keys[1], WALL_TICKET_KEY);
    assert_memory_not_equal(keys[0], keys[2], WALL_TICKET_KEY);
    keyring_forget(&keyring);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_signature_per_handshake),
        cmocka_unit_test(nothing_else_is_signed),
        cmocka_unit_test(problems_are_reported),
        cmocka_unit_test(credentials_come_first),
        cmocka_unit_test(ticket_keys_are_bound_to_the_role),
    };

    return cmocka_run_group_tests_name("keyring", tests, make_certificates, remove_certificates);
}
