/*
 * scram: the example of RFC 7677, and every deviation from it.
 */
#include "../../smtpd/back/scram.h"

#include "../../smtpd/base/base64.h"
#include "../../smtpd/base/gnutls.h"
#include "../../smtpd/database/scram_verifier.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define NONCE "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
#define SERVER_NONCE "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
#define FIRST "n,,n=user,r=rOprNGfwEbeRWgbNEkqO"
#define FINAL "c=biws,r=" NONCE ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="

static struct scram scram;
static struct credential credential;
static char answer[WALL_CHALLENGE_MAX];

static int set_up(void **state)
{
    (void)state;
    if (gnutls_load() != 0)
        return -1;
    memset(&scram, 0, sizeof scram);
    credential = (struct credential){.real = true, .verifiers_len = 1};
    struct scram_verifier *verifier = &credential.verifiers[0];
    verifier->iterations = 4096;
    verifier->salt_len = (size_t)base64_decode((struct slice){"W22ZaJ0SNY7soEsUEjb6gQ==", 24},
                                               (char *)verifier->salt, sizeof verifier->salt);
    return scram_verifier_make(verifier, slice_of("pencil"));
}

static enum scram_result first(const char *message)
{
    return scram_first(&scram, slice_of(message), SERVER_NONCE);
}

static enum scram_result final(const char *message, const struct wall_binding *binding)
{
    return scram_final(&scram, slice_of(message), &credential, binding, binding != NULL, answer);
}

/* RFC 7677 section 3. */
static void the_example_of_rfc_7677(void **state)
{
    (void)state;
    assert_int_equal(first(FIRST), SCRAM_GOOD);
    assert_string_equal(scram.name, "user");
    assert_int_equal(scram.identity_len, 0);
    scram_challenge(&scram, &credential, answer);
    assert_string_equal(answer, "r=" NONCE ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096");
    assert_int_equal(final(FINAL, NULL), SCRAM_GOOD);
    assert_string_equal(answer, "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
}

/* A user may have a verifier for each of two forms of a password. */
static void any_verifier_is_accepted(void **state)
{
    (void)state;
    credential.verifiers[1] = credential.verifiers[0];
    memset(credential.verifiers[0].stored_key, 7, SCRAM_KEY_LEN);
    credential.verifiers_len = 2;
    first(FIRST);
    scram_challenge(&scram, &credential, answer);
    assert_int_equal(final(FINAL, NULL), SCRAM_GOOD);
    assert_string_equal(answer, "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
}

static void decoys_are_refused(void **state)
{
    (void)state;
    first(FIRST);
    scram_challenge(&scram, &credential, answer);
    credential.real = false;
    assert_int_equal(final(FINAL, NULL), SCRAM_REFUSED);

    set_up(state);
    first(FIRST);
    scram_challenge(&scram, &credential, answer);
    credential.verifiers_len = 0;
    assert_int_equal(final(FINAL, NULL), SCRAM_REFUSED);
}

static void wrong_final_messages(void **state)
{
    static const struct {
        const char *message;
        enum scram_result result;
    } table[] = {
        {"c=biws,r=" NONCE ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVR=", SCRAM_MALFORMED},
        {"c=biws,r=" NONCE ",p=eHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=", SCRAM_REFUSED},
        {"c=eSws,r=" NONCE ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=", SCRAM_REFUSED},
        {"c=biws,r=" NONCE "x,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=", SCRAM_REFUSED},
        {"c=biws,r=rOprNGfwEbeRWgbNEkqO,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
         SCRAM_REFUSED},
        {"c=biws,r=" NONCE ",x=y,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=", SCRAM_REFUSED},
        {FINAL ",x=y", SCRAM_MALFORMED},
        {"c=biws,r=" NONCE ",p=dHzb", SCRAM_MALFORMED},
        {"c=biws,r=" NONCE ",p=", SCRAM_MALFORMED},
        {"c=biws,r=" NONCE, SCRAM_MALFORMED},
        {"c=biws,r=" NONCE ",", SCRAM_MALFORMED},
        {"r=" NONCE ",c=biws,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=", SCRAM_MALFORMED},
        {"c=", SCRAM_MALFORMED},
        {"", SCRAM_MALFORMED},
    };

    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        set_up(state);
        assert_int_equal(first(FIRST), SCRAM_GOOD);
        scram_challenge(&scram, &credential, answer);
        if (final(table[i].message, NULL) != table[i].result)
            fail_msg("%s", table[i].message);
    }
}

static void wrong_first_messages(void **state)
{
    static const struct {
        const char *message;
        bool plus, offered;
        enum scram_result result;
    } table[] = {
        {"n,,n=a,r=b", false, false, SCRAM_GOOD},
        {"n,,n=a,r=b,x=y", false, false, SCRAM_GOOD},
        {"n,a=c,n=a,r=b", false, true, SCRAM_GOOD},
        {"y,,n=a,r=b", false, false, SCRAM_GOOD},
        {"y,,n=a,r=b", false, true, SCRAM_REFUSED}, /* an attacker has removed our offer */
        {"p=tls-exporter,,n=a,r=b", true, true, SCRAM_GOOD},
        {"p=tls-exporter,,n=a,r=b", false, true, SCRAM_MALFORMED},
        {"n,,n=a,r=b", true, true, SCRAM_MALFORMED},
        {"y,,n=a,r=b", true, true, SCRAM_MALFORMED},
        {"p=,,n=a,r=b", true, true, SCRAM_MALFORMED},
        {"p=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx,,n=a,r=b", true, true, SCRAM_MALFORMED},
        {"n,,m=x,n=a,r=b", false, false, SCRAM_MALFORMED}, /* a mandatory extension */
        {"n,,n=,r=b", false, false, SCRAM_MALFORMED},
        {"n,,n=a,r=", false, false, SCRAM_MALFORMED},
        {"n,,n=a", false, false, SCRAM_MALFORMED},
        {"n,,r=b,n=a", false, false, SCRAM_MALFORMED},
        {"n,n=a,r=b", false, false, SCRAM_MALFORMED},
        {"n,,n=a=2Xb,r=b", false, false, SCRAM_MALFORMED},
        {"n,,n=a=,r=b", false, false, SCRAM_MALFORMED},
        {"n,,n=a,r=b\x01", false, false, SCRAM_MALFORMED},
        {"n", false, false, SCRAM_MALFORMED},
        {"", false, false, SCRAM_MALFORMED},
    };

    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        set_up(state);
        scram.plus = table[i].plus;
        scram.offered_plus = table[i].offered;
        if (first(table[i].message) != table[i].result)
            fail_msg("%s", table[i].message);
    }
}

static void names_are_decoded(void **state)
{
    char message[SCRAM_MESSAGE_MAX + 64];

    (void)state;
    assert_int_equal(first("n,a=x=2Cy,n=a=3Db=2Cc,r=b"), SCRAM_GOOD);
    assert_string_equal(scram.name, "a=b,c");
    assert_string_equal(scram.identity, "x,y");
    memset(message, 'a', sizeof message);
    memcpy(message, "n,,n=", 5);
    assert_int_equal(scram_first(&scram, (struct slice){message, sizeof message}, "x"),
                     SCRAM_MALFORMED);
    memcpy(message + 5 + SCRAM_NAME_MAX, ",r=b", 5);
    assert_int_equal(first(message), SCRAM_MALFORMED);
    memcpy(message + 5 + SCRAM_NAME_MAX - 1, ",r=b", 5);
    assert_int_equal(first(message), SCRAM_GOOD);
    assert_int_equal(scram_first(&scram, (struct slice){"n,,n=a\0,r=b", 11}, "x"), SCRAM_MALFORMED);
}

/* Makes the client's message, with the keys of the example. */
static void prove(const char *without_proof, char *message, size_t size)
{
    const struct scram_verifier *verifier = &credential.verifiers[0];
    static const char client[] = "Client Key";
    const gnutls_datum_t password = {(unsigned char *)(uintptr_t) "pencil", 6};
    const gnutls_datum_t salt = {(unsigned char *)(uintptr_t)verifier->salt,
                                 (unsigned)verifier->salt_len};
    unsigned char salted[32], key[32], signature[32];
    char text[sizeof scram.messages + 512], proof[BASE64_SIZE(32)];

    snprintf(text, sizeof text, "%s%s", scram.messages, without_proof);
    gnutls.pbkdf2(GNUTLS_MAC_SHA256, &password, &salt, 4096, salted, sizeof salted);
    gnutls.hmac_fast(GNUTLS_MAC_SHA256, salted, 32, client, sizeof client - 1, key);
    gnutls.hmac_fast(GNUTLS_MAC_SHA256, verifier->stored_key, 32, text, strlen(text), signature);
    for (size_t i = 0; i < 32; i++)
        key[i] ^= signature[i];
    base64_encode((const char *)key, 32, proof);
    snprintf(message, size, "%s,p=%s", without_proof, proof);
}

static void only_the_right_channel_binding_is_accepted(void **state)
{
    const struct wall_binding ours = {5, "bound"}, others = {5, "bounc"};
    char header[BASE64_SIZE(64)], without[512], message[1024];

    for (int i = 0; i < 3; i++) {
        set_up(state);
        scram.plus = true;
        assert_int_equal(first("p=tls-exporter,,n=user,r=abc"), SCRAM_GOOD);
        assert_string_equal(scram.binding, "tls-exporter");
        scram_challenge(&scram, &credential, answer);
        base64_encode("p=tls-exporter,,bound", 21, header);
        snprintf(without, sizeof without, "c=%s,r=abc%s", header, SERVER_NONCE);
        prove(without, message, sizeof message);
        assert_int_equal(final(message, i == 0   ? &ours
                                        : i == 1 ? &others
                                                 : NULL),
                         i == 0 ? SCRAM_GOOD : SCRAM_REFUSED);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_example_of_rfc_7677, set_up),
        cmocka_unit_test_setup(any_verifier_is_accepted, set_up),
        cmocka_unit_test_setup(decoys_are_refused, set_up),
        cmocka_unit_test_setup(wrong_final_messages, set_up),
        cmocka_unit_test_setup(wrong_first_messages, set_up),
        cmocka_unit_test_setup(names_are_decoded, set_up),
        cmocka_unit_test_setup(only_the_right_channel_binding_is_accepted, set_up),
    };

    return cmocka_run_group_tests_name("scram", tests, NULL, NULL);
}
