/* source: relays, smarthosts and mail stores in the text files. */
#include "source_files.h"

#include "../../smtpd/back/delivery.h"
#include "../../tools/source/sockets.h"

#include <sys/stat.h>

#define CONF "domains = example.org\nhostname = mx.example.org\n"
#define HOST CONF "smarthost = smtp.example.com:587\n"
#define LOGIN HOST "smarthost-user = x\n"
#define MASTER "postmaster: a\n"

/* Each of these is an error, or a warning, that says where and what. */
static const struct wrong {
    const char *conf, *users, *aliases;
    const char *said; /* after the folder's name */
} wrongs[] = {
    /* relay */
    {CONF "relay = x\n", "", "", "/mailslot.conf:3: relay: write the absolute path of a UNIX"},
    {CONF "relay =\n", "", "", "/mailslot.conf:3: relay: write the absolute path of a UNIX"},
    {CONF "relay = /a//b\n", "", "", "/mailslot.conf:3: relay: write the path of a socket"},
    {CONF "relay = /a/\n", "", "", "/mailslot.conf:3: relay: write the path of a socket"},
    {CONF "relay = /a/../b\n", "", "", "/mailslot.conf:3: relay: write the path without `.`"},
    {CONF "relay = /a,b\n", "", "", "/mailslot.conf:3: relay: the path of a socket cannot contain"},
    {CONF "relay = /a b\n", "", "", "/mailslot.conf:3: relay: write domains of senders after"},
    {CONF "relay = /a @-x\n", "", "", "/mailslot.conf:3: relay: write domains of senders after"},
    {CONF "relay = /run/mailslot/lmtp\n", "", "",
     "/mailslot.conf:3: relay: /run/mailslot/lmtp is a socket of mailslot itself"},
    {CONF "relay = /run/mailslot/submit\n", "", "",
     "/mailslot.conf:3: relay: /run/mailslot/submit is a socket of mailslot itself"},
    {CONF "relay = /a\nrelay = /b @x.x\n", "a::\n", MASTER,
     "/mailslot.conf:4: warning: relay: never used, because one above is for all senders"},
    {CONF "relay = /dev/null\n", "a::\n", MASTER,
     "/mailslot.conf:3: warning: relay: /dev/null is not a socket"},
    {CONF "relay-limit = 0\n", "", "", "/mailslot.conf:3: relay-limit: must be from 1 to 1000000"},
    {CONF "hide-client-address = true\n", "", "",
     "/mailslot.conf:3: hide-client-address: write yes or no"},
    /* smarthost */
    {CONF "smarthost = smtp.example.com\n", "", "",
     "/mailslot.conf:3: smarthost: write HOST:PORT, such as smtp.example.org:587"},
    {CONF "smarthost = a.x:0\n", "", "", "/mailslot.conf:3: smarthost: write HOST:PORT"},
    {CONF "smarthost = a.x:65536\n", "", "", "/mailslot.conf:3: smarthost: write HOST:PORT"},
    {CONF "smarthost = 2001:db8::1:25\n", "", "", "/mailslot.conf:3: smarthost: write HOST:PORT"},
    {CONF "smarthost = [192.0.2.1]:25\n", "", "", "/mailslot.conf:3: smarthost: write HOST:PORT"},
    {CONF "smarthost = a.x:1, b.x:1\n", "", "", "/mailslot.conf:3: smarthost: write HOST:PORT"},
    {CONF "smarthost = a:1 a:2 a:3 a:4 a:5 a:6 a:7 a:8 a:9\n", "", "",
     "/mailslot.conf:3: smarthost: there can be 8 hosts"},
    {HOST "smarthost = a.x:1\n", "", "",
     "/mailslot.conf:4: smarthost is already set in line 3: remove one"},
    {HOST "smarthost-tls = yes\n", "", "",
     "/mailslot.conf:4: smarthost-tls: write implicit, starttls, may or none"},
    {CONF "smarthost-tls = may\n", "", "",
     "/mailslot.conf:3: smarthost-tls: there is no smarthost: add a line"},
    {CONF "smarthost-user = x\n", "", "",
     "/mailslot.conf:3: smarthost-user: there is no smarthost"},
    {LOGIN, "", "", "/mailslot.conf:4: smarthost-user: write the file that has the password"},
    {HOST "smarthost-password = secret\n", "", "",
     "/mailslot.conf:4: smarthost-password: write the name to log in with as smarthost-user"},
    {HOST "smarthost-token = secret\n", "", "",
     "/mailslot.conf:4: smarthost-token: write the name to log in with as smarthost-user"},
    {LOGIN "smarthost-password = secret\nsmarthost-token = secret\n", "", "",
     "/mailslot.conf:6: smarthost-token: there is a smarthost-password, too: remove one"},
    {LOGIN "smarthost-password = secret\nsmarthost-tls = none\n", "", "",
     "/mailslot.conf:6: smarthost-tls: without TLS, the password would cross the network"},
    {LOGIN "smarthost-token = secret\nsmarthost-tls = may\n", "", "",
     "/mailslot.conf:6: smarthost-tls: may accepts any certificate"},
    {LOGIN "smarthost-password = absent\n", "a::\n", MASTER,
     "/absent: No such file or directory; mail to other domains will be deferred"},
    {LOGIN "smarthost-password = /dev/null\n", "a::\n", MASTER,
     "/mailslot.conf:5: warning: smarthost-password: /dev/null is not a file with one line"},
    {LOGIN "smarthost-password = open\n", "a::\n", MASTER,
     "/open can be read by other users; type: chmod g-w,o= "},
    {LOGIN "smarthost-token = shared\n", "a::\n", MASTER,
     "/shared can be changed by other users; type: chmod g-w,o= "},
    {HOST "smarthost-ca = absent\n", "a::\n", MASTER,
     "/mailslot.conf:4: warning: smarthost-ca: cannot "},
    /* local-submission, forward-sender */
    {CONF "local-submission = root nobody-here\n", "a::\n", MASTER,
     "/mailslot.conf:3: warning: local-submission: this system has no user nobody-here"},
    {CONF "local-submission = root, bin\n", "", "",
     "/mailslot.conf:3: local-submission: write names of system users, with blanks between"},
    {CONF "forward-sender = me\n", "", "",
     "/mailslot.conf:3: forward-sender: write keep, or an address such as"},
    {CONF "forward-sender = @x.x\n", "", "",
     "/mailslot.conf:3: forward-sender: write keep, or an address such as"},
    {HOST "smarthost-user = x\nsmarthost-password = secret\n", "a::\n", MASTER "b: c@x.x\n",
     "/aliases:2: warning: b@example.org leads elsewhere, and its mail keeps its sender"},
    {CONF "relay = /a @y.x\n", "a::\n", MASTER "b: c@x.x\n",
     "/mailslot.conf:3: warning: relay: each one is for mail from certain domains"},
    {CONF "relay = /a @y.x\nforward-sender = f@x.x\n", "a::\n", MASTER "b: c@x.x\n",
     "/mailslot.conf:4: forward-sender: there is no relay for this domain"},
    /* mail stores */
    {CONF "mailboxes = /a\n", "", "", "/mailslot.conf:3: mailboxes: write lmtp:/PATH, or nothing"},
    {CONF "mailboxes = lmtp:a\n", "", "", "/mailslot.conf:3: mailboxes: write the absolute path"},
    {CONF "mailboxes = lmtp:/run/mailslot/lmtp\n", "", "",
     "/mailslot.conf:3: mailboxes: this socket is mailslot's own"},
    {CONF "mailboxes = lmtp:/dev/null\n", "a::\n", MASTER,
     "/mailslot.conf:3: warning: mailboxes: it is not a socket"},
    {CONF, "a::mailbox=lmtp:\n", "", "/users:1: mailbox: write the absolute path of a UNIX"},
    {CONF, "a::mailbox=lmtp:/run/mailslot/submit\n", "",
     "/users:1: mailbox: this socket is mailslot's own"},
    {CONF, "a::mailbox=lmtp:/run/mailslot/relay\n", "",
     "/users:1: mailbox: this is the socket of mailslot-relay, which is no mail store"},
    {CONF, "a::quota=1G,mailbox=lmtp:/s\n", "",
     "/users:1: quota: the mailbox is in a mail store (/s), which has quotas of its own"},
    {CONF "mailboxes = lmtp:/s\n", "a::quota=1G\n", "",
     "/users:1: quota: the mailbox is in a mail store (/s), which has quotas of its own"},
    {CONF "mailboxes = lmtp:/s\n", "a/b::\nb::mailbox=/m/b\nc::mailbox=/m/b\n", "",
     "/users:3: mailbox /m/b already belongs to b@example.org"},
    /* aliases */
    {CONF, "a::\n", MASTER "b: c@x.x\n",
     "/aliases:2: `c@x.x`: x.x is not one of the `domains` in mailslot.conf, and no `smarthost` or "
     "`relay`"},
    {HOST, "a::\n", MASTER "b: c@mx.example.org\n",
     "/aliases:2: warning: `c@mx.example.org`: mx.example.org is this server's hostname"},
    {CONF, "a::\n", "b: lmtp:x\n", "/aliases:1: `lmtp:x`: write the absolute path of a UNIX"},
    {CONF, "a::\n", "b: a, lmtp:/run/mailslot/lmtp\n",
     "/aliases:1: `lmtp:/run/mailslot/lmtp`: this socket is mailslot's own"},
    {HOST, "a::\n", "b: c, x@x.x\nc: x@x.x,\n lmtp:/s, b\n",
     "/aliases:3: these aliases form a loop; remove one of the targets: b@example.org -> c@"},
};

/* Secrets of different modes. */
static int make_secrets(void **state)
{
    static const struct {
        const char *name;
        mode_t mode;
    } files[] = {{"secret", 0640}, {"open", 0644}, {"shared", 0660}};
    char path[64];

    if (make(state) != 0)
        return -1;
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, files[i].name);
        put_file(files[i].name, "hush\n", 5);
        if (chmod(path, files[i].mode) != 0)
            return -1;
    }
    return 0;
}

static int clean_secrets(void **state)
{
    put_file("secret", NULL, 0);
    put_file("open", NULL, 0);
    put_file("shared", NULL, 0);
    return clean(state);
}

static void mistakes_are_reported(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof wrongs / sizeof wrongs[0]; i++) {
        const struct wrong *wrong = &wrongs[i];
        struct loaded loaded;
        load(&loaded, wrong->conf, wrong->users, wrong->aliases);
        const char *said = strstr(loaded.said, wrong->said);
        if (said == NULL)
            fail_msg("%zu: not \"%s\", but:\n%s", i, wrong->said, loaded.said);
        const char *line = said;
        while (line > loaded.said && line[-1] != '\n')
            line--;
        bool warning = strncmp(line + strcspn(line, " "), " warning: ", 10) == 0;
        if (loaded.report.errors != !warning)
            fail_msg("%zu: %u errors:\n%s", i, loaded.report.errors, loaded.said);
        assert_null(strstr(loaded.said, "hush"));
        unload(&loaded);
    }
}

/* One mistake, one message. */
static void a_malformed_smarthost_is_not_reported_as_missing(void **state)
{
    struct loaded loaded;
    (void)state;
    load(&loaded, CONF "smarthost = a.x\nsmarthost-user = u\n", "", "");
    assert_non_null(strstr(loaded.said, "smarthost: write HOST:PORT"));
    assert_null(strstr(loaded.said, "there is no smarthost"));
    unload(&loaded);
}

static void valid_files_cause_no_messages(void **state)
{
    static const struct {
        const char *conf, *users, *aliases;
    } rights[] = {
        {HOST, "a::\n", MASTER "b: c@x.x\n"},
        {LOGIN "smarthost-password = secret\nforward-sender = f@example.org\n", "a::\n",
         MASTER "b: c@x.x\n"},
        {LOGIN "smarthost-token = secret\nsmarthost-tls = implicit\n", "a::\n", MASTER},
        {CONF "smarthost = 127.0.0.1:25 [::1]:25 LOCALHOST:25\nsmarthost-tls = none\n"
              "smarthost-user = x\nsmarthost-password = secret\n",
         "a::\n", MASTER},
        {CONF "smarthost = h.x:25\nsmarthost-tls = may\n", "a::\n", MASTER},
        {CONF "relay = /run/mailslot/relay\nforward-sender = keep\nlocal-submission =  root\n",
         "a::\n", MASTER "b: c@x.x\n"},
        {CONF "relay = /a @x.x @y.x\nrelay = /b\n", "a::\n", MASTER "b: c@x.x\n"},
        {CONF "mailboxes = lmtp:/s\n", "a::\na/b::\n-c::mailbox=lmtp:/t\n", MASTER "b: lmtp:/u\n"},
        {CONF "mailboxes =\nhide-client-address = yes\nrelay-limit = 1000000\n",
         "a::mailbox=lmtp:/s\nb::mailbox=lmtp:/s\n", MASTER},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rights / sizeof rights[0]; i++) {
        struct loaded loaded;
        load(&loaded, rights[i].conf, rights[i].users, rights[i].aliases);
        if (loaded.said_len > 0)
            fail_msg("%zu: %s", i, loaded.said);
        unload(&loaded);
    }
}

/* What an alias reaches, as lines. */
static const char *reached(const struct source *source, const char *key)
{
    static char text[1024];
    size_t index, len = 0;

    text[0] = '\0';
    if (!map_find(&source->alias_map, slice_of(key), &index))
        return "no alias";
    const struct source_alias *alias = &source->aliases[index];
    for (size_t i = 0; i < alias->reached_len; i++)
        len += (size_t)snprintf(text + len, sizeof text - len, "%.*s\n",
                                SLICE(source_reached(source, alias->reached[i])));
    return text;
}

static void aliases_reach_stores_and_other_domains(void **state)
{
    struct loaded loaded;

    (void)state;
    load(&loaded, HOST "forward-sender = Fwd@B\xc3\xbc.X\n", "a::\n",
         MASTER
         "b: a, c, C.D@Other.X, lmtp:/s\n"
         "c: C.D@other.x, c.d@other.x, \"e f\"@b\xc3\xbc.x, lmtp:/s, lmtp:/t,\n  c@x@other.x\n"
         "d: M\xc3\xbc@other.x\n@example.org: lmtp:/s\n");
    assert_int_equal(loaded.report.errors, 1); /* c@x@other.x */
    unload(&loaded);
    load(&loaded, HOST "forward-sender = Fwd@B\xc3\xbc.X\n", "a::\n",
         MASTER "b: a, c, C.D@Other.X, lmtp:/s\n"
                "c: C.D@other.x, c.d@other.x, \"e f\"@b\xc3\xbc.x, lmtp:/s,\n lmtp:/t\n"
                "d: M\xc3\xbc@other.x\n@example.org: lmtp:/s\n");
    assert_int_equal(loaded.report.errors, 0);
    assert_string_equal(reached(&loaded.source, "c@example.org"),
                        "@relay:C.D@other.x\n@relay:c.d@other.x\n@relay:e f@xn--b-eha.x\n"
                        "@lmtp:/s\n@lmtp:/t\n");
    assert_string_equal(reached(&loaded.source, "b@example.org"),
                        "a@example.org\n@relay:C.D@other.x\n@relay:c.d@other.x\n"
                        "@relay:e f@xn--b-eha.x\n@lmtp:/s\n@lmtp:/t\n");
    assert_string_equal(reached(&loaded.source, "d@example.org"), "@relay:M\xc3\xbc@other.x\n");
    assert_string_equal(reached(&loaded.source, "@example.org"), "@lmtp:/s\n");
    assert_true(slice_is(loaded.source.settings.forward_sender, "Fwd@xn--b-eha.x"));
    unload(&loaded);
}

static void settings_have_their_stored_form(void **state)
{
    struct loaded loaded;
    char *text;
    size_t len;

    (void)state;
    load(&loaded,
         CONF "relay = /a \t@B\xc3\xbc.X  @Y.x\nrelay = /b\nlocal-submission = root\t bin\n"
              "smarthost = B\xc3\xbc.x:587\t[2001:DB8::1]:465 192.0.2.1:25\nsmarthost-user = J D\n"
              "smarthost-password = secret\n",
         "a::\n", MASTER);
    assert_int_equal(loaded.report.errors, 0);
    const struct settings *settings = &loaded.source.settings;
    assert_int_equal(settings->relays_len, 2);
    assert_true(slice_is(settings->relays[0], "/a @xn--b-eha.x @y.x"));
    assert_true(slice_is(settings->relays[1], "/b"));
    assert_true(slice_is(settings->local_submission, "root bin"));
    FILE *to = open_memstream(&text, &len);
    relay_settings_write(&loaded.source.relay, to);
    fclose(to);
    assert_string_equal(text, "hostname=mx.example.org\n"
                              "smarthost=xn--b-eha.x:587 [2001:DB8::1]:465 192.0.2.1:25\n"
                              "smarthost-tls=\nsmarthost-ca=\nsmarthost-user=J D\n"
                              "smarthost-password=secret\nsmarthost-token=\n");
    free(text);
    unload(&loaded);
}

/* mailslot-relay(8) listens there; another relay may be set instead. */
static void a_smarthost_has_a_relay(void **state)
{
    struct loaded loaded;

    (void)state;
    load(&loaded, HOST, "a::\n", MASTER);
    assert_int_equal(loaded.source.settings.relays_len, 1);
    assert_true(slice_is(loaded.source.settings.relays[0], "/run/mailslot/relay"));
    unload(&loaded);
    load(&loaded, HOST "relay = /a\n", "a::\n", MASTER);
    assert_int_equal(loaded.source.settings.relays_len, 1);
    assert_true(slice_is(loaded.source.settings.relays[0], "/a"));
    unload(&loaded);
    load(&loaded, CONF, "a::\n", MASTER);
    assert_int_equal(loaded.source.settings.relays_len, 0);
    unload(&loaded);
}

static void users_are_in_stores(void **state)
{
    static const char *const mailboxes[] = {"lmtp:/s", "lmtp:/t", "/m/c", "lmtp:/s"};
    struct loaded loaded;
    char *text;
    size_t len;

    (void)state;
    load(&loaded, CONF "mailboxes = lmtp:/s\n",
         "a::\nb::mailbox=lmtp:/t\nc::mailbox=/m/c,quota=1G\nd::mailbox=lmtp:/s\n",
         MASTER "x: lmtp:/u, lmtp:/t, lmtp:/s\n");
    assert_int_equal(loaded.report.errors, 0);
    for (size_t i = 0; i < 4; i++) {
        const struct source_user *user = &loaded.source.users[i];
        struct slice path;
        assert_true(slice_is(user->mailbox, mailboxes[i]));
        assert_true(slice_is(source_mailbox(&loaded.source, user), mailboxes[i]));
        assert_int_equal(source_in_store(user, &path), i != 2);
    }
    FILE *to = open_memstream(&text, &len);
    assert_int_equal(sockets_write(&loaded.source, to), 2);
    fclose(to);
    assert_string_equal(text, "/t\n/u\n");
    free(text);
    unload(&loaded);
}

static void the_number_of_stores_is_limited(void **state)
{
    (void)state;
    for (int stores = SOCKETS_MAX; stores <= SOCKETS_MAX + 1; stores++) {
        char *users = NULL;
        size_t len;
        FILE *to = open_memstream(&users, &len);
        struct loaded loaded;
        for (int i = 0; i < stores; i++)
            fprintf(to, "u%d::mailbox=lmtp:/s/%d\n", i, i);
        fclose(to);
        load(&loaded, CONF, users, "postmaster: u0\n");
        assert_int_equal(loaded.report.errors, stores > SOCKETS_MAX);
        unload(&loaded);
        free(users);
    }
}

/* All kinds of targets count. */
static void the_number_of_targets_is_limited(void **state)
{
    (void)state;
    for (int targets = DIRECTORY_MAILBOXES_MAX; targets <= DIRECTORY_MAILBOXES_MAX + 1; targets++) {
        char *aliases = NULL;
        size_t len;
        FILE *to = open_memstream(&aliases, &len);
        struct loaded loaded;
        fputs(MASTER "all: a, lmtp:/s", to);
        for (int i = 2; i < targets; i++)
            fprintf(to, ",\n u%d@x.x, u%d@X.x", i, i);
        fputs("\n", to);
        fclose(to);
        load(&loaded, HOST, "a::\n", aliases);
        assert_int_equal(loaded.report.errors, targets > DIRECTORY_MAILBOXES_MAX);
        unload(&loaded);
        free(aliases);
    }
}

static void our_own_sockets_are_known(void **state)
{
    (void)state;
    assert_true(source_is_own_socket(slice_of("/run/mailslot/lmtp")));
    assert_true(source_is_own_socket(slice_of("/run/mailslot/submit")));
    assert_false(source_is_own_socket(slice_of("/run/mailslot/relay")));
    assert_false(source_is_own_socket(slice_of("/run/dovecot/lmtp")));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(mistakes_are_reported),
        cmocka_unit_test(a_malformed_smarthost_is_not_reported_as_missing),
        cmocka_unit_test(valid_files_cause_no_messages),
        cmocka_unit_test(aliases_reach_stores_and_other_domains),
        cmocka_unit_test(settings_have_their_stored_form),
        cmocka_unit_test(a_smarthost_has_a_relay),
        cmocka_unit_test(users_are_in_stores),
        cmocka_unit_test(the_number_of_stores_is_limited),
        cmocka_unit_test(the_number_of_targets_is_limited),
        cmocka_unit_test(our_own_sockets_are_known),
    };

    return cmocka_run_group_tests(tests, make_secrets, clean_secrets);
}
