/* credentials: what is allowed in the field, what is made for it, and scram_keys, which they use.
 */
#include "../../tools/source/credentials.h"
#include "../../tools/source/hash.h"

#include "../../smtpd/base/base64.h"
#include "../../smtpd/base/gnutls.h"
#include "../../smtpd/base/saslprep.h"
#include "../../smtpd/database/scram_verifier.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define L22 "aaaaaaaaaabbbbbbbbbbcc"
#define L28 L22 "dddddd"
#define L42 "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddee"
#define L43 L42 "e"
#define L53 L43 "ffffffffff"
#define L86 L43 L43
#define YES "$y$j9T$abcdefgh$" L43

#define SALT_8 "AAAAAAAAAAA="
#define SALT_64 L43 L42 "A=="
#define KEY "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY="
#define SCRAM "{SCRAM-SHA-256}4096," SALT_8 "," KEY "," KEY
#define OTHER "{scram-sha-256}4096," SALT_8 "," KEY "," L42 "A="

/* Each kind, with its setting for crypt(3) and its decoy in the record `auth`. */
static void all_kinds_are_known(void **state)
{
    static const struct {
        const char *field, *text, *kind, *setting;
    } rows[] = {
        {YES, YES, "yescrypt", "$y$j9T$"},
        {"$gy$j9T$abcdefgh$" L43, NULL, "gost-yescrypt", "$gy$j9T$"},
        {"$7$CU..../....abcdefgh$" L43, NULL, "scrypt", "$7$CU..../...."},
        {"$2a$05$" L53, NULL, "bcrypt", "$2a$05$"},
        {"$2b$12$" L53, NULL, "bcrypt", "$2b$12$"},
        {"$2x$05$" L53, NULL, "bcrypt", "$2x$05$"},
        {"$2y$10$" L53, NULL, "bcrypt", "$2y$10$"},
        {"$6$abcdefgh$" L86, NULL, "sha512crypt", "$6$"},
        {"$6$rounds=9000$abcdefgh$" L86, NULL, "sha512crypt", "$6$rounds=9000$"},
        {"$5$abcdefgh$" L43, NULL, "sha256crypt", "$5$"},
        {"$5$rounds=9000$abcdefgh$" L43, NULL, "sha256crypt", "$5$rounds=9000$"},
        {"$sha1$40000$abcdefgh$" L28, NULL, "sha1crypt", "$sha1$40000$"},
        {"$md5$abcdefgh$$" L22, NULL, "SunMD5", "$md5$"},
        {"$md5,rounds=5000$abcdefgh$$" L22, NULL, "SunMD5", "$md5,rounds=5000$"},
        {"$1$abcdefgh$" L22, NULL, "md5crypt", "$1$"},
        {"{CRYPT}_J9..Y2xuzjMCOm4ZV0o", "_J9..Y2xuzjMCOm4ZV0o", "bsdicrypt", "_J9.."},
        {"{des-crypt}itfCIl1erVSlo", "itfCIl1erVSlo", "descrypt", ""},
        /* the highest accepted costs */
        {"$y$jCT$abcdefgh$" L43, NULL, "yescrypt", "$y$jCT$"},
        {"$y$j9T..$abcdefgh$" L43, NULL, "yescrypt", "$y$j9T..$"}, /* p = 2 */
        {"$y$j9T/.$abcdefgh$" L43, NULL, "yescrypt", "$y$j9T/.$"}, /* t = 1 */
        {"$gy$jCT$abcdefgh$" L43, NULL, "gost-yescrypt", "$gy$jCT$"},
        {"$7$DU..../....abcdefgh$" L43, NULL, "scrypt", "$7$DU..../...."},
        {"$2b$14$" L53, NULL, "bcrypt", "$2b$14$"},
        {"$6$rounds=1000000$abcdefgh$" L86, NULL, "sha512crypt", "$6$rounds=1000000$"},
        {"$5$rounds=1000000$abcdefgh$" L43, NULL, "sha256crypt", "$5$rounds=1000000$"},
        {"$sha1$600000$abcdefgh$" L28, NULL, "sha1crypt", "$sha1$600000$"},
        {"$md5,rounds=500000$abcdefgh$$" L22, NULL, "SunMD5", "$md5,rounds=500000$"},
        {"$md5$rounds=500000$abcdefgh$$" L22, NULL, "SunMD5", "$md5$rounds=500000$"},
        {"{CRYPT}" YES, YES, "yescrypt", "$y$j9T$"},
        {"{Blf-Crypt}$2b$12$" L53, "$2b$12$" L53, "bcrypt", "$2b$12$"},
        {"{SHA512-CRYPT}$6$abcdefgh$" L86, "$6$abcdefgh$" L86, "sha512crypt", "$6$"},
        {"{SHA256-CRYPT}$5$abcdefgh$" L43, "$5$abcdefgh$" L43, "sha256crypt", "$5$"},
        {"{MD5-CRYPT}$1$abcdefgh$" L22, "$1$abcdefgh$" L22, "md5crypt", "$1$"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *text = rows[i].text == NULL ? rows[i].field : rows[i].text;
        struct credentials credentials;
        const char *wrong = credentials_parse(slice_of(rows[i].field), &credentials);
        if (wrong != NULL)
            fail_msg("%s: %s", rows[i].field, wrong);
        assert_true(slice_is(credentials.hash, text));
        assert_string_equal(hash_kind(credentials.hash), rows[i].kind);
        assert_true(slice_is(hash_setting(credentials.hash), rows[i].setting));
        assert_false(credentials.locked || credentials_is_empty(&credentials));
    }
    assert_string_equal(hash_kind(slice_of("$9$abc$abcdef")), "unknown");
    assert_null(hash_setting(slice_of("$9$abc$abcdef")).at);
}

static void credentials_are_parsed(void **state)
{
    static const struct {
        const char *field;
        bool locked;
        const char *text;
        size_t verifiers;
    } rows[] = {
        {"", false, "", 0},
        {"  ", false, "", 0},
        {"!", true, "", 0},
        {YES, false, YES, 0},
        {"!" YES, true, YES, 0},
        {SCRAM, false, "", 1},
        {SCRAM " " OTHER, false, "", 2},
        {YES " " SCRAM, false, YES, 1},
        {"  " YES "\t " SCRAM "  " OTHER " ", false, YES, 2},
        {SCRAM " {CRYPT}" YES " " OTHER, false, YES, 2},
        {"! " YES " " SCRAM, true, YES, 1},
        {"{SCRAM-SHA-256}1000000," SALT_64 "," KEY "," KEY, false, "", 1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct credentials credentials;
        const char *wrong = credentials_parse(slice_of(rows[i].field), &credentials);
        if (wrong != NULL)
            fail_msg("%s: %s", rows[i].field, wrong);
        assert_int_equal(credentials.locked, rows[i].locked);
        assert_true(slice_is(credentials.hash, rows[i].text));
        assert_int_equal(credentials.verifiers_len, rows[i].verifiers);
        assert_int_equal(credentials_is_empty(&credentials),
                         *rows[i].text == '\0' && rows[i].verifiers == 0);
    }
    struct credentials credentials;
    assert_null(credentials_parse(slice_of(SCRAM " " OTHER), &credentials));
    assert_true(slice_is(credentials.verifiers[0], "4096," SALT_8 "," KEY "," KEY));
    assert_true(slice_is(credentials.verifiers[1], "4096," SALT_8 "," KEY "," L42 "A="));
}

static void mistakes_in_credentials_are_named(void **state)
{
#define PLAIN "not a crypt(3) hash"
#define UNKNOWN "an unknown kind of hash"
#define CUT "the hash is damaged or cut short"
#define MORE_ROUNDS(kind) "a " kind " hash may have up to 1000000 rounds"
#define SCRAM_CUT "the SCRAM verifier is damaged or cut short"
#define SCRAM_SALT "the salt of a SCRAM verifier"
#define SCRAM_COUNT "a SCRAM verifier has 4096 to 1000000"
#define V "{SCRAM-SHA-256}"
    static const struct {
        const char *field, *said;
    } rows[] = {
        /* probably a password */
        {"hunter2hunter", PLAIN},
        {"itfCIl1erVSlo", PLAIN},
        {"_J9..Y2xuzjMCOm4ZV0o", PLAIN},
        {"correct horse", PLAIN},
        {YES " horse", PLAIN},
        {"*", PLAIN},
        {"!!" YES, PLAIN},
        {YES " !", PLAIN},
        {"{MD5-CRYPT}itfCIl1erVSlo", PLAIN},
        {"{CRYPT}", PLAIN},
        {"{CRYPT} " YES, PLAIN},
        {"{PLAIN}hunter2", "this {SCHEME} is not supported"},
        {"{SCRAM-SHA-1}4096," SALT_8 "," KEY "," KEY, "this {SCHEME} is not supported"},
        {"{CRYPT" YES, "this {SCHEME} is not supported"},
        /* hashes */
        {"$3$$cfc43211ba8dc470832267827cac1407", "an NT hash has no salt"},
        {"$9$abc$aaa", UNKNOWN},
        {"$9$abc$abcdef", UNKNOWN},
        {"$", UNKNOWN},
        {"{CRYPT}itfCIl1erVSl", UNKNOWN},
        {"{CRYPT}itfCIl1erVSloo", UNKNOWN},
        {"{CRYPT}itfCIl1erVS!o", CUT},
        {"{CRYPT}_J9..Y2xuzjMCOm4ZV0", CUT},
        {"{CRYPT}_J9..Y2xuzjMCOm4ZV0oo", CUT},
        {"{CRYPT}_", CUT},
        {"$y$j9T$abcdefgh$" L22, CUT},
        {YES "a", CUT},
        {"$y$" L43, CUT},
        {"$y$j9T$" L43, CUT},
        {"$y$", CUT},
        {"$7$CU..", CUT},
        {"$7$CU..../...." L43, CUT},
        {"$2b$" L53, CUT},
        {"$2b$12$" L43, CUT},
        {"$2b$12$" L53 "$", CUT},
        {"$6$" L86, CUT},
        {"$6$rounds=5000$" L86, CUT},
        {"$6$abcdefgh$" L43 L22 "b:bbbbbbbbbbbbbbbbbbbb", CUT},
        {"$6$abcdefgh$" L43 L22 "b\xc3\xa4"
         "bbbbbbbbbbbbbbbbbb",
         CUT},
        {"$6$abcdefgh$" L43 L42 "-", CUT},
        {"$1$abcdefgh$" L22 "=", CUT},
        {"$1$abcdefgh$aaaaaaaaaa=bbbbbbbbbcc", CUT},
        {"$1$abcdefgh$" L43, CUT},
        {"$sha1$" L28, CUT},
        {"$md5,rounds=5000$" L22, CUT},
        /* costs: the lowest refused one, and the highest that can be written */
        {"$6$rounds=1000001$abcdefgh$" L86, MORE_ROUNDS("sha512crypt")},
        {"$6$rounds=50000000$abcdefgh$" L86, MORE_ROUNDS("sha512crypt")},
        {"$5$rounds=1000001$abcdefgh$" L43, MORE_ROUNDS("sha256crypt")},
        {"$5$rounds=999999999$abcdefgh$" L43, MORE_ROUNDS("sha256crypt")},
        {"$6$rounds=99999999999999999999$abcdefgh$" L86, MORE_ROUNDS("sha512crypt")},
        {"{CRYPT}$6$rounds=1000001$abcdefgh$" L86, MORE_ROUNDS("sha512crypt")},
        {"$sha1$600001$abcdefgh$" L28, "a sha1crypt hash may have up to 600000 rounds"},
        {"$sha1$4294967295$abcdefgh$" L28, "a sha1crypt hash may"},
        {"$sha1$-1$abcdefgh$" L28, "a sha1crypt hash may"},
        {"$md5,rounds=500001$abcdefgh$$" L22, "a SunMD5 hash may have up to 500000 rounds"},
        {"$md5,rounds=4294963199$abcdefgh$$" L22, "a SunMD5 hash may"},
        {"$md5$rounds=500001$abcdefgh$$" L22, "a SunMD5 hash may"},
        {"$md5$rounds=4294963199$abcdefgh$$" L22, "a SunMD5 hash may"},
        {"{CRYPT}_/7o1abcdaaaaaaaaaaa", MORE_ROUNDS("bsdicrypt")},
        {"{CRYPT}_zzzzabcdaaaaaaaaaaa", MORE_ROUNDS("bsdicrypt")},
        {"$2a$15$" L53, "a bcrypt hash may have a cost of up to 14"},
        {"$2b$31$" L53, "a bcrypt hash may"},
        {"$2x$31$" L53, "a bcrypt hash may"},
        {"$2y$31$" L53, "a bcrypt hash may"},
        {"$7$EU..../....abcdefgh$" L43, "a scrypt hash may need up to 128 MiB"},
        {"$7$zU..../....abcdefgh$" L43, "a scrypt hash may"},
        {"$7$/zzzzz/....abcdefgh$" L43, "a scrypt hash may"}, /* r */
        {"$7$/U....zzzzzabcdefgh$" L43, "a scrypt hash may"}, /* p */
        {"$7$/...../....abcdefgh$" L43, "a scrypt hash may"},
        {"$y$jDT$abcdefgh$" L43, "a yescrypt hash may need up to 128 MiB"},
        {"$y$jFT$abcdefgh$" L43, "a yescrypt hash may"},
        {"$y$jzT$abcdefgh$" L43, "a yescrypt hash may"},
        {"$y$j9zzzzzz$abcdefgh$" L43, "a yescrypt hash may"},   /* r */
        {"$y$jCT.zzzzzz$abcdefgh$" L43, "a yescrypt hash may"}, /* p */
        {"$y$jCT/zzzzzz$abcdefgh$" L43, "a yescrypt hash may"}, /* t */
        {"$y$jCT1..........$abcdefgh$" L43, "a yescrypt hash may"},
        {"$gy$jDT$abcdefgh$" L43, "a gost-yescrypt hash may need up to 128 MiB"},
        {"$gy$jzzzzzzzzz$abcdefgh$" L43, "a gost-yescrypt hash may"},
        {YES " " YES, "two crypt(3) hashes"},
        {YES " {CRYPT}itfCIl1erVSlo", "two crypt(3) hashes"},
        /* verifiers */
        {V, SCRAM_CUT},
        {V ",,,", SCRAM_CUT},
        {V "4096", SCRAM_CUT},
        {V "4096," SALT_8, SCRAM_CUT},
        {V "4096," SALT_8 "," KEY, SCRAM_CUT},
        {V "4096," SALT_8 "," KEY ",", SCRAM_CUT},
        {V "4096," SALT_8 "," KEY "," KEY ",", SCRAM_CUT},
        {V "4096," SALT_8 "," KEY "," KEY "," KEY, SCRAM_CUT},
        {V "4096," SALT_8 ",," KEY, SCRAM_CUT},
        {V "4096," SALT_8 "," KEY "," SALT_8, SCRAM_CUT},
        {V "4096," SALT_8 "," SALT_8 "," KEY, SCRAM_CUT},
        {V "4096," SALT_8 "," SALT_64 "," KEY, SCRAM_CUT},
        {V "4096," SALT_8 "," L43 "," KEY, SCRAM_CUT},
        {V "4096," SALT_8 "," KEY "," L22 L22 "==", SCRAM_CUT},
        {V "4096," SALT_8 "," KEY "," L22 "*"
           "aaaaaaaaaabbbbbbbbbb=",
         SCRAM_CUT},
        {V "," SALT_8 "," KEY "," KEY, SCRAM_CUT},
        {V "x," SALT_8 "," KEY "," KEY, SCRAM_CUT},
        {V "+4096," SALT_8 "," KEY "," KEY, SCRAM_CUT},
        {V "04096," SALT_8 "," KEY "," KEY, SCRAM_CUT},
        {V "99999999999999999999," SALT_8 "," KEY "," KEY, SCRAM_CUT},
        {V "4095," SALT_8 "," KEY "," KEY, SCRAM_COUNT},
        {V "1000001," SALT_8 "," KEY "," KEY, SCRAM_COUNT},
        {V "18446744073709551615," SALT_8 "," KEY "," KEY, SCRAM_COUNT},
        {V "4096,," KEY "," KEY, SCRAM_SALT},
        {V "4096,AAAAAAAAAA==," KEY "," KEY, SCRAM_SALT},
        {V "4096,AAAAAAAAAAA," KEY "," KEY, SCRAM_SALT},
        {V "4096,AAAAAAAAAAB=," KEY "," KEY, SCRAM_SALT},
        {V "4096," L43 L43 "A=," KEY "," KEY, SCRAM_SALT},
        {SCRAM " " SCRAM " " SCRAM, "more than two SCRAM verifiers"},
        {SCRAM " " V "4097," SALT_8 "," KEY "," KEY, "two SCRAM verifiers of one user must"},
        {SCRAM " " V "4096,AAAAAAAAAAE=," KEY "," KEY, "two SCRAM verifiers of one user must"},
        {V "4096,AAAAAAAAAAAAAAAA," KEY "," KEY " " V "4096,AAAAAAAAAAAA," KEY "," KEY,
         "two SCRAM verifiers of one user must"},
        {V "4096,AAAAAAAAAAAA," KEY "," KEY " " V "4096,AAAAAAAAAAAAAAAA," KEY "," KEY,
         "two SCRAM verifiers of one user must"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct credentials credentials;
        size_t len = strlen(rows[i].field);
        char *field = malloc(len + 1); /* exact, so that ASan notices a read past the end */
        memcpy(field, rows[i].field, len);
        field = realloc(field, len == 0 ? 1 : len);
        const char *wrong = credentials_parse((struct slice){field, len}, &credentials);
        if (wrong == NULL || strstr(wrong, rows[i].said) != wrong)
            fail_msg("%s: not \"%s\", but: %s", rows[i].field, rows[i].said, wrong);
        free(field);
    }
}

static int load(void **state)
{
    (void)state;
    return gnutls_load();
}

/* RFC 7677 section 3: the password of "user" is "pencil"; the example has the proof and the
 * server's signature, which follow from the two keys. */
static void keys_are_those_of_rfc_7677(void **state)
{
    static const char client_proof[] = "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
                      server_signature[] = "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
                      message[] = "n=user,r=rOprNGfwEbeRWgbNEkqO,"
                                  "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
                                  "s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,"
                                  "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
    struct scram_verifier verifier = {.iterations = 4096, .salt_len = 16};
    unsigned char signature[32], proof[32], hashed[32];
    char text[64], *salt = (char *)verifier.salt;

    (void)state;
    assert_int_equal(
        base64_decode((struct slice){"W22ZaJ0SNY7soEsUEjb6gQ==", 24}, salt, SCRAM_SALT_MAX), 16);
    assert_int_equal(scram_verifier_make(&verifier, slice_of("pencil")), 0);

    gnutls.hmac_fast(GNUTLS_MAC_SHA256, verifier.server_key, 32, message, strlen(message),
                     signature);
    base64_encode((const char *)signature, 32, text);
    assert_string_equal(text, server_signature);

    /* ClientKey = proof XOR HMAC(StoredKey, message), and its hash is StoredKey again. */
    assert_int_equal(base64_decode((struct slice){client_proof, 44}, (char *)proof, sizeof proof),
                     32);
    gnutls.hmac_fast(GNUTLS_MAC_SHA256, verifier.stored_key, 32, message, strlen(message),
                     signature);
    for (size_t i = 0; i < 32; i++)
        proof[i] ^= signature[i];
    gnutls.hash_fast(GNUTLS_DIG_SHA256, proof, 32, hashed);
    assert_memory_equal(hashed, verifier.stored_key, 32);
}

/* Is this the verifier of the prepared password, with the salt that it contains? */
static void check_verifier(struct slice text, const char *prepared)
{
    struct scram_verifier parsed, made;

    assert_true(scram_verifier_parse(text, &parsed));
    assert_int_equal(parsed.iterations, atoi(CREDENTIALS_ITERATIONS));
    assert_int_equal(parsed.salt_len, 16);
    made = parsed;
    assert_int_equal(scram_verifier_make(&made, slice_of(prepared)), 0);
    assert_memory_equal(made.stored_key, parsed.stored_key, SCRAM_KEY_LEN);
    assert_memory_equal(made.server_key, parsed.server_key, SCRAM_KEY_LEN);
}

static void made_credentials_match_the_password(void **state)
{
    static const struct {
        const char *password, *compatible;
        const char *opaque; /* NULL: the same */
    } rows[] = {
        {"correct horse", "correct horse", NULL},
        {"p\xc3\xa4ssw\xc3\xb6rd", "p\xc3\xa4ssw\xc3\xb6rd", NULL},
        {"pa\xcc\x88sswo\xcc\x88rd", "p\xc3\xa4ssw\xc3\xb6rd", NULL},
        {"p\xc3\xa4ssw\xc3\xb6rd-\xe2\x91\xa0", "p\xc3\xa4ssw\xc3\xb6rd-1",
         "p\xc3\xa4ssw\xc3\xb6rd-\xe2\x91\xa0"},
        {"pa\xcc\x88sswo\xcc\x88rd-\xe2\x91\xa0", "p\xc3\xa4ssw\xc3\xb6rd-1",
         "p\xc3\xa4ssw\xc3\xb6rd-\xe2\x91\xa0"},
        {"no\xc2\xa0"
         "break\xc2\xad",
         "no break", "no break\xc2\xad"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char field[CREDENTIALS_MAX], text[CRYPT_OUTPUT_SIZE];
        struct credentials credentials;
        assert_int_equal(credentials_make(rows[i].password, field), 0);
        assert_null(credentials_parse(slice_of(field), &credentials));
        assert_string_equal(hash_kind(credentials.hash), "yescrypt");
        assert_true(slice_is(hash_setting(credentials.hash), CREDENTIALS_SETTING));
        snprintf(text, sizeof text, "%.*s", SLICE(credentials.hash));
        assert_string_equal(crypt(rows[i].compatible, text), text);
        assert_string_not_equal(crypt("something else", text), text);
        assert_int_equal(credentials.verifiers_len, rows[i].opaque == NULL ? 1 : 2);
        check_verifier(credentials.verifiers[0], rows[i].compatible);
        if (rows[i].opaque != NULL)
            check_verifier(credentials.verifiers[1], rows[i].opaque);
    }
}

static void salts_are_new_each_time(void **state)
{
    char one[CREDENTIALS_MAX], other[CREDENTIALS_MAX];
    struct credentials credentials[2];

    (void)state;
    assert_int_equal(credentials_make("correct horse", one), 0);
    assert_int_equal(credentials_make("correct horse", other), 0);
    assert_null(credentials_parse(slice_of(one), &credentials[0]));
    assert_null(credentials_parse(slice_of(other), &credentials[1]));
    assert_memory_not_equal(credentials[0].hash.at, credentials[1].hash.at,
                            credentials[0].hash.len);
    size_t len = strlen(CREDENTIALS_ITERATIONS ",") + 24;
    assert_memory_not_equal(credentials[0].verifiers[0].at, credentials[1].verifiers[0].at, len);
}

static void the_longest_password_has_room(void **state)
{
    char password[512], field[CREDENTIALS_MAX];
    struct credentials credentials;

    (void)state;
    for (size_t i = 0; i < 508; i += 2)
        memcpy(password + i, i % 4 == 0 ? "\xc2\xb9" : "\xc3\xa4", 2); /* two forms */
    memcpy(password + 508, "abc", 4);
    assert_int_equal(credentials_make(password, field), 0);
    assert_null(credentials_parse(slice_of(field), &credentials));
    assert_int_equal(credentials.verifiers_len, 2);
}

static void passwords_that_cannot_be_prepared_are_refused(void **state)
{
    char field[CREDENTIALS_MAX], password[700];

    (void)state;
    assert_int_equal(credentials_make("not UTF-8: \xff", field), -1);
    memset(password, 'x', sizeof password);
    password[512] = '\0';
    assert_int_equal(credentials_make(password, field), -1); /* crypt(3) accepts 511 */
    assert_string_equal(field, "");
}

/* The decoy is of the same kind as users' hashes, and crypt(3) computes it like theirs. */
static void decoys_are_of_the_kind_asked_for(void **state)
{
    static const char *const settings[] = {
        "$y$j9T$",
        "$y$j75$",
        "$gy$j9T$",
        "$7$8U..../....",
        "$2a$04$",
        "$2b$05$",
        "$2x$04$",
        "$2y$04$",
        "$6$",
        "$6$rounds=1000$",
        "$5$",
        "$5$rounds=1000$",
        "$sha1$1000$",
        "$md5$",
        "$md5,rounds=5000$",
        "$1$",
        "_J9..",
        "",
    };

    (void)state;
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        char one[CRYPT_OUTPUT_SIZE], other[CRYPT_OUTPUT_SIZE], field[CRYPT_OUTPUT_SIZE + 8];
        struct credentials credentials;
        if (credentials_make_decoy(slice_of(settings[i]), one) != 0 ||
            credentials_make_decoy(slice_of(settings[i]), other) != 0)
            fail_msg("%s: no decoy", settings[i]);
        snprintf(field, sizeof field, "{CRYPT}%s", one);
        const char *wrong = credentials_parse(slice_of(field), &credentials);
        if (wrong != NULL)
            fail_msg("%s: %s: %s", settings[i], one, wrong);
        if (!slice_is(hash_setting(credentials.hash), settings[i]))
            fail_msg("%s: of another setting: %s", settings[i], one);
        assert_string_not_equal(one, other);
        assert_string_not_equal(crypt("", one), one);
    }
    char hash[CRYPT_OUTPUT_SIZE];
    assert_int_equal(credentials_make_decoy(slice_of("$2b$99$"), hash), -1);
    assert_int_equal(credentials_make_decoy(slice_of("$y$zzz$"), hash), -1);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_kinds_are_known),
        cmocka_unit_test(credentials_are_parsed),
        cmocka_unit_test(mistakes_in_credentials_are_named),
        cmocka_unit_test(keys_are_those_of_rfc_7677),
        cmocka_unit_test(made_credentials_match_the_password),
        cmocka_unit_test(salts_are_new_each_time),
        cmocka_unit_test(the_longest_password_has_room),
        cmocka_unit_test(passwords_that_cannot_be_prepared_are_refused),
        cmocka_unit_test(decoys_are_of_the_kind_asked_for),
    };

    return cmocka_run_group_tests(tests, load, NULL);
}
