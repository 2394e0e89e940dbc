/*
 * undo: a message torn at any byte is cut off again; what others have written is never cut.
 */
#include "../../smtpd/mailbox/undo.h"

#include "../../smtpd/mailbox/draft.h"
#include "../../smtpd/mailbox/trace.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static const char id[] = "7d0k3v9q2m5x8y1a";
static const char foreign[] = "From foreign@example.net Thu Jan  1 00:00:00 1970\n"
                              "Subject: not yours\n\nDo not cut me.\n\n";

/* What a mailbox may contain before, and the separators that must follow it. */
static const struct {
    const char *text, *separators;
} before[] = {
    {"", ""},
    {"From a@b Thu Jan  1 00:00:00 1970\n\nold\n\n", ""},
    {"From a@b Thu Jan  1 00:00:00 1970\n\nold\n", "\n"},
    {"From a@b Thu Jan  1 00:00:00 1970\n\nold", "\n\n"},
    {"no mailbox at all \x01\x01\x01\x01\n", "\n"},
};

enum { BEFORE = sizeof before / sizeof before[0], LONG = 20000, SIZE = 32768 };

static char folder_name[] = "/tmp/mailslot-test-XXXXXX";
static int folder, fd;
static char message[LONG + TRACE_MAX + DRAFT_ABOVE_MAX]; /* with separators in front */
static size_t message_len;

static int set_up(void **state)
{
    (void)state;
    if (mkdtemp(folder_name) == NULL)
        return -1;
    folder = open(folder_name, O_RDONLY | O_DIRECTORY);
    fd = openat(folder, "box", O_RDWR | O_CREAT | O_EXCL, 0600);
    return folder < 0 || fd < 0 ? -1 : 0;
}

static int clean(void **state)
{
    (void)state;
    close(fd);
    unlinkat(folder, "box", 0);
    close(folder);
    return rmdir(folder_name);
}

static size_t above; /* bytes of fields that filters have put above our Received field */

static void make_room(char *at, size_t len)
{
    memmove(at + above, at, len);
    for (size_t i = 0; i < above; i++)
        at[i] = i == 0 ? 'X' : i == 1 ? ':' : i % 64 == 63 ? '\n' : i % 64 == 0 ? '\t' : 'y';
    if (above > 0)
        at[above - 1] = '\n';
}

/* A message as it is delivered, with a text of at least this length. */
static void make_message(const char *separators, size_t text_len)
{
    static const char text[] = "Subject: From \n\nHello,\n>From the first to the last: From \n\n"
                               ">>From x\n\n\nFro\n>\n>From b@c Mon Jan  1 00:00:00 2024\n"
                               "Home From Paris, on Mon 3 May, From From From\n";
    const struct address sender = {5, 7, "carol", "b.examp"}, user = {5, 7, "alice", "x.examp"};
    const struct trace trace = {.sender = &sender,
                                .recipient = &user,
                                .helo = "client.example",
                                .peer = "192.0.2.1",
                                .hostname = "mx.example.org",
                                .id = id,
                                .extended = true};
    char top[TRACE_MAX];

    strcpy(message, separators);
    message_len = strlen(separators);
    struct slice received = {top, trace_received(top, &trace)};
    size_t upper = trace_envelope(message + message_len, &trace);
    size_t len = trace_mailbox(message + message_len, &trace, &user, received);
    make_room(message + message_len + upper, len - upper);
    message_len += len + above;
    for (size_t made = 0; made < text_len; made += sizeof text - 1) {
        memcpy(message + message_len, text, sizeof text - 1);
        message_len += sizeof text - 1;
    }
    message[message_len++] = '\n';
}

static void write_box(const char *a, size_t a_len, const char *b, size_t b_len, const char *c)
{
    assert_int_equal(ftruncate(fd, 0), 0);
    assert_int_equal(pwrite(fd, a, a_len, 0), a_len);
    assert_int_equal(pwrite(fd, b, b_len, (off_t)a_len), b_len);
    assert_int_equal(pwrite(fd, c, strlen(c), (off_t)(a_len + b_len)), strlen(c));
}

static bool is_gone(const char *name)
{
    struct stat st;

    return fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) != 0 && errno == ENOENT;
}

/* When the stale lock file beside the link was made; NULL: there is none. */
static const struct timespec long_ago = {0, 0}, *lock_made = &long_ago;
static bool power_cut; /* since the link was made */

static struct undo_cut told; /* to is 0: nothing */

static off_t size_of_box(void)
{
    struct stat st;

    assert_int_equal(fstat(fd, &st), 0);
    return st.st_size;
}

/* The cut is reported before it is made. */
static void tell(const void *context, const struct undo_cut *cut)
{
    assert_null(context);
    assert_int_equal(told.to, 0);
    told = *cut;
    assert_int_equal(size_of_box(), cut->to);
}

static struct undo_rules rules = {.longest = 100000, .cutting = tell};

/* Restores the mailbox; returns whether it has been cut to this size. */
static bool is_cut_to(size_t due)
{
    off_t size = size_of_box();

    told.to = 0;
    rules.server = geteuid();
    assert_int_equal(undo_restore(folder, "box", fd, &rules, lock_made), 0);
    assert_true(is_gone("box.undo"));
    assert_int_equal(told.to, size_of_box() != size ? size : 0);
    if (told.to == 0)
        return false;
    assert_int_equal(told.from, due);
    assert_int_equal(size_of_box(), due);
    return true;
}

/* The same for a mailbox that is torn after len bytes of the message, followed by another's text.
 */
static bool is_cut(size_t i, size_t len, const char *behind)
{
    size_t size = strlen(before[i].text);
    char start[64];

    write_box(before[i].text, size, message, len, behind);
    assert_int_equal(undo_make(folder, "box", fd, (off_t)size, (off_t)(size + message_len), id), 0);
    if (power_cut) {
        const struct timespec before_boot[2] = {{1, 0}, {1, 0}};
        assert_int_equal(futimens(fd, before_boot), 0);
        assert_int_equal(utimensat(folder, "box.undo", before_boot, AT_SYMLINK_NOFOLLOW), 0);
    }
    bool cut = is_cut_to(size);
    assert_int_equal(pread(fd, start, size, 0), size);
    assert_memory_equal(start, before[i].text, size);
    return cut;
}

static void every_torn_length_is_restored(void **state)
{
    (void)state;
    for (size_t i = 0; i < BEFORE; i++) {
        make_message(before[i].separators, 100);
        for (size_t len = 0; len <= message_len; len++)
            if (is_cut(i, len, "") != (len > 0 && len < message_len))
                fail_msg("mailbox %zu, torn at %zu of %zu", i, len, message_len);
    }
}

static void long_messages_are_restored(void **state)
{
    (void)state;
    for (size_t i = 0; i < BEFORE; i++) {
        make_message(before[i].separators, LONG);
        for (size_t len = 1; len<message_len; len += len % 8192> 8170 ? 1 : 17)
            if (!is_cut(i, len, ""))
                fail_msg("mailbox %zu, torn at %zu of %zu", i, len, message_len);
        assert_false(is_cut(i, message_len, ""));
    }
}

static void messages_with_much_above_received_are_restored(void **state)
{
    (void)state;
    above = DRAFT_ABOVE_MAX;
    make_message("", 100);
    for (size_t len = 1; len<message_len; len += len % 8192> 8170 ? 1 : 17)
        if (!is_cut(0, len, ""))
            fail_msg("torn at %zu of %zu", len, message_len);
    assert_false(is_cut(0, message_len, ""));
    above = 0;
}

/* A program that ignores lock files appends a message, on a new line, as every reader requires. */
static void foreign_messages_are_never_cut(void **state)
{
    char behind[sizeof foreign + 2];

    (void)state;
    for (size_t i = 0; i < BEFORE; i++) {
        make_message(before[i].separators, LONG);
        for (size_t len = 0; len < message_len - 2 * sizeof foreign;
             len += len < 1000 || len % 8192 > 8050 ? 1 : 37) {
            const char *text = before[i].text;
            char last = len > 0            ? message[len - 1]
                        : strlen(text) > 0 ? text[strlen(text) - 1]
                                           : '\n';
            snprintf(behind, sizeof behind, "%s%s", last == '\n' ? "" : "\n", foreign);
            if (is_cut(i, len, behind))
                fail_msg("mailbox %zu, torn at %zu: foreign message cut", i, len);
        }
        assert_false(is_cut(i, message_len, foreign));
    }
}

/* Without our lock file, or with a later one, somebody else may have changed the mailbox. */
static void nothing_is_cut_where_others_have_been(void **state)
{
    struct timespec later;

    (void)state;
    clock_gettime(CLOCK_REALTIME, &later);
    later.tv_sec += 3600; /* later than all writes of this test, however slow the machine */
    for (size_t i = 0; i < BEFORE; i++) {
        make_message(before[i].separators, LONG);
        for (size_t len = 0; len <= message_len; len += len < 1000 ? 1 : 37) {
            lock_made = NULL;
            assert_false(is_cut(i, len, ""));
            assert_false(is_cut(i, len, foreign));
            lock_made = &later;
            assert_false(is_cut(i, len, ""));
        }
    }
    lock_made = &long_ago;
}

/* A power cut: the file has its length, but some blocks were never written. */
static void zeros_are_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < BEFORE; i++) {
        for (size_t zeros = 1; zeros < 600; zeros += 7) {
            make_message(before[i].separators, LONG);
            memset(message, 0, zeros);
            assert_false(is_cut(i, message_len, "")); /* no reboot, so no block was lost */
            power_cut = true;
            if (!is_cut(i, message_len, ""))
                fail_msg("mailbox %zu, %zu zeros at the beginning: not cut", i, zeros);
            assert_true(is_cut(i, message_len - 100, ""));
            assert_true(is_cut(i, zeros, ""));
            make_message(before[i].separators, LONG);
            memset(message + zeros, 0, message_len - zeros);
            if (!is_cut(i, message_len, ""))
                fail_msg("mailbox %zu, zeros from %zu on: not cut", i, zeros);
            make_message(before[i].separators, LONG);
            memset(message + message_len - zeros, 0, zeros);
            if (!is_cut(i, message_len, ""))
                fail_msg("mailbox %zu, %zu zeros at the end: not cut", i, zeros);
            power_cut = false;
        }
    }
}

/* A power cut brings the link back, but its message was acknowledged, and a reader has edited it.
 */
static void edits_after_a_power_cut_are_kept(void **state)
{
    const struct timespec before_boot[2] = {{1, 0}, {1, 0}};

    (void)state;
    make_message("", LONG);
    write_box("", 0, message, message_len - 700, "");
    assert_int_equal(undo_make(folder, "box", fd, 0, (off_t)message_len, id), 0);
    assert_int_equal(utimensat(folder, "box.undo", before_boot, AT_SYMLINK_NOFOLLOW), 0);
    assert_false(is_cut_to(0));
}

/* Somebody has rewritten the mailbox in place; its size matches the link. */
static void rewritten_mailboxes_are_never_cut(void **state)
{
    static const char *const texts[] = {"From a@b\n\nshorter than ever, and then another one\n\n",
                                        "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "\n\n\n\n\n\n\n\n\n"};

    (void)state;
    make_message("", 100);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        size_t len = strlen(texts[i]);
        for (size_t size = 1; size + 2 < len; size++) {
            write_box(texts[i], len, "", 0, "");
            assert_int_equal(undo_make(folder, "box", fd, (off_t)size, 100000, id), 0);
            if (is_cut_to(size) && i < 2)
                fail_msg("cut at %zu: %s", size, texts[i]);
        }
    }
    /* also if the part before the torn message has changed, so that the torn message has moved */
    write_box(before[2].text, strlen(before[2].text), message, 300, "");
    assert_int_equal(undo_make(folder, "box", fd, 20, 100000, id), 0);
    assert_false(is_cut_to(20));
}

static void links_that_do_not_fit_are_removed(void **state)
{
    /* I: the inode, J: another one, =: the id; the mailbox has 300 bytes */
    static const struct {
        const char *text;
        bool cut;
    } links[] = {
        {"0 1000 I =", true},
        {"0 301 I =", true},
        {"0 1000 J =", false},
        {"0 300 I =", true}, /* its end is not that of a message */
        {"0 299 I =", false},
        {"300 1000 I =", false},
        {"301 1000 I =", false},
        {"-1 1000 I =", false},
        {"0 -1000 I =", false},
        {"0 1000 I", false},
        {"0 1000", false},
        {"0", false},
        {"x", false},
        {"I I I I", false},
        {"/etc/passwd", false},
    };
    struct stat st;

    (void)state;
    make_message("", 100);
    assert_int_equal(fstat(fd, &st), 0);
    for (size_t i = 0; i < sizeof links / sizeof links[0]; i++) {
        char text[128], inode[24], other[24];
        snprintf(inode, sizeof inode, "%ju", (uintmax_t)st.st_ino);
        snprintf(other, sizeof other, "%ju", (uintmax_t)st.st_ino + 1);
        text[0] = '\0';
        for (const char *c = links[i].text; *c != '\0'; c++)
            strcat(text, *c == 'I'   ? inode
                         : *c == 'J' ? other
                         : *c == '=' ? id
                                     : (const char[]){*c, '\0'});
        write_box("", 0, message, 300, "");
        assert_int_equal(symlinkat(text, folder, "box.undo"), 0);
        if (is_cut_to(0) != links[i].cut)
            fail_msg("link %s", text);
    }
}

/* In a folder like /var/mail anybody may make a link. */
static void links_of_others_are_not_believed(void **state)
{
    enum { STRANGER = 4242 };

    (void)state;
    if (geteuid() != 0)
        skip(); /* only root can change a link's owner */
    for (uid_t owner = 0; owner <= STRANGER; owner += STRANGER) {
        for (uid_t of_box = 0; of_box <= STRANGER; of_box += STRANGER) {
            make_message("", 100);
            write_box("", 0, message, 300, "");
            assert_int_equal(undo_make(folder, "box", fd, 0, (off_t)message_len, id), 0);
            assert_int_equal(fchownat(folder, "box.undo", owner, owner, AT_SYMLINK_NOFOLLOW), 0);
            assert_int_equal(fchown(fd, of_box, of_box), 0);
            assert_int_equal(is_cut_to(0), owner == 0 || of_box == owner);
        }
    }
    assert_int_equal(fchown(fd, 0, 0), 0);
}

/* In a user name space, all unmapped users look like this one. */
static void links_of_the_overflow_uid_are_not_believed(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    int sysctl = open("/proc/sys/kernel/overflowuid", O_RDONLY);
    char text[16] = "65534";
    assert_true(sysctl < 0 || read(sysctl, text, sizeof text - 1) > 0);
    close(sysctl);
    uid_t nobody = (uid_t)atoi(text);
    make_message("", 100);
    write_box("", 0, message, 300, "");
    assert_int_equal(undo_make(folder, "box", fd, 0, (off_t)message_len, id), 0);
    assert_int_equal(fchownat(folder, "box.undo", nobody, nobody, AT_SYMLINK_NOFOLLOW), 0);
    assert_int_equal(fchown(fd, nobody, nobody), 0);
    assert_false(is_cut_to(0));
    assert_int_equal(fchown(fd, 0, 0), 0);
}

/* After a power cut a removed link may be back: then the text at its place is another's. */
static void text_that_does_not_begin_like_ours_is_never_cut(void **state)
{
    static const struct {
        const char *text;
        size_t len;
    } tails[] = {
        {"body of a message, acknowledged\n\n", 33},
        {"\nof a message", 13},
        {"From\tof a message", 17},
        {"Fro\0no message at all", 21}, /* its first bytes are not lost, and are not ours */
        {"Frog\0 of a message", 18},
    };

    (void)state;
    for (size_t i = 0; i < sizeof tails / sizeof tails[0]; i++)
        for (int cut = 0; cut <= 1; cut++) {
            bool lost = cut && i == 3; /* the fourth one: NULs in place of ours */
            power_cut = cut;
            memcpy(message, tails[i].text, tails[i].len);
            message_len = tails[i].len + 100;
            if (is_cut(0, tails[i].len, "") != lost)
                fail_msg("%s", tails[i].text);
        }
    power_cut = false;
    /* of full length, with no id in it and nothing lost */
    message_len = (size_t)sprintf(message, "From a@b Thu Jan  1 00:00:00 1970\nX: y\n");
    power_cut = true;
    assert_false(is_cut(0, message_len, ""));
    power_cut = false;
}

/* An attacker who can make links can make one that claims 16 TiB. */
static void links_that_claim_more_than_a_message_are_not_checked(void **state)
{
    (void)state;
    make_message("", LONG);
    rules.longest = (off_t)message_len - 1;
    assert_true(is_cut(1, message_len - 1, ""));
    message[message_len - 1] = 'x'; /* not a complete message */
    assert_false(is_cut(1, message_len, ""));
    assert_int_equal(ftruncate(fd, 1LL << 40), 0);
    assert_int_equal(undo_make(folder, "box", fd, 0, 1LL << 40, id), 0);
    assert_false(is_cut_to(0));
    rules.longest = 100000;
}

static int pipe_to_truncator[2];

/* The size has changed again when this is called, so it checks nothing. */
static void pass_over(const void *context, const struct undo_cut *cut)
{
    (void)context;
    (void)cut;
}

/* As if a program that ignores locks did this between two reads. */
static void a_mailbox_that_is_truncated_meanwhile(void **state)
{
    struct stat st;
    int status;

    (void)state;
    rules = (struct undo_rules){.longest = 1 << 30, .cutting = pass_over};
    assert_int_equal(pipe(pipe_to_truncator), 0);
    pid_t pid = fork();
    if (pid == 0) {
        char byte;
        close(pipe_to_truncator[1]);
        while (read(pipe_to_truncator[0], &byte, 1) == 1) {
            for (int i = 0; i < 100; i++)
                if (ftruncate(fd, i % 2 == 0 ? 40 : 64 << 20) != 0)
                    _exit(1);
        }
        _exit(0);
    }
    for (int i = 0; i < 5; i++) {
        make_message("", 100);
        write_box("", 0, message, 300, "");
        assert_int_equal(ftruncate(fd, 64 << 20), 0);
        assert_int_equal(undo_make(folder, "box", fd, 0, 1 << 30, id), 0);
        assert_int_equal(write(pipe_to_truncator[1], "", 1), 1);
        assert_int_equal(undo_restore(folder, "box", fd, &rules, lock_made), 0);
        assert_true(is_gone("box.undo"));
    }
    close(pipe_to_truncator[1]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(fstat(fd, &st), 0);
    rules = (struct undo_rules){.longest = 100000, .cutting = tell};
}

static void replaced_mailboxes_are_never_cut(void **state)
{
    (void)state;
    make_message("", 100);
    write_box("", 0, message, 300, "");
    assert_int_equal(undo_make(folder, "box", fd, 0, (off_t)message_len, id), 0);
    int other = openat(folder, "new", O_RDWR | O_CREAT | O_EXCL, 0600);
    assert_int_equal(write(other, message, 300), 300);
    assert_int_equal(renameat(folder, "new", folder, "box"), 0);
    close(fd);
    fd = other;
    assert_false(is_cut_to(0));
}

static void without_a_link_nothing_is_done(void **state)
{
    (void)state;
    told.to = 0;
    write_box(foreign, sizeof foreign - 1, "", 0, "");
    assert_int_equal(undo_restore(folder, "box", fd, &rules, lock_made), 0);
    assert_int_equal(told.to, 0);
    /* nor with a file of that name, which belongs to somebody else and stays */
    close(openat(folder, "box.undo", O_WRONLY | O_CREAT | O_EXCL, 0600));
    assert_int_equal(undo_restore(folder, "box", fd, &rules, lock_made), 0);
    assert_int_equal(told.to, 0);
    assert_false(is_gone("box.undo"));
    assert_int_equal(undo_make(folder, "box", fd, 0, 10, id), -1);
    assert_int_equal(errno, EEXIST);
    assert_int_equal(unlinkat(folder, "box.undo", 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_torn_length_is_restored),
        cmocka_unit_test(long_messages_are_restored),
        cmocka_unit_test(messages_with_much_above_received_are_restored),
        cmocka_unit_test(foreign_messages_are_never_cut),
        cmocka_unit_test(nothing_is_cut_where_others_have_been),
        cmocka_unit_test(zeros_are_cut),
        cmocka_unit_test(edits_after_a_power_cut_are_kept),
        cmocka_unit_test(rewritten_mailboxes_are_never_cut),
        cmocka_unit_test(links_that_do_not_fit_are_removed),
        cmocka_unit_test(links_of_others_are_not_believed),
        cmocka_unit_test(links_of_the_overflow_uid_are_not_believed),
        cmocka_unit_test(text_that_does_not_begin_like_ours_is_never_cut),
        cmocka_unit_test(links_that_claim_more_than_a_message_are_not_checked),
        cmocka_unit_test(a_mailbox_that_is_truncated_meanwhile),
        cmocka_unit_test(replaced_mailboxes_are_never_cut),
        cmocka_unit_test(without_a_link_nothing_is_done),
    };

    return cmocka_run_group_tests_name("undo", tests, set_up, clean);
}
