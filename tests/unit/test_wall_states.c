/*
 * wall, every message in the states that need a certificate or AUTH: a front that has been taken
 * over gains nothing by being out of step. The test is the next front, too: the back gets it in
 * place of a process.
 */
#include "../certificate.h"
#include "wall_peer.h"

enum { NOBODY = 1 << 23 };

static int next[2]; /* the next front's wall: our end, and the back's */
static pid_t tester;

static bool in_back(void)
{
    return getpid() != tester;
}

/* ---- what the back gets instead of the system's ---------------------------------------------- */

int socketpair(int domain, int type, int protocol, int pair[2])
{
    if (!in_back())
        return (int)syscall(SYS_socketpair, domain, type, protocol, pair);
    pair[0] = next[1];
    pair[1] = dup(next[1]); /* to be closed */
    return 0;
}

pid_t fork(void)
{
    return in_back() ? NOBODY : _Fork();
}

int kill(pid_t pid, int signal)
{
    return pid == NOBODY ? 0 : (int)syscall(SYS_kill, pid, signal);
}

pid_t waitpid(pid_t pid, int *status, int options)
{
    return pid == NOBODY ? pid : (pid_t)syscall(SYS_wait4, pid, status, options, NULL);
}

/* ---- the states ------------------------------------------------------------------------------ */

static void receive(uint32_t due)
{
    size_t len;

    assert_int_equal(wall_receive(wall, &message, &len), 1);
    assert_int_equal(message.type, due);
}

static void ask_for(uint32_t type, uint32_t due)
{
    make(type);
    if (type == WALL_AUTH)
        message.sasl.mechanism = WALL_LOGIN;
    if (type == WALL_END)
        message.end.end = END_HANDED_OVER;
    if (type == WALL_SECURED) {
        strcpy(message.secured.protocol, "TLS1.3");
        strcpy(message.secured.cipher, "X");
    }
    send_message();
    if (due != WALL_NONE)
        receive(due);
}

static void in_auth(void)
{
    ask_for(WALL_AUTH, WALL_CHALLENGE);
    assert_int_equal(message.challenge.code, VERDICT_CHALLENGE);
}

static void leaving(void)
{
    ask_for(WALL_STARTTLS, WALL_READY);
    assert_int_equal(message.ready, 1);
}

static void in_handshake(void)
{
    leaving();
    ask_for(WALL_END, WALL_NONE);
    close(wall);
    wall = next[0];
    receive(WALL_SETTINGS);
    assert_true(message.settings.secure);
    receive(WALL_CERTIFICATE);
}

static void secured(void)
{
    in_handshake();
    ask_for(WALL_SECURED, WALL_MECHANISMS);
}

static void begin_with_next(void)
{
    assert_int_equal(syscall(SYS_socketpair, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, next), 0);
    begin();
    close(next[1]);
}

/* ---- the table ------------------------------------------------------------------------------- */

/* `a` accepted, `b` out of order; `-` breaks another rule, or is the end of the session. */
static void out_of_order(void **state)
{
    static const struct {
        void (*enter)(void);
        const char *name;
    } states[] = {{in_auth, "AUTH"},
                  {leaving, "STARTTLS granted"},
                  {in_handshake, "handshake"},
                  {secured, "after it"}};
    static const struct {
        uint32_t type;
        const char *cells; /* in the states above */
    } table[] = {
        {WALL_SETTINGS, "bbbb"},   {WALL_CERTIFICATE, "bbbb"},  {WALL_VERDICT, "bbbb"},
        {WALL_RESULT, "bbbb"},     {WALL_READY, "bbbb"},        {WALL_SIGNATURE, "bbbb"},
        {WALL_MECHANISMS, "bbbb"}, {WALL_CHALLENGE, "bbbb"},    {WALL_STARTTLS, "bbbb"},
        {WALL_SIGN, "bb-b"},       {WALL_SECURED, "bb-b"},      {WALL_INSECURE, "bb-b"},
        {WALL_AUTH, "bbb-"},       {WALL_RESPONSE, "abbb"},     {WALL_CANCEL, "-bbb"},
        {WALL_VERIFY, "bbba"},     {WALL_MAIL, "bbba"},         {WALL_RECIPIENT, "bbbb"},
        {WALL_TEXT, "bbbb"},       {WALL_COMMIT, "bbbb"},       {WALL_ABANDON, "bbbb"},
        {WALL_REFUSED, "bbba"},    {WALL_REFUSED_TEXT, "bbbb"}, {WALL_END, "----"},
    };

    (void)state;
    tester = getpid();
    put("own.crt", test_certificate);
    put("own.key", test_key);
    more_settings = "auth-without-tls=yes\ntls-certificate=own.crt\ntls-key=own.key\n";
    make_database("yes");
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        for (size_t s = 0; s < sizeof states / sizeof states[0]; s++) {
            char script[64];
            if (table[i].cells[s] == '-')
                continue;
            snprintf(script, sizeof script, "%s, and then type %u", states[s].name, table[i].type);
            begin_with_next();
            states[s].enter();
            make(table[i].type);
            send_message();
            assert_order(script, table[i].cells[s]);
            if (s < 2)
                close(next[0]);
        }
    }
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, clean)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(out_of_order)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
