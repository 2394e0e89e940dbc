/* directory: where mail goes to: mbox files, mail stores, and other domains by a relay. */
#include "../../smtpd/database/directory.h"

#include <cdb.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const struct {
    const char *key, *value;
} records[] = {
    {"settings", "hostname=mx.example.org\ndomains=example.org\nrelay=/r/net @example.net @b.x\n"
                 "relay=/r/all\n"},
    {"domain:example.org", ""},
    {"user:a@example.org", "address=a@example.org\nmailbox=example.org/a\n"},
    {"user:s@example.org", "address=s@example.org\nmailbox=lmtp:/run/store\naliased=yes\n"},
    {"user:off@example.org", "address=off@example.org\nmailbox=lmtp:/run/store\ndisabled=yes\n"},
    {"user:long@example.org", "address=long@example.org\nmailbox=lmtp:/"
                              "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffff"
                              "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffff\n"},
    {"user:none@example.org", "address=none@example.org\nmailbox=lmtp:\n"},
    {"alias:s@example.org", "s@example.org\na@example.org\n@relay:S.S@x.x\n"},
    {"alias:all@example.org", "a@example.org\ns@example.org\n@lmtp:/run/other\n@relay:B@x.x\n"},
    {"alias:@example.org", "@lmtp:/run/rest\n"},
    {"alias:gone@example.org", "off@example.org\n"},
    {"alias:bad1@example.org", "@other:x@x.x\n"},
    {"alias:bad2@example.org", "@lmtp:run\n"},
    {"alias:bad3@example.org", "@relay:x\n"},
    {"alias:bad4@example.org", "@relay:@x.x\n"},
    {"alias:bad5@example.org", "a@example.org\n@relay:x@x.x"},
    {"alias:bad6@example.org", "@\n"},
};

static char folder[] = "/tmp/mailslot-test-XXXXXX";
static char path[64];
static struct database db;
static struct settings settings;

static int make(void **state)
{
    struct cdb_make cdb;

    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/test.cdb", folder);
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
    assert_int_equal(cdb_make_start(&cdb, fd), 0);
    for (size_t i = 0; i < sizeof records / sizeof records[0]; i++)
        assert_int_equal(cdb_make_add(&cdb, records[i].key, (unsigned)strlen(records[i].key),
                                      records[i].value, (unsigned)strlen(records[i].value)),
                         0);
    assert_int_equal(cdb_make_finish(&cdb), 0);
    assert_int_equal(seal_write(fd), 0);
    close(fd);
    assert_int_equal(database_open(&db, path), DATABASE_OPEN);
    return directory_settings(&db, &settings);
}

static int clean(void **state)
{
    (void)state;
    database_close(&db);
    unlink(path);
    return rmdir(folder);
}

static struct address address_of(const char *text)
{
    struct address address;

    assert_int_equal(address_parse(slice_of(text), &address), ADDRESS_OK);
    return address;
}

/* The targets of an address, a word for each. */
static const char *targets_of(const char *text)
{
    static const char *const kinds[] = {"mailbox", "store", "elsewhere"};
    static char said[1024];
    struct directory_match match;
    struct directory_target target;
    struct address address = address_of(text);
    size_t len = 0;
    int more;

    said[0] = '\0';
    if (!verdict_accepts(directory_find(&db, &settings, &address, &match)))
        return "refused";
    while ((more = directory_next_target(&db, &match, &target)) == 1)
        len += (size_t)snprintf(said + len, sizeof said - len, "%s%s %.*s %.*s %.*s",
                                len > 0 ? "; " : "", kinds[target.kind], SLICE(target.user.address),
                                SLICE(target.path), SLICE(target.address));
    return more == 0 ? said : "damaged";
}

static void targets_are_of_three_kinds(void **state)
{
    (void)state;
    assert_string_equal(targets_of("a"), "mailbox a@example.org  ");
    assert_string_equal(targets_of("all"), "mailbox a@example.org  ; "
                                           "store s@example.org /run/store s@example.org; "
                                           "store  /run/other ; "
                                           "elsewhere   B@x.x");
    assert_string_equal(targets_of("whoever@example.org"), "store  /run/rest ");
}

/* The store is asked about the address that the client wrote, unless another one led there. */
static void a_store_is_asked_about_the_user(void **state)
{
    (void)state;
    assert_string_equal(targets_of("S+x@Example.ORG"),
                        "store s@example.org /run/store ; mailbox a@example.org  ; "
                        "elsewhere   S.S@x.x");
}

static void damage_is_found(void **state)
{
    char text[32];

    (void)state;
    for (int i = 1; i <= 6; i++) {
        snprintf(text, sizeof text, "bad%d@example.org", i);
        struct address address = address_of(text);
        struct directory_match match;
        enum verdict verdict = directory_find(&db, &settings, &address, &match);
        if (verdict != VERDICT_DATABASE && strcmp(targets_of(text), "damaged") != 0)
            fail_msg("%s: %s", text, targets_of(text));
    }
    assert_string_equal(targets_of("long"), "refused");
    assert_string_equal(targets_of("none"), "refused");
}

static void the_disabled_receive_nothing(void **state)
{
    struct directory_match match;
    struct address gone = address_of("gone"), off = address_of("off");

    (void)state;
    assert_int_equal(directory_find(&db, &settings, &gone, &match), VERDICT_DISABLED);
    assert_int_equal(directory_find(&db, &settings, &off, &match), VERDICT_DISABLED);
}

/* Only users own addresses. */
static void an_alias_belongs_to_its_users(void **state)
{
    struct address all = address_of("all@example.org"), any = address_of("any@example.org");

    (void)state;
    assert_int_equal(directory_may_send(&db, &settings, slice_of("s@example.org"), &all), 1);
    assert_int_equal(directory_may_send(&db, &settings, slice_of("a@example.org"), &all), 1);
    assert_int_equal(directory_may_send(&db, &settings, slice_of("off@example.org"), &all), 0);
    assert_int_equal(directory_may_send(&db, &settings, slice_of("a@example.org"), &any), 0);
}

static void the_first_relay_for_the_sender_is_taken(void **state)
{
    static const struct {
        const char *sender, *relay;
    } senders[] = {
        {"x@example.net", "/r/net"}, {"X@EXAMPLE.Net", "/r/net"},   {"x@b.x", "/r/net"},
        {"x@sub.b.x", "/r/all"},     {"x@example.org", "/r/all"},   {"x@b", "/r/all"},
        {"\"@b.x\"@c.x", "/r/all"},  {"x@example.net.x", "/r/all"},
    };
    struct settings some = settings;
    struct address none = {0};

    (void)state;
    for (size_t i = 0; i < sizeof senders / sizeof senders[0]; i++) {
        struct address sender = address_of(senders[i].sender);
        if (!slice_is(directory_relay(&settings, &sender), senders[i].relay))
            fail_msg("%s", senders[i].sender);
    }
    assert_true(slice_is(directory_relay(&settings, &none), "/r/all"));
    some.relays_len = 1;
    assert_int_equal(directory_relay(&some, &none).len, 0);
    some.relays_len = 0;
    struct address sender = address_of("x@b.x");
    assert_int_equal(directory_relay(&some, &sender).len, 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(targets_are_of_three_kinds),
        cmocka_unit_test(a_store_is_asked_about_the_user),
        cmocka_unit_test(damage_is_found),
        cmocka_unit_test(the_disabled_receive_nothing),
        cmocka_unit_test(an_alias_belongs_to_its_users),
        cmocka_unit_test(the_first_relay_for_the_sender_is_taken),
    };

    return cmocka_run_group_tests(tests, make, clean);
}
