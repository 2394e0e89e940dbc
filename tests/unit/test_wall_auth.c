/*
 * wall, AUTH and TLS: a front that an attacker controls can guess no more passwords than a client,
 * can send only as a user whose password it knows, and gets nothing signed.
 */
#include "wall_peer.h"

static void open_for(enum role for_role, const char *settings)
{
    role = for_role;
    more_settings = settings;
    make_database("yes");
    begin();
}

static void make_sasl(uint32_t type, uint32_t mechanism, const char *data, size_t len)
{
    make(type);
    message.sasl.mechanism = mechanism;
    message.sasl.has_response = 1;
    message.sasl.len = (uint32_t)len;
    memcpy(message.sasl.data, data, len);
    send_message();
}

#define RIGHT "\0alice\0P-w"
#define WRONG "\0alice\0pv"
#define PLAIN(what) make_sasl(WALL_AUTH, WALL_PLAIN, what, sizeof(what) - 1)

static int64_t plain_answer(void)
{
    return answer(WALL_CHALLENGE);
}

static void log_in(void)
{
    PLAIN(RIGHT);
    assert_int_equal(plain_answer(), VERDICT_OK);
}

static uint32_t mail_from(const char *name)
{
    make(WALL_MAIL);
    message.mail.sender = user(name);
    send_message();
    return (uint32_t)answer(WALL_VERDICT);
}

static void the_right_password_logs_in(void **state)
{
    (void)state;
    open_for(ROLE_SUBMISSION, "auth-without-tls=yes\n");
    assert_int_equal(message.settings.mechanisms, WALL_PLAIN | WALL_LOGIN | WALL_SCRAM);
    log_in();
    assert_int_equal(mail_from("bob"), VERDICT_NOT_YOURS);
    make(WALL_MAIL);
    message.mail.sender = user("alice");
    message.mail.size = (UINT64_C(50) << 20) + 1;
    send_message();
    assert_int_equal(answer(WALL_VERDICT), VERDICT_TOO_LARGE);
    assert_int_equal(mail_from("alice"), VERDICT_OK);
    say("RTC");
    hang_up();
    assert_no_breach("honest", "\"front gone\" messages=1");
    assert_non_null(strstr(get("log"), "authenticated peer=192.0.2.1 user=alice mechanism=PLAIN"));
    assert_null(strstr(get("log"), "P-w"));
    assert_non_null(strstr(get("mail/example.org/alice"), " with ESMTPA id "));
}

/* A database with hashes of extreme costs, for a user or the decoy: they are not computed. Each
 * would take minutes or more. */
static void hashes_of_extreme_cost_are_not_computed(void **state)
{
    static const char *const hashes[] = {
        "$6$rounds=999999999$abcdefgh$",
        "$2b$31$abcdefghijklmnopqrstuu",
        "$sha1$4294967295$abcdefgh$",
        "$argon2id$v=19$m=4194304,t=1000,p=1$c2FsdHNhbHQ$",
    };
    char crypt_text[256], decoy_text[256];

    (void)state;
    for (size_t i = 0; i < sizeof hashes / sizeof hashes[0]; i++) {
        snprintf(crypt_text, sizeof crypt_text, "crypt=%s\n", hashes[i]);
        snprintf(decoy_text, sizeof decoy_text, "decoy=%s\n", hashes[i]);
        crypt_line = crypt_text;
        decoy_line = decoy_text;
        open_for(ROLE_SUBMISSION, "auth-without-tls=yes\n");
        PLAIN(RIGHT);
        assert_int_equal(plain_answer(), VERDICT_AUTH_UNAVAILABLE);
        PLAIN("\0nobody\0P-w");
        assert_int_equal(plain_answer(), VERDICT_AUTH_FAILED);
        hang_up();
        assert_no_breach("too costly", "\"front gone\"");
        assert_non_null(strstr(get("log"), "auth-unavailable peer=192.0.2.1 what="));
    }
    crypt_line = USUAL_CRYPT;
    decoy_line = USUAL_DECOY;
}

/* Three failures are allowed, and each reply takes longer. */
static void guessing_is_limited(void **state)
{
    static const char *const guesses[] = {WRONG, "\0nobody\0P-w", "\0bob\0P-w"};
    static const size_t lens[] = {sizeof WRONG - 1, 10, 7};

    (void)state;
    open_for(ROLE_SUBMISSION, "auth-without-tls=yes\n");
    for (int i = 0; i < 3; i++) {
        make_sasl(WALL_AUTH, WALL_PLAIN, guesses[i], lens[i]);
        assert_int_equal(plain_answer(), i < 2 ? VERDICT_AUTH_FAILED : VERDICT_AUTH_FAILED_LAST);
    }
    PLAIN(RIGHT);
    assert_breach("fourth guess", "authentication");
}

/* Otherwise malformed responses would evade the limit. */
static void malformed_responses_count(void **state)
{
    int answers = 0;

    (void)state;
    open_for(ROLE_SMTP, "auth-without-tls=yes\n");
    do
        PLAIN("nonsense");
    while (plain_answer() == VERDICT_AUTH_MALFORMED && ++answers < 100);
    assert_int_equal(answers, MAX_ERRORS + 1);
    assert_breach("malformed", "\"too many errors\"");
}

/* A NUL would hide what follows it from crypt(3). */
static void passwords_have_no_nul(void **state)
{
    (void)state;
    open_for(ROLE_SMTP, "auth-without-tls=yes\n");
    make_sasl(WALL_AUTH, WALL_LOGIN, "alice", 5);
    assert_int_equal(plain_answer(), VERDICT_CHALLENGE);
    make_sasl(WALL_RESPONSE, 0, "P-w\0x", 5);
    assert_int_equal(plain_answer(), VERDICT_AUTH_MALFORMED);
    PLAIN(RIGHT "\0x");
    assert_int_equal(plain_answer(), VERDICT_AUTH_MALFORMED);
    PLAIN("\0alice\0");
    assert_int_equal(plain_answer(), VERDICT_AUTH_MALFORMED);
    log_in();
    hang_up();
    assert_no_breach("NUL", "\"front gone\"");
}

static void breach_after(enum role for_role, const char *settings, void (*script)(void),
                         const char *name, const char *what)
{
    open_for(for_role, settings);
    script();
    assert_breach(name, what);
}

static void mail(void)
{
    make(WALL_MAIL);
    send_message();
}

static void verify(void)
{
    make(WALL_VERIFY);
    send_message();
}

static void plain(void)
{
    PLAIN(RIGHT);
}

static void twice(void)
{
    log_in();
    PLAIN(RIGHT);
}

static void in_transaction(void)
{
    say("M");
    PLAIN(RIGHT);
}

static void response_to_nothing(void)
{
    make_sasl(WALL_RESPONSE, 0, RIGHT, sizeof RIGHT - 1);
}

static void cancel_of_nothing(void)
{
    make(WALL_CANCEL);
    send_message();
}

static void unqualified_sender(void)
{
    log_in();
    make(WALL_MAIL);
    message.mail.sender.domain_len = 0;
    send_message();
}

static void no_such_mechanism(void)
{
    make_sasl(WALL_AUTH, WALL_EXTERNAL, "", 0);
}

static void two_mechanisms(void)
{
    make_sasl(WALL_AUTH, WALL_PLAIN | WALL_LOGIN, RIGHT, sizeof RIGHT - 1);
}

static void too_long(void)
{
    make(WALL_AUTH);
    message.sasl.mechanism = WALL_PLAIN;
    message.sasl.has_response = 1;
    message.sasl.len = WALL_SASL_MAX + 1;
    send_message();
}

static void ask_for_name(void)
{
    make(WALL_AUTH);
    message.sasl.mechanism = WALL_LOGIN;
    send_message();
    assert_int_equal(plain_answer(), VERDICT_CHALLENGE);
}

static void mail_in_exchange(void)
{
    ask_for_name();
    mail();
}

static void second_exchange(void)
{
    ask_for_name();
    PLAIN(RIGHT);
}

/* With a 4xx reply, which does not count as an error. */
static void cancel_for_ever(void)
{
    for (int i = 0; i < 10 + 100 + 2; i++) {
        ask_for_name();
        make(WALL_CANCEL);
        message.refused.reply = REPLY_AUTH_UNAVAILABLE;
        send_message();
    }
}

static void bare(uint32_t type)
{
    make(type);
    send_message();
}

static void starttls(void)
{
    bare(WALL_STARTTLS);
}

static void sign(void)
{
    bare(WALL_SIGN);
}

static void secured(void)
{
    make(WALL_SECURED);
    strcpy(message.secured.protocol, "TLS1.3");
    strcpy(message.secured.cipher, "X");
    send_message();
}

static void insecure(void)
{
    bare(WALL_INSECURE);
}

static void handed_over(void)
{
    make(WALL_END);
    message.end.end = END_HANDED_OVER;
    send_message();
}

static void out_of_order(void **state)
{
#define CLEAR "auth-without-tls=yes\n"
    static const struct {
        enum role role;
        const char *settings;
        void (*script)(void);
        const char *name, *what;
    } table[] = {
        {ROLE_SUBMISSION, CLEAR, mail, "MAIL before AUTH", "\"out of order\""},
        {ROLE_SUBMISSION, "", mail, "MAIL before TLS", "\"out of order\""},
        {ROLE_SUBMISSION, CLEAR, verify, "VRFY before AUTH", "\"out of order\""},
        {ROLE_SUBMISSION, CLEAR, twice, "AUTH twice", "authentication"},
        {ROLE_SMTP, CLEAR, in_transaction, "AUTH in a transaction", "\"out of order\""},
        {ROLE_SMTP, "", plain, "AUTH without TLS", "authentication"},
        {ROLE_SMTP, CLEAR "auth=no\n", plain, "AUTH that is off", "authentication"},
        {ROLE_MX, CLEAR, plain, "AUTH in mx", "authentication"},
        {ROLE_SMTP, CLEAR, response_to_nothing, "a response to nothing", "\"out of order\""},
        {ROLE_SMTP, CLEAR, cancel_of_nothing, "cancelling nothing", "\"out of order\""},
        {ROLE_SUBMISSION, CLEAR, unqualified_sender, "a sender without a domain", "sender"},
        {ROLE_SMTP, CLEAR, no_such_mechanism, "EXTERNAL", "authentication"},
        {ROLE_SMTP, CLEAR, two_mechanisms, "two mechanisms", "authentication"},
        {ROLE_SMTP, CLEAR, too_long, "a long response", "authentication"},
        {ROLE_SMTP, CLEAR, mail_in_exchange, "MAIL in AUTH", "\"out of order\""},
        {ROLE_SMTP, CLEAR, second_exchange, "AUTH in AUTH", "\"out of order\""},
        {ROLE_SMTP, CLEAR "max-idle-commands=10\nmax-recipients=100\n", cancel_for_ever,
         "cancelling for ever", "\"too many commands\""},
        {ROLE_SMTP, "", starttls, "STARTTLS without a certificate", "\"out of order\""},
        {ROLE_SMTP, "", sign, "a signature in clear", "\"out of order\""},
        {ROLE_SMTP, "", secured, "a handshake that was none", "\"out of order\""},
        {ROLE_SMTP, "", insecure, "the failure of one", "\"out of order\""},
        {ROLE_SMTP, "", handed_over, "a hand-over that was none", "end"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        breach_after(table[i].role, table[i].settings, table[i].script, table[i].name,
                     table[i].what);
}

/* The front is told, and the session goes on. */
static void without_a_certificate_tls_is_unavailable(void **state)
{
    (void)state;
    open_for(ROLE_SMTP, "tls-certificate=none.pem\ntls-key=none.key\n");
    assert_true(message.settings.starttls);
    for (int i = 0; i < 3; i++) {
        size_t len;
        starttls();
        assert_int_equal(wall_receive(wall, &message, &len), 1);
        assert_int_equal(message.type, WALL_READY);
        assert_int_equal(message.ready, 0);
    }
    say("MRTC");
    hang_up();
    assert_no_breach("no certificate", "\"front gone\" messages=1");
    const char *first = strstr(get("log"), "tls-unavailable");
    assert_non_null(first);
    assert_null(strstr(first + 1, "tls-unavailable")); /* it was tried and logged once */
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, clean)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_right_password_logs_in),
        TEST(hashes_of_extreme_cost_are_not_computed),
        TEST(guessing_is_limited),
        TEST(malformed_responses_count),
        TEST(passwords_have_no_nul),
        TEST(out_of_order),
        TEST(without_a_certificate_tls_is_unavailable),
    };

    return cmocka_run_group_tests_name("wall, AUTH and TLS", tests, NULL, NULL);
}
