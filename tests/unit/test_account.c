/* account: lines of passwd, shadow and Dovecot's passwd-file are recognised and parsed. */
#include "../../tools/user/account.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define TODAY 20000

static struct slice slice(const char *text)
{
    return (struct slice){text, strlen(text)};
}

static bool is(struct slice text, const char *word)
{
    return text.len == 0 ? word == NULL || *word == '\0' : slice_is(text, word);
}

#define SYSTEM 1
#define LOCKED 2
#define DISABLED 4

static const struct row {
    const char *line;
    enum account_kind kind;
    const char *name, *scheme, *hash;
    int flags;
} rows[] = {
    /* passwd */
    {"root:x:0:0:root:/root:/bin/bash", ACCOUNT_PASSWD, "root", "", "", SYSTEM},
    {"sync:*:4:65534:sync:/bin:/bin/sync", ACCOUNT_PASSWD, "sync", "", "", SYSTEM},
    {"last:x:999:999::/:/usr/sbin/nologin", ACCOUNT_PASSWD, "last", "", "", SYSTEM},
    {"alice:x:1000:1000:Alice \"A,,,:/home/alice:/bin/sh", ACCOUNT_PASSWD, "alice", "", "", 0},
    {"alice:x:59999:100:::", ACCOUNT_PASSWD, "alice", "", "", 0},
    {"reserved:x:60000:100:::", ACCOUNT_PASSWD, "reserved", "", "", SYSTEM},
    {"nobody:x:65534:65534:nobody:/:/bin/false", ACCOUNT_PASSWD, "nobody", "", "", SYSTEM},
    {"ldap:x:65536:100:::", ACCOUNT_PASSWD, "ldap", "", "", 0},
    {"bob::1001:100:::", ACCOUNT_PASSWD, "bob", "", "", 0},
    {"bob:$1$a$b:1001:100:::", ACCOUNT_PASSWD, "bob", "", "$1$a$b", 0},
    {"bob:abJnggxhB/yWI:1001:100:::", ACCOUNT_PASSWD, "bob", "", "abJnggxhB/yWI", 0},
    /* shadow */
    {"alice:$6$a$b:19000:0:99999:7:::", ACCOUNT_SHADOW, "alice", "", "$6$a$b", 0},
    {"alice:!$6$a$b:19000:0:99999:7:::", ACCOUNT_SHADOW, "alice", "", "$6$a$b", LOCKED},
    {"alice:!!$6$a$b:19000::::::", ACCOUNT_SHADOW, "alice", "", "$6$a$b", LOCKED},
    {"alice:!:19000:0:99999:7:::", ACCOUNT_SHADOW, "alice", "", "", LOCKED},
    {"alice:!!:19000:0:-1:7:::", ACCOUNT_SHADOW, "alice", "", "", LOCKED},
    {"alice:*:19000:0:99999:7:::", ACCOUNT_SHADOW, "alice", "", "", 0},
    {"alice:*$6$a$b:19000:0:99999:7:::", ACCOUNT_SHADOW, "alice", "", "$6$a$b", LOCKED},
    {"alice:!*:19000::::::", ACCOUNT_SHADOW, "alice", "", "", LOCKED},
    {"alice:::::::::", ACCOUNT_DOVECOT, "alice", "", "", 0}, /* one field too many */
    {"alice::::::::", ACCOUNT_SHADOW, "alice", "", "", 0},
    {"root:$6$a$b:19000:0:99999:7:::", ACCOUNT_SHADOW, "root", "", "$6$a$b", SYSTEM},
    {"alice:$6$a$b:19000:0:99999:7::20000:", ACCOUNT_SHADOW, "alice", "", "$6$a$b", LOCKED},
    {"alice:$6$a$b:19000:0:99999:7::20001:", ACCOUNT_SHADOW, "alice", "", "$6$a$b", 0},
    {"alice:$6$a$b:19000:0:99999:7::-1:", ACCOUNT_SHADOW, "alice", "", "$6$a$b", 0},
    /* Dovecot */
    {"alice:{SHA512-CRYPT}$6$a$b", ACCOUNT_DOVECOT, "alice", "{SHA512-CRYPT}", "$6$a$b", 0},
    {"a@x:{CRYPT}!$6$a$b:1:1::/h::nologin", ACCOUNT_DOVECOT, "a@x", "{CRYPT}", "$6$a$b", LOCKED},
    {"a@x:{CRYPT}*$6$a$b::::::", ACCOUNT_DOVECOT, "a@x", "{CRYPT}", "$6$a$b", LOCKED},
    {"a@x:$6$a$b:150:8::/var/vmail:", ACCOUNT_DOVECOT, "a@x", "", "$6$a$b", 0},
    {"a@x:{CRYPT}*::::::", ACCOUNT_DOVECOT, "a@x", "", "", 0},
    {"a@x:{CRYPT}::::::", ACCOUNT_DOVECOT, "a@x", "{CRYPT}", "", 0}, /* refused, and not empty */
    {"a@x:{PLAIN}x::::::", ACCOUNT_DOVECOT, "a@x", "{PLAIN}", "x", 0},
    {"a@x:{CRYPT", ACCOUNT_DOVECOT, "a@x", "", "{CRYPT", 0},
    {"a:{X}h:5000:5000::/home/a:/bin/sh", ACCOUNT_DOVECOT, "a", "{X}", "h", 0},
    {"a:$1$a$b:vmail:vmail::/home/a:/bin/sh", ACCOUNT_DOVECOT, "a", "", "$1$a$b", 0},
    {"a:", ACCOUNT_DOVECOT, "a", "", "", 0},
    {"a::", ACCOUNT_DOVECOT, "a", "", "", 0},
    {" a : $1$a$b :1:1::/h::", ACCOUNT_DOVECOT, "a", "", "$1$a$b", 0},
};

static void kinds_of_lines_are_recognised(void **state)
{
    struct account account;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct row *row = &rows[i];
        print_message("%s\n", row->line);
        assert_null(account_parse(slice(row->line), TODAY, &account));
        assert_int_equal(account.kind, row->kind);
        assert_true(is(account.name, row->name));
        assert_true(is(account.scheme, row->scheme));
        assert_true(is(account.hash, row->hash));
        assert_int_equal(account.is_system, (row->flags & SYSTEM) != 0);
        assert_int_equal(account.locked, (row->flags & LOCKED) != 0);
    }
}

static void other_lines_are_refused(void **state)
{
    static const char *const lines[][2] = {
        {"alice", "no colon"},
        {":x:1:1:::", "no name"},
        {"+::::::", "users of NIS"},
        {"+@friends::::::", "users of NIS"},
        {"alice:$6$a$b:quota=1G", "mailslot's own"},
        {"bob::disabled", "mailslot's own"},
    };
    struct account account;

    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        const char *wrong = account_parse(slice(lines[i][0]), TODAY, &account);
        assert_non_null(wrong);
        assert_non_null(strstr(wrong, lines[i][1]));
    }
}

static const struct extra {
    const char *fields;
    int flags;
    uint64_t quota;
    const char *mailbox, *send_as, *verifiers;
    const char *left_out, *wrong; /* the field that is named */
} extras[] = {
    {"", 0, 0, "", "", "", NULL, NULL},
    {"nologin", LOCKED, 0, "", "", "", NULL, NULL},
    {"nologin=y  userdb_quota_rule=*:storage=1G", LOCKED, 1u << 30, "", "", "", NULL, NULL},
    {"userdb_quota_rule=*:storage=10", 0, 10240, "", "", "", NULL, NULL},
    {"userdb_quota_rule=*:storage=10b", 0, 10, "", "", "", NULL, NULL},
    {"userdb_quota_rule=*:storage=3m", 0, 3 << 20, "", "", "", NULL, NULL},
    {"userdb_quota_rule=*:bytes=10", 0, 10, "", "", "", NULL, NULL},
    {"userdb_quota_rule=*:bytes=10T", 0, UINT64_C(10) << 40, "", "", "", NULL, NULL},
    {"userdb_quota_rule=*:storage=0", 0, 0, "", "", "", NULL, NULL},
    {"userdb_quota_rule=*:storage=1K:messages=5", 0, 1024, "", "", "", "userdb_quota_rule", NULL},
    {"userdb_quota_rule=Trash:storage=1K", 0, 0, "", "", "", "userdb_quota_rule", NULL},
    {"userdb_quota_rule=*:ignore", 0, 0, "", "", "", "userdb_quota_rule", NULL},
    {"userdb_quota_rule=*:storage=%h", 0, 0, "", "", "", "userdb_quota_rule", NULL},
    {"userdb_quota_rule=*:storage=10%%", 0, 0, "", "", "", NULL, "userdb_quota_rule"},
    {"userdb_quota_rule=*:storage=", 0, 0, "", "", "", NULL, "userdb_quota_rule"},
    {"userdb_quota_rule=*:storage=-1", 0, 0, "", "", "", NULL, "userdb_quota_rule"},
    {"userdb_quota_rule=*:storage=G", 0, 0, "", "", "", NULL, "userdb_quota_rule"},
    {"userdb_quota_rule=*:storage=8388608T", 0, 0, "", "", "", NULL, "userdb_quota_rule"},
    {"userdb_quota_rule=*:storage=99999999999999999999", 0, 0, "", "", "", NULL,
     "userdb_quota_rule"},
    {"userdb_mail=mbox:~/mail:INBOX=/var/mail/a", 0, 0, "/var/mail/a", "", "", NULL, NULL},
    {"userdb_mail=mbox:/m:INBOX=/m/a:INDEX=/i", 0, 0, "/m/a", "", "", NULL, NULL},
    {"userdb_mail=mbox:~/mail:INBOX=/m/50%%", 0, 0, "/m/50%", "", "", NULL, NULL},
    {"userdb_mail=mbox:~/mail:INBOX=/m/%u", 0, 0, "", "", "", "userdb_mail", NULL},
    {"userdb_mail=mbox:~/mail:INBOX=/m/%", 0, 0, "", "", "", "userdb_mail", NULL},
    {"userdb_mail=mbox:~/mail", 0, 0, "", "", "", "userdb_mail", NULL},
    {"userdb_mail=mbox:~/mail:INBOX=~/in", 0, 0, "", "", "", "userdb_mail", NULL},
    {"userdb_mail=maildir:/m:INBOX=/m/a", 0, 0, "", "", "", "userdb_mail", NULL},
    {"userdb_mail_inbox_path=/m/50%%", 0, 0, "/m/50%", "", "", NULL, NULL},
    {"userdb_mail_inbox_path=~/in", 0, 0, "", "", "", "userdb_mail_inbox_path", NULL},
    {"userdb_mail_inbox_path=/m/a,b", 0, 0, "", "", "", "userdb_mail_inbox_path", NULL},
    {"allow_nets=10.0.0.0/8", 0, 0, "", "", "", "allow_nets", NULL},
    {"userdb_mailslot_state=disabled nologin", DISABLED, 0, "", "", "", NULL, NULL},
    {"nologin userdb_mailslot_state=disabled", DISABLED, 0, "", "", "", NULL, NULL},
    {"userdb_mailslot_state=disabled,locked", DISABLED | LOCKED, 0, "", "", "", NULL, NULL},
    {"userdb_mailslot_state=x", DISABLED, 0, "", "", "", NULL, "userdb_mailslot_state"},
    {"userdb_mailslot_scram=1,a==,b,c;2 userdb_mailslot_send_as=@x", 0, 0, "", "@x", "1,a==,b,c;2",
     NULL, NULL},
};

static void extra_fields_are_read_or_left_out(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof extras / sizeof extras[0]; i++) {
        const struct extra *extra = &extras[i];
        struct account account = {.extra = slice(extra->fields)};
        struct pool pool = {0};
        struct slice field, left = {0}, bad = {0};
        bool left_out;
        const char *wrong;
        print_message("%s\n", extra->fields);
        while (account_next_extra(&account, &pool, &field, &left_out, &wrong)) {
            left = left_out ? field : left;
            bad = wrong != NULL ? field : bad;
        }
        assert_true(is(left, extra->left_out));
        assert_true(is(bad, extra->wrong));
        assert_int_equal(account.locked, (extra->flags & LOCKED) != 0);
        assert_int_equal(account.disabled, (extra->flags & DISABLED) != 0);
        assert_true(account.quota == extra->quota);
        assert_true(is(account.mailbox, extra->mailbox));
        assert_true(is(account.send_as, extra->send_as));
        assert_true(is(account.verifiers, extra->verifiers));
        pool_free(&pool);
    }
}

/* In the file users, a path with a comma would be two options. */
static void a_path_with_a_comma_is_left_out(void **state)
{
    struct account account = {.extra = slice("userdb_mail=mbox:~/m:INBOX=/m/a,disabled")};
    struct pool pool = {0};
    struct slice field;
    bool left_out;
    const char *wrong;

    (void)state;
    assert_true(account_next_extra(&account, &pool, &field, &left_out, &wrong));
    assert_true(left_out);
    assert_int_equal(account.mailbox.len, 0);
    pool_free(&pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kinds_of_lines_are_recognised),
        cmocka_unit_test(other_lines_are_refused),
        cmocka_unit_test(extra_fields_are_read_or_left_out),
        cmocka_unit_test(a_path_with_a_comma_is_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
