#include "password_check.h"

#include "../../smtpd/base/utf8.h"

#include <stdint.h>
#include <string.h>

/* The characters of a password. */
struct letters {
    size_t len;
    uint32_t typed[PASSWORD_MAX];
    uint32_t lower[PASSWORD_MAX]; /* ASCII letters in lower case */
};

static bool take_apart(struct slice password, struct letters *letters)
{
    letters->len = 0;
    for (size_t at = 0, used; at < password.len; at += used) {
        uint32_t c;
        used = utf8_decode(password.at + at, password.len - at, &c);
        if (used == 0)
            return false;
        letters->typed[letters->len] = c;
        letters->lower[letters->len++] = c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c;
    }
    return true;
}

/* RFC 3454 tables C.2.1 and C.2.2, without those that SASLprep removes; and U+FFFD, which programs
 * put in place of what they cannot read. Clients refuse to send these. */
static bool has_control(const struct letters *letters)
{
    static const uint32_t ranges[][2] = {
        {0, 0x1f},        {0x7f, 0x9f},     {0x6dd, 0x6dd},   {0x70f, 0x70f},   {0x180e, 0x180e},
        {0x200e, 0x200f}, {0x2028, 0x202e}, {0x2061, 0x206f}, {0xfff9, 0xfffd}, {0x1d173, 0x1d17a},
    };

    for (size_t i = 0; i < letters->len; i++)
        for (size_t j = 0; j < sizeof ranges / sizeof ranges[0]; j++)
            if (letters->typed[i] >= ranges[j][0] && letters->typed[i] <= ranges[j][1])
                return true;
    return false;
}

static size_t count_different(const struct letters *letters)
{
    size_t different = 0;

    for (size_t i = 0; i < letters->len; i++) {
        size_t j = 0;
        while (j < i && letters->typed[j] != letters->typed[i])
            j++;
        different += j == i;
    }
    return different;
}

/* Are these two neighbours in this order on an English, German or French keyboard? */
static bool are_neighbours(uint32_t left, uint32_t right)
{
    static const char keys[] = "1234567890 qwertyuiop asdfghjkl zxcvbnm qwertz tzuiop yxcvbnm "
                               "azertyuiop qsdfghjklm wxcvbn";

    for (const char *key = keys; key[1] != '\0'; key++)
        if (*key != ' ' && key[1] != ' ' && (unsigned char)*key == left &&
            (unsigned char)key[1] == right)
            return true;
    return false;
}

/* The longest part in which each character is the next one: of the alphabet, of the digits, or on
 * the keyboard, in either direction. */
static size_t longest_run(const struct letters *letters)
{
    const uint32_t *c = letters->lower;
    size_t lens[4] = {1, 1, 1, 1}, longest = 0;

    for (size_t i = 1; i < letters->len; i++) {
        bool goes_on[4] = {
            c[i] == c[i - 1] + 1,
            c[i] + 1 == c[i - 1],
            are_neighbours(c[i - 1], c[i]),
            are_neighbours(c[i], c[i - 1]),
        };
        for (size_t way = 0; way < 4; way++) {
            lens[way] = goes_on[way] ? lens[way] + 1 : 1;
            longest = lens[way] > longest ? lens[way] : longest;
        }
    }
    return longest;
}

/* The word is in lower case. */
static bool stands_at(const struct letters *letters, size_t at, struct slice word)
{
    size_t i = 0;

    while (i < word.len && at + i < letters->len &&
           letters->lower[at + i] == (unsigned char)word.at[i])
        i++;
    return i == word.len;
}

static bool contains(const struct letters *letters, struct slice word)
{
    for (size_t at = 0; at < letters->len; at++)
        if (stands_at(letters, at, word))
            return true;
    return false;
}

static bool contains_name(const struct letters *letters, struct slice address)
{
    const char *at = memrchr(address.at, '@', address.len);
    struct slice local = {address.at, at == NULL ? address.len : (size_t)(at - address.at)};

    return contains(letters, address) ||
           (local.len >= PASSWORD_NAME_MIN && contains(letters, local));
}

/* Is it a well-known password, perhaps followed by digits or `!`? */
static bool is_common(const struct letters *letters)
{
    static const char words[][16] = {
        "password",   "passwort",      "passw0rd",   "passw0rt",   "p@ssword", "p@ssw0rd",
        "pa$$word",   "pa$$w0rd",      "pass",       "passwd",     "iloveyou", "letmein",
        "welcome",    "willkommen",    "admin",      "root",       "test",     "testing",
        "guest",      "changeme",      "changeit",   "secret",     "geheim",   "default",
        "login",      "master",        "monkey",     "dragon",     "sunshine", "princess",
        "football",   "baseball",      "superman",   "batman",     "starwars", "trustno",
        "whatever",   "computer",      "internet",   "michael",    "jennifer", "charlie",
        "shadow",     "hello",         "hallo",      "google",     "facebook", "samsung",
        "liverpool",  "chocolate",     "butterfly",  "pokemon",    "qwerty",   "qwertz",
        "azerty",     "asdf",          "abc",        "abcd",       "user",     "server",
        "mail",       "email",         "mailserver", "postmaster", "mailslot", "webmaster",
        "hostmaster", "administrator", "1q2w3e4r",   "1q2w3e4r5t", "q1w2e3r4", "1qaz2wsx",
        "zaq12wsx",   "qazwsxedc",     "a1b2c3d4",
    };
    size_t bare = letters->len;

    while (bare > 0 && (letters->lower[bare - 1] == '!' ||
                        (letters->lower[bare - 1] >= '0' && letters->lower[bare - 1] <= '9')))
        bare--;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        struct slice word = {words[i], strlen(words[i])};
        if ((word.len == bare || word.len == letters->len) && stands_at(letters, 0, word))
            return true;
    }
    return false;
}

static const char *check_letters(const struct letters *letters, struct slice address)
{
    if (has_control(letters))
        return "a password cannot contain control characters: not all programs can send them";
    if (letters->len < PASSWORD_MIN)
        return "a password of fewer than 8 characters is too easy to guess";
    if (count_different(letters) < PASSWORD_DIFFERENT_MIN)
        return "a password of fewer than 5 different characters is too easy to guess";
    if (letters->len < longest_run(letters) + PASSWORD_BESIDES_RUN_MIN)
        return "the password is little more than a sequence of characters or keys: add at least 5 "
               "others";
    if (contains_name(letters, address))
        return "the password contains the user's name, which is tried first";
    if (is_common(letters))
        return "the password is one of the most common ones";
    return NULL;
}

const char *password_check(struct slice password, struct slice address)
{
    struct letters letters;
    const char *wrong = "the password is not UTF-8: the terminal or program that sends it uses "
                        "another character set";

    if (password.len > PASSWORD_MAX)
        return "a password can have at most 511 bytes";
    if (take_apart(password, &letters))
        wrong = check_letters(&letters, address);
    explicit_bzero(&letters, sizeof letters);
    return wrong;
}
