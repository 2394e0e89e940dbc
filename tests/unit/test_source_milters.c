/* source: filters in mailslot.conf. */
#include "source_files.h"

#include <sys/socket.h>
#include <sys/un.h>

#define CONF "domains = example.org\nhostname = mx.example.org\n"

/* Each of these is an error, or a warning, that says where and what. DIR is the folder. */
static const struct wrong {
    const char *conf;
    unsigned line;
    bool warning;
    const char *said;
} wrongs[] = {
    {"milter =\n", 3, false, "milter: write the absolute path of a UNIX"},
    {"milter = m\n", 3, false, "milter: write the absolute path of a UNIX"},
    {"milter = inet:localhost:11332\n", 3, false, "mailslot-proxy@HOST:PORT.socket"},
    {"milter = localhost:11332 mx\n", 3, false, "and write /run/mailslot/HOST:PORT"},
    {"milter = unix:/m\n", 3, false, "milter: write the path alone, without `unix:`"},
    {"milter = local:/m mx\n", 3, false, "milter: write the path alone, without"},
    {"milter = /m, /n\n", 3, false, "milter: write blanks instead of commas, and each filter"},
    {"milter = /m /n\n", 3, false, "milter: write each filter in a line of its own"},
    {"milter = /a/../m\n", 3, false, "milter: write the path without `.`"},
    {"milter = /m,n mx\n", 3, false, "milter: the path of a socket cannot contain commas"},
    {"milter = /m mx, smtp\n", 3, false, "after the path, with blanks between them: smtp, mx,"},
    {"milter = /m # spam\n", 3, false, "lmtp or local (a comment needs a line of its own)"},
    {"milter = /m 25\n", 3, false, "milter: write roles after the path"},
    {"milter = /m\nmilter = /m\n", 4, false, "milter: a line above names the same filter for"},
    {"milter = /m mx\nmilter = /n\nmilter = /m lmtp mx\n", 5, false, "milter: a line above names"},
    {"milter = DIR/s\nmilter = DIR/link mx\n", 4, false,
     "are the same filter, which would be asked twice: remove one of the two"},
    {"milter = /1\nmilter = /2\nmilter = /3\nmilter = /4\nmilter = /5\nmilter = /6\nmilter = /7\n"
     "milter = /8\nmilter = /9\n",
     11, false, "milter: given too often: there can be 8 filters"},
    {"milter = /run/mailslot/lmtp\n", 3, false, "/run/mailslot/lmtp is a socket of mailslot itse"},
    {"milter = /run/mailslot/submit mx\n", 3, false, "is a socket of mailslot itself, not a filt"},
    {"milter = /run/mailslot/relay\n", 3, false, "is the socket of mailslot-relay, not a filter"},
    {"relay = /r @x.x\nmilter = /m\nmilter = /r\n", 5, false, "milter: /r is set as `relay`, not"},
    {"milter = /s\nmailboxes = lmtp:/s\n", 3, false, "milter: /s is set as `mailboxes`, not"},
    {"milter = /m\nmilter = /dev/null mx\n", 4, true, "milter: /dev/null is not a socket"},
    {"milter-failure = tempfail\n", 3, false, "milter-failure: write defer or accept"},
    {"milter-timeout = 0\n", 3, false, "milter-timeout: must be from 1 to 120 seconds"},
    {"milter-timeout = 3m\n", 3, false, "milter-timeout: must be from 1 to 120 seconds"},
    {"quarantine = hold\n", 3, false, "quarantine: write reject, defer or deliver"},
    {"quarantine = defer\nquarantine = defer\n", 4, false, "quarantine is already set in line 3"},
};

/* With the folder's name where it says DIR. */
static void load_conf(struct loaded *loaded, const char *lines)
{
    char conf[1024] = CONF;
    size_t len = strlen(conf);

    for (const char *at = lines; *at != '\0';) {
        bool here = strncmp(at, "DIR", 3) == 0;
        len += (size_t)snprintf(conf + len, sizeof conf - len, here ? "%s" : "%.1s",
                                here ? folder : at);
        at += here ? 3 : 1;
    }
    load(loaded, conf, "a::\n", "postmaster: a\n");
}

static void mistakes_are_reported(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof wrongs / sizeof wrongs[0]; i++) {
        const struct wrong *wrong = &wrongs[i];
        struct loaded loaded;
        char where[96];
        load_conf(&loaded, wrong->conf);
        snprintf(where, sizeof where, "%s/mailslot.conf:%u: %s", folder, wrong->line,
                 wrong->warning ? "warning: " : "");
        if (strncmp(loaded.said, where, strlen(where)) != 0 ||
            strstr(loaded.said, wrong->said) == NULL || loaded.report.errors != !wrong->warning)
            fail_msg("%zu: not \"%s... %s\", but:\n%s", i, where, wrong->said, loaded.said);
        unload(&loaded);
    }
}

static void valid_lines_cause_no_messages(void **state)
{
    static const char *const rights[] = {
        "milter = /m\n",
        "milter = DIR/s mx smtp\nmilter = DIR/link submission submissions local\n",
        "milter = /m mx\nmilter = /n\nmilter = /m lmtp\n",
        "milter-failure = accept\nmilter-timeout = 2m\nquarantine = deliver\n",
        "relay = /r\nmailboxes = lmtp:/s\nmilter = /m\n",
    };

    (void)state;
    for (size_t i = 0; i < sizeof rights / sizeof rights[0]; i++) {
        struct loaded loaded;
        load_conf(&loaded, rights[i]);
        if (loaded.said_len > 0)
            fail_msg("%zu: %s", i, loaded.said);
        unload(&loaded);
    }
}

static void lines_have_their_stored_form(void **state)
{
    struct loaded loaded;

    (void)state;
    load_conf(&loaded, "milter =\t/m \tmx  smtp\t\nmilter = /n\n");
    assert_int_equal(loaded.report.errors, 0);
    const struct settings *settings = &loaded.source.settings;
    assert_int_equal(settings->milters_len, 2);
    assert_true(slice_is(settings->milters[0], "/m mx smtp"));
    assert_true(slice_is(settings->milters[1], "/n"));
    unload(&loaded);
}

/* A socket with two names, as in /run, and in /var/run, which is a link. */
static int make_names(void **state)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char path[64];

    if (make(state) != 0)
        return -1;
    snprintf(address.sun_path, sizeof address.sun_path, "%s/s", folder);
    snprintf(path, sizeof path, "%s/link", folder);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int made = bind(fd, (struct sockaddr *)&address, sizeof address);
    close(fd);
    return made == 0 ? symlink("s", path) : -1;
}

static int clean_names(void **state)
{
    put_file("s", NULL, 0);
    put_file("link", NULL, 0);
    return clean(state);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(mistakes_are_reported),
        cmocka_unit_test(valid_lines_cause_no_messages),
        cmocka_unit_test(lines_have_their_stored_form),
    };

    return cmocka_run_group_tests(tests, make_names, clean_names);
}
