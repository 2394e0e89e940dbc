/* source: what is allowed in the text files, and the messages about what is not. */
#include "source_files.h"

#include "../../smtpd/back/delivery.h"

#define HASH "$6$abcdefgh$" HASH_43 HASH_43
#define HASH_43 "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeee"
#define CONF "domains = example.org example.net\n"
#define MASTERS "@example.net: a\npostmaster: a\n"

/* Each of these is an error or a warning that says where and what. NULL: the file is missing. */
static const struct wrong {
    const char *conf, *users, *aliases;
    const char *said; /* after the folder's name */
} wrongs[] = {
    /* mailslot.conf */
    {"domains = -x\n", "", "", "/mailslot.conf:1: domains: `-x` is not a domain name"},
    {"domains = a.x a.x\n", "", "", "/mailslot.conf:1: domains: `a.x` is listed twice: remove one"},
    {"domains = a.x, A.X\n", "", "",
     "/mailslot.conf:1: domains: `A.X` is listed twice: remove one"},
    {"domains = b\xc3\xbc.x\xe2\x80\xae\n", "", "",
     "/mailslot.conf:1: domains: `b\xc3\xbc.x\xe2\x80\xae` is not a domain name"},
    {"domains = b\xc3\xbc.x xn--b-eha.x\n", "", "", "`xn--b-eha.x` is listed twice: remove one"},
    {CONF "hostname = b\xc3\xbc.x\n", "", "", "write it in its ASCII form, xn--"},
    {CONF "foo = 1\n", "", "", "/mailslot.conf:2: foo: unknown setting"},
    {CONF "\n# x\nvrfy = si\n", "", "", "/mailslot.conf:4: vrfy: write yes or no"},
    {CONF "vrfy = no\nvrfy = no\n", "", "", "/mailslot.conf:3: vrfy is already set in line 2"},
    {CONF CONF, "", "", "/mailslot.conf:2: domains is already set in line 1"},
    {CONF "vrfy\n", "", "", "/mailslot.conf:2: write NAME = VALUE"},
    {CONF "max-errors = 1 # few\n", "", "", "(a comment needs a line of its own)"},
    {CONF "vrfy = n\x01\n", "", "", "/mailslot.conf:2: byte 9 is a control character (1)"},
    {CONF "vrfy = no\r\r\n", "", "", "/mailslot.conf:2: byte 10 is a control character (13)"},
    {CONF "tls-certificate = a.pem\n", "", "",
     "/mailslot.conf: 1 tls-certificate but 0 tls-key: write one tls-key after each"},
    /* users */
    {CONF, NULL, "", "/users: warning: there is no such file"},
    {CONF, "a\n", "", "/users:1: write ADDRESS:CREDENTIALS:OPTIONS"},
    {CONF, "a::\nA@Example.ORG::\n", "",
     "/users:2: user a@example.org is already defined in line 1"},
    {CONF, "a@foreign.x::\n", "", "/users:1: `a@foreign.x`: foreign.x is not one of the `domains`"},
    {CONF, "a b::\n", "", "/users:1: `a b` is not a mail address"},
    {CONF, "<a>::\n", "", "/users:1: `<a>` is not a mail address"},
    {CONF, "\"\"::\n", "", "/users:1: `\"\"` is not a mail address"},
    {CONF, "m\xc3::\n", "", "`m\xc3` is not a mail address"},
    {CONF, "m\xc3\xbc::\nMU\xcc\x88::\n", "", "is already defined in line 1"},
    {CONF, "a/b::\n", "", "/users:1: `a/b` cannot be the name of a file (it contains a slash)"},
    {CONF, "\"..\"::\n", "", "`..` cannot be the name of a file (it begins with a dot"},
    {CONF, "-a::\n", "", "`-a` cannot be the name of a file (it begins with a dot or a hyphen)"},
    {CONF, "a.lock::\n", "", "`a.lock` cannot be the name of a file"},
    {CONF, "A.UNDO::\n", "", "`a.undo` cannot be the name of a file"},
    {CONF, "a:secret:\n", "", "/users:1: a@example.org: not a crypt(3) hash"},
    {CONF, "a:{PLAIN}secret:\n", "", "/users:1: a@example.org: this {SCHEME} is not supported"},
    {CONF, "a:{CRYPT}:\n", "", "/users:1: a@example.org: not a crypt(3) hash"},
    {CONF, "a:$6$abcdefgh$aaa:\n", "", "the hash is damaged or cut short"},
    {CONF, "a:" HASH "a:\n", "", "the hash is damaged or cut short"},
    {CONF, "a:$9$abc$aaa:\n", "", "an unknown kind of hash"},
    {CONF, "a::quota\n", "", "/users:1: quota: write `=` and a value after it"},
    {CONF, "a::quota=0\n", "", "/users:1: quota: write a size"},
    {CONF, "a::quota=1X\n", "", "/users:1: quota: write a size"},
    {CONF, "a::quota=99999999999G\n", "", "/users:1: quota: write a size"},
    {CONF, "a::quota=1G,quota=2G\n", "", "/users:1: quota: given twice"},
    {CONF, "a::disabled=yes\n", "", "/users:1: disabled: takes no value"},
    {CONF, "a::enabled\n", "", "/users:1: `enabled` is not an option"},
    {CONF, "a::b@example.org\n", "", "/users:1: `b@example.org` is not an option"},
    {CONF, "a::1000:1000::/home/a\n", "", "is not an option"},
    {CONF, "a::send-as=@-x\n", "", "/users:1: send-as: `@-x` is not a domain name"},
    {CONF, "a::send-as=b@x,b c@x\n", "", "/users:1: `b c@x` is not a mail address"},
    {CONF, "a::mailbox=m/a\n", "", "/users:1: mailbox: write an absolute path"},
    {CONF, "a::mailbox=/m/a\"b,disabled\n", "", "/users:1: mailbox: the path of a mailbox cannot"},
    {CONF, "a::mailbox=/m/[a,quota=1G\n", "", "/users:1: mailbox: the path of a mailbox cannot"},
    {CONF, "a::mailbox=/m/../a\n", "", "/users:1: mailbox: write the path without `.` and `..`"},
    {CONF, "a::mailbox=/m/a/\n", "", "/users:1: mailbox: write the path of a file"},
    {CONF, "a::mailbox=/m//a\n", "", "/users:1: mailbox: write the path of a file"},
    {CONF, "a::mailbox=/\n", "", "/users:1: mailbox: write the path of a file"},
    {CONF, "a::mailbox=/a\n", "",
     "/users:1: mailbox /a: with a mailbox in /, the server could write"},
    {CONF, "a::mailbox=/m/a.lock\n", "", "/users:1: mailbox: names that end in"},
    {CONF, "a::mailbox=/m/a\nb::mailbox=/m/a\n", "",
     "/users:2: mailbox /m/a already belongs to a@example.org"},
    {CONF "mail-root = /m\n", "b::mailbox=/m/example.org/a\na::\n", "",
     "/users:2: mailbox /m/example.org/a already belongs to b@example.org"},
    {CONF, "a::mailbox=/m/a\nb::mailbox=/m/a/b\n", "",
     "/users:2: mailbox /m/a/b would be inside the mailbox of a@example.org"},
    {CONF "mail-root = /m\n", "b::mailbox=/m/example.org\na::\n", "",
     "/users:2: mailbox /m/example.org/a would be inside the mailbox of b@example.org"},
    {CONF, "a+b::\n", "",
     "/users:1: warning: a+b@example.org contains the recipient-delimiter `+`"},
    /* aliases */
    {CONF, "a::\n", "", "/aliases: warning: nobody receives mail for postmaster@example.org"},
    {CONF, "a::\n", "postmaster: a\n", "nobody receives mail for postmaster@example.net"},
    {CONF, "postmaster::disabled\n", "", "nobody receives mail for postmaster@example.org"},
    {CONF, "a::\n", "b a\n", "/aliases:1: write ADDRESS: TARGET, TARGET"},
    {CONF, "a::\n", "  a\n", "/aliases:1: a line that begins with a blank"},
    {CONF, "a::\n", "b: a\nB: a\n", "/aliases:2: alias b@example.org is already defined in line 1"},
    {CONF, "a::\n", "b:\n", "/aliases:1: b@example.org: name at least one user or alias"},
    {CONF, "a::\n", "b: ,\n", "/aliases:1: b@example.org: name at least one user or alias"},
    {CONF, "a::\n", "b: a,\n # x\n\n  c\n", "/aliases:4: c@example.org: no such user"},
    {CONF, "a::\n", "b: x@gmail.com\n", "/aliases:1: `x@gmail.com`: gmail.com is not one of"},
    {CONF, "a::\n", "b: |prog\n",
     "/aliases:1: |prog@example.org: no such user or alias: a target cannot"},
    {CONF, "a::\n", "b: /dev/null\n",
     "/aliases:1: /dev/null@example.org: no such user or alias: a target cannot"},
    {CONF, "a::\n", "b: a a\n", "/aliases:1: `a a` is not one address: write commas"},
    {CONF, "a::\n", "b: a; a\n", "/aliases:1: `a; a` is not one address: write commas"},
    {CONF, "a::\n", "b: \"a a\"\n", "/aliases:1: a a@example.org: no such user"},
    {CONF, "a::\n", ":include:/x: a\n", "/aliases:1: `` is not a mail address"},
    {CONF, "a::\n", "b: @example.net\n", "/aliases:1: `@example.net` is not a mail address"},
    {CONF, "a::\n", "@foreign.x: a\n", "/aliases:1: `@foreign.x` is not one of the `domains`"},
    {CONF, "a::\n", "@: a\n", "/aliases:1: `@` is not one of the `domains`"},
    {CONF, "a::\n", "b: b\n", "/aliases:1: b@example.org refers to itself, and there is no user"},
    {CONF, "a::\n", "b: a,\n  c\nc: b\n",
     "/aliases:3: these aliases form a loop; remove one of the targets: b@example.org -> "
     "c@example.org -> "
     "b@example.org\n"},
    {CONF, "a::\n", "d: b\nb: c\nc: b\n", "targets: b@example.org -> c@example.org -> b@"},
};

static void mistakes_in_files_are_reported(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof wrongs / sizeof wrongs[0]; i++) {
        const struct wrong *wrong = &wrongs[i];
        struct loaded loaded;
        load(&loaded, wrong->conf, wrong->users, wrong->aliases);
        if (strstr(loaded.said, wrong->said) == NULL)
            fail_msg("%zu: not \"%s\", but:\n%s", i, wrong->said, loaded.said);
        bool warning = strstr(wrong->said, "warning: ") != NULL ||
                       strncmp(wrong->said, "nobody", strlen("nobody")) == 0;
        assert_int_equal(loaded.report.errors, !warning);
        assert_null(strstr(loaded.said, "secret"));
        unload(&loaded);
    }
}

static void valid_files_cause_no_messages(void **state)
{
    static const struct {
        const char *conf, *users, *aliases;
    } rights[] = {
        {CONF, "a::\n", MASTERS},
        {"\xef\xbb\xbf" CONF,
         "\xef\xbb\xbf"
         "a::",
         "\xef\xbb\xbf"
         "postmaster: a\n@example.net: a"},
        {"domains = example.org, example.net\r\n", "a::\r\n",
         "postmaster: a\r\n@example.net:\r\n a"},
        {"  domains=example.org\texample.net,\n\t# x\n", " a ::\n\t#x\n",
         "@example.net:a\npostmaster:a"},
        {CONF "recipient-delimiter =\n", "a+b::\na::\n", MASTERS},
        {CONF, "a:!:\nb:!" HASH ":\nc:{sha512-crypt}" HASH ":\nd:{CRYPT}" HASH "\n", MASTERS},
        {CONF, "a:$y$j9T$abcdefgh$" HASH_43 ":\nb:$2b$10$" HASH_43 "ffffffffff:\n", MASTERS},
        {CONF, "a::\na/b::mailbox=/m/b\n-c::mailbox=/m/c\nd.lock::mailbox=/m/d\n", MASTERS},
        {"domains = [192.0.2.1] [IPv6:::1]\n", "a::\nb@[IPv6:::1]::\n",
         "postmaster: b@[IPv6:::1], a\n@[ipv6:::1]: a\n"},
        {CONF, "\"a:b,c\"::\na::\n", MASTERS "x: \"a:b,c\", \"a:b,c\"@example.org\n\"y:\": a\n"},
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

static void users_have_their_options(void **state)
{
    struct loaded loaded;

    (void)state;
    load(&loaded, "domains = Example.org\n",
         "Alice:" HASH ":send-as=sales,X@Foreign.x,@Example.NET,quota=2K,mailbox=/m/a b\n"
         "bob:!{CRYPT}" HASH ":disabled\n"
         "\"C d\"@EXAMPLE.ORG::quota=9223372036854775807\n",
         NULL);
    assert_int_equal(loaded.report.errors, 0);
    assert_int_equal(loaded.source.users_len, 3);
    const struct source_user *user = loaded.source.users;
    assert_true(slice_is(user[0].key, "alice@example.org"));
    assert_true(slice_is(user[0].credentials.hash, HASH));
    assert_true(slice_is(user[0].send_as, "sales@example.org\nx@foreign.x\n@example.net\n"));
    assert_true(slice_is(user[0].mailbox, "/m/a b"));
    assert_int_equal(user[0].quota, 2048);
    assert_false(user[0].disabled || user[0].credentials.locked);
    assert_true(slice_is(user[1].credentials.hash, HASH));
    assert_true(slice_is(user[1].mailbox, "example.org/bob"));
    assert_true(user[1].disabled && user[1].credentials.locked);
    assert_int_equal(user[1].line, 2);
    assert_true(slice_is(user[2].key, "c d@example.org"));
    assert_true(slice_is(user[2].mailbox, "example.org/c d"));
    assert_int_equal(user[2].quota, INT64_MAX);
    assert_int_equal(user[2].credentials.hash.len, 0);
    unload(&loaded);
}

/* The users that an alias leads to, as one text. */
static const char *behind(const struct source *source, const char *key)
{
    static char text[1024];
    size_t index, len = 0;

    text[0] = '\0';
    if (!map_find(&source->alias_map, slice_of(key), &index))
        return "no alias";
    for (size_t i = 0; i < source->aliases[index].reached_len; i++) {
        struct slice user = source_reached(source, source->aliases[index].reached[i]);
        len +=
            (size_t)snprintf(text + len, sizeof text - len, "%s%.1s", i == 0 ? "" : " ", user.at);
    }
    return text;
}

static void aliases_are_flattened(void **state)
{
    struct loaded loaded;

    (void)state;
    load(&loaded, CONF, "a::\nb::\nc::\nd@example.net::\n",
         "all: team, c, d@example.net\n"
         "team: a, b,\n"
         "# in between\n"
         "   A@Example.Org,\n"
         "\tb\n"
         "b: b, c\n"
         "c: d@example.net\n"
         "@example.net: all, d@example.net\n"
         "postmaster: x\nx: y\ny: all\n");
    assert_int_equal(loaded.report.errors, 0);
    assert_string_equal(behind(&loaded.source, "all@example.org"), "a b d");
    assert_string_equal(behind(&loaded.source, "team@example.org"), "a b d");
    assert_string_equal(behind(&loaded.source, "b@example.org"), "b d");
    assert_string_equal(behind(&loaded.source, "c@example.org"), "d");
    assert_string_equal(behind(&loaded.source, "@example.net"), "a b d");
    assert_string_equal(behind(&loaded.source, "postmaster@example.org"), "a b d");
    unload(&loaded);
}

static void the_number_of_targets_is_limited(void **state)
{
    (void)state;
    for (int users = DIRECTORY_MAILBOXES_MAX; users <= DIRECTORY_MAILBOXES_MAX + 1; users++) {
        char *people = NULL, *names = NULL;
        size_t people_len, names_len;
        FILE *to_people = open_memstream(&people, &people_len);
        FILE *to_names = open_memstream(&names, &names_len);
        struct loaded loaded;
        fputs("postmaster: all\nother: all\nall: ", to_names);
        for (int i = 0; i < users; i++) {
            fprintf(to_people, "u%d::\n", i);
            fprintf(to_names, "u%d, u%d,\n ", i, i / 2);
        }
        fputs("u0\n", to_names);
        fclose(to_people);
        fclose(to_names);
        load(&loaded, "domains = example.org\n", people, names);
        bool fits = users == DIRECTORY_MAILBOXES_MAX;
        assert_int_equal(loaded.report.errors, !fits);
        if (!fits)
            assert_non_null(strstr(loaded.said, "/aliases:3: all@example.org reaches more than"));
        unload(&loaded);
        free(people);
        free(names);
    }
}

/* Neither the stack nor the time may grow with the length of a chain. */
static void chains_may_be_long(void **state)
{
    enum { LENGTH = 100000 };
    (void)state;
    for (int loop = 0; loop < 2; loop++) {
        char *chain = NULL;
        size_t len;
        FILE *to = open_memstream(&chain, &len);
        struct loaded loaded;
        for (int i = 0; i < LENGTH; i++)
            fprintf(to, "x%d: x%d\n", i, i + 1);
        fprintf(to, "x%d: %s\npostmaster: a\n", LENGTH, loop ? "x0" : "a");
        fclose(to);
        load(&loaded, "domains = example.org\n", "a::\n", chain);
        assert_int_equal(loaded.report.errors, loop);
        if (loop)
            assert_non_null(
                strstr(loaded.said, "x4@example.org -> ... -> x100000@example.org -> x0@"));
        else
            assert_string_equal(behind(&loaded.source, "x0@example.org"), "a");
        unload(&loaded);
        free(chain);
    }
}

static void the_number_of_messages_is_limited(void **state)
{
    char users[400 * 4 + 1] = "";
    struct loaded loaded;
    size_t lines = 0;

    (void)state;
    for (size_t i = 0; i < 400; i++)
        memcpy(users + 4 * i, "bad\n", 5);
    load(&loaded, CONF, users, "");
    assert_int_equal(loaded.report.errors, 400);
    for (const char *at = loaded.said; (at = strchr(at, '\n')) != NULL; at++)
        lines++;
    assert_int_equal(lines, REPORT_ERRORS_SHOWN + 1);
    assert_non_null(strstr(loaded.said, "(350 more errors not shown)"));
    unload(&loaded);
}

static void odd_bytes_are_refused(void **state)
{
    static char line[TEXT_FILE_LINE_MAX + 64];
    struct loaded loaded;

    (void)state;
    put_file("mailslot.conf", CONF, strlen(CONF));
    put_file("aliases", MASTERS, strlen(MASTERS));
    put_file("users", "a::\nb\0::\n", 9);
    load_bytes(&loaded);
    assert_int_equal(loaded.report.errors, 1);
    assert_non_null(strstr(loaded.said, "/users:2: byte 2 is a control character (0)"));
    unload(&loaded);

    memset(line, 'a', sizeof line);
    memcpy(line, "a::\n", 4);
    put_file("users", line, sizeof line);
    load_bytes(&loaded);
    assert_int_equal(loaded.report.errors, 1);
    assert_non_null(strstr(loaded.said, "/users:2: the line is longer than 65536 bytes"));
    unload(&loaded);

    load(&loaded, CONF, "a::\nb:\x1b[2J:\n", MASTERS);
    assert_null(strchr(loaded.said, '\x1b'));
    assert_int_equal(loaded.report.errors, 1);
    unload(&loaded);

    load(&loaded, CONF,
         "a::\nb\xc2\x9b"
         "2J::\nc::\x9b=1\n\xc3\x9b"
         "d::x=1\n",
         MASTERS);
    assert_int_equal(loaded.report.errors, 3);
    assert_null(strstr(loaded.said, "\xc2\x9b"));
    assert_null(strstr(loaded.said, " \x9b"));
    unload(&loaded);
}

static void one_of_many_users_is_read_alone(void **state)
{
    static const char *const ways[] = {"bob", "BOB@example.org", "\"bob\"@Example.ORG"};

    (void)state;
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        struct report report = {.to = fopen("/dev/null", "w")};
        struct source source;
        const char *file;
        char users[128];
        size_t len =
            (size_t)snprintf(users, sizeof users, "alice::\nbobby::\n%s:*wrong:\nbo::\n", ways[i]);
        put_file("mailslot.conf", "domains = example.org\n", 22);
        put_file("users", users, len);
        put_file("aliases", "", 0);
        assert_int_equal(source_load_one(&source, &report, folder, "Bob", &file), 0);
        assert_int_equal(source.users_len, 1);
        assert_int_equal(source.users[0].line, 3);
        assert_true(slice_is(source.users[0].key, "bob@example.org"));
        source_free(&source);
        fclose(report.to);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(mistakes_in_files_are_reported),
        cmocka_unit_test(one_of_many_users_is_read_alone),
        cmocka_unit_test(valid_files_cause_no_messages),
        cmocka_unit_test(users_have_their_options),
        cmocka_unit_test(aliases_are_flattened),
        cmocka_unit_test(the_number_of_targets_is_limited),
        cmocka_unit_test(chains_may_be_long),
        cmocka_unit_test(the_number_of_messages_is_limited),
        cmocka_unit_test(odd_bytes_are_refused),
    };

    return cmocka_run_group_tests(tests, make, clean);
}
