/* password_check: which passwords are refused, why, and which are accepted. */
#include "../../tools/user/password_check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SHORT "a password of fewer than 8 characters"
#define SAME "a password of fewer than 5 different characters"
#define CONTROL "a password cannot contain control"
#define UTF8 "the password is not UTF-8"
#define ROW "the password is little more than a sequence"
#define NAME "the password contains the user's name"
#define COMMON "the password is one of the most"

static const struct row {
    const char *password;
    const char *said; /* NULL: it is accepted */
    const char *address;
} rows[] = {
    {"", SHORT, NULL},
    {"seven77", SHORT, NULL},
    {"p\xc3\xa4ssw\xc3\xb6r", SHORT, NULL}, /* seven in nine bytes */
    {"p\xc3\xa4ssw\xc3\xb6rz", NULL, NULL},
    {"\xf0\x9f\x94\x91\xf0\x9f\x90\xb4", SHORT, NULL},
    {"aaaaaaaa", SAME, NULL},
    {"abcdabcdabcdabcd", SAME, NULL},
    {"aabbccdde", NULL, NULL},
    {"\xc3\xa4\xc3\xb6\xc3\xa4\xc3\xb6\xc3\xa4\xc3\xb6\xc3\xa4\xc3\xb6", SAME, NULL},
    {"tab\tin it", CONTROL, NULL},
    {"delete\x7f here", CONTROL, NULL},
    {"next\xc2\x85line", CONTROL, NULL},
    {"para\xe2\x80\xa9graph", CONTROL, NULL},
    {"turned\xe2\x80\xaeround", CONTROL, NULL},
    {"re\xef\xbf\xbdplaced", CONTROL, NULL},
    {"joined\xe2\x80\x8d"
     "here",
     NULL, NULL}, /* SASLprep removes it */
    {"latin \xe4\xf6\xfc", UTF8, NULL},
    {"cut short \xc3", UTF8, NULL},
    {"overlong \xc0\xaf", UTF8, NULL},
    {"overlong \xe0\x9f\xbf", UTF8, NULL},
    {"surrogate \xed\xa0\x80", UTF8, NULL},
    {"too far \xf4\x90\x80\x80", UTF8, NULL},
    {"continued \x80", UTF8, NULL},
    {"five \xf8\x88\x80\x80\x80", UTF8, NULL},
    /* rows of characters */
    {"12345678", ROW, NULL},
    {"1234567890", ROW, NULL},
    {"0987654321", ROW, NULL},
    {"87654321", ROW, NULL},
    {"23456789", ROW, NULL},
    {"abcdefgh", ROW, NULL},
    {"AbCdEfGh", ROW, NULL},
    {"zyxwvuts", ROW, NULL},
    {"qwertyuiop", ROW, NULL},
    {"wertyuio", ROW, NULL},
    {"poiuytrewq", ROW, NULL},
    {"asdfghjkl", ROW, NULL},
    {"zxcvbnm1", ROW, NULL},
    {"1zxcvbnm!", ROW, NULL},
    {"qwertzuiop", ROW, NULL},
    {"azertyuiop", ROW, NULL},
    {"yxcvbnm,", ROW, NULL},
    {"abcd1234", ROW, NULL},
    {"12345678x!yz", ROW, NULL},
    {"12345678x!yzw", NULL, NULL},
    {"abcdefgh is easy", NULL, NULL},
    {"overture to 1812", NULL, NULL},
    /* names */
    {"alicewonder", NAME, NULL},
    {"WonderALICEland", NAME, NULL},
    {"in-wonder-alice", NAME, NULL},
    {"wonder-alic-land", NULL, NULL},
    {"so bob it is", NULL, "bob@example.org"},
    {"so BOB@example.ORG", NAME, "bob@example.org"},
    {"a carl came", NAME, "carl@example.org"},
    {"example.org is it", NULL, NULL},
    /* common passwords */
    {"password", COMMON, NULL},
    {"PassWord", COMMON, NULL},
    {"password1", COMMON, NULL},
    {"password2024!!", COMMON, NULL},
    {"passw0rd", COMMON, NULL},
    {"P@ssw0rd!", COMMON, NULL},
    {"iloveyou", COMMON, NULL},
    {"letmein99", COMMON, NULL},
    {"welcome!1", COMMON, NULL},
    {"admin2468", COMMON, NULL},
    {"qwerty20051", COMMON, NULL},
    {"1q2w3e4r", COMMON, NULL},
    {"1q2w3e4r5t!", COMMON, NULL},
    {"another password", NULL, NULL},
    {"passwords", NULL, NULL},
    {"correct horse battery", NULL, NULL},
    {"19860412", NULL, NULL},
};

static void weak_passwords_are_refused_with_the_reason(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *address = rows[i].address == NULL ? "alice@example.org" : rows[i].address;
        size_t len = strlen(rows[i].password);
        char *password = malloc(
            len == 0 ? 1 : len); /* without a NUL, so that ASan notices a read past the end */
        memcpy(password, rows[i].password, len);
        const char *said =
            password_check((struct slice){password, len}, (struct slice){address, strlen(address)});
        free(password);
        if (rows[i].said == NULL ? said != NULL
                                 : said == NULL || strstr(said, rows[i].said) != said)
            fail_msg("\"%s\": %s", rows[i].password, said == NULL ? "accepted" : said);
    }
}

static void length_is_limited(void **state)
{
    static const struct slice alice = {"alice@example.org", 17};
    char password[PASSWORD_MAX + 1];

    (void)state;
    for (size_t i = 0; i < sizeof password; i++)
        password[i] = "correct horse "[i % 14];
    assert_null(password_check((struct slice){password, PASSWORD_MAX}, alice));
    const char *said = password_check((struct slice){password, PASSWORD_MAX + 1}, alice);
    assert_string_equal(said, "a password can have at most 511 bytes");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(weak_passwords_are_refused_with_the_reason),
        cmocka_unit_test(length_is_limited),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
