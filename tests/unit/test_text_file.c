/*
 * text, table and output with millions of users: a large file is mapped, changes to it are noticed,
 * and a database that would be too large is not begun.
 */
#include "../../tools/kit/text_file.h"
#include "../../tools/source/writer.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { SMALL_LINES = 1000, LARGE_LINES = 300 * 1000 };

static char folder[] = "/tmp/mailslot-test-XXXXXX";
static char path[64];

static void write_lines(unsigned lines)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    for (unsigned i = 0; i < lines; i++)
        fprintf(file, "user%06u@example.org: a line of a length that users have %c\n", i,
                i % 7 == 0 ? '\t' : '.');
    assert_int_equal(fclose(file), 0);
}

static void a_file_is_read_line_by_line(void **state)
{
    (void)state;
    for (unsigned lines = SMALL_LINES; lines <= LARGE_LINES; lines *= LARGE_LINES / SMALL_LINES) {
        struct report report = {.to = stderr};
        struct text_file text;
        struct slice line;
        unsigned count = 0;
        char start[32];
        write_lines(lines);
        assert_int_equal(text_file_read(&text, folder, "text"), 1);
        assert_int_equal(text.mapped, lines == LARGE_LINES);
        assert_int_equal(text.lines, lines);
        while (text_file_line(&text, &report, &line)) {
            snprintf(start, sizeof start, "user%06u@example.org: ", count++);
            assert_true(slice_begins(line, start));
        }
        assert_int_equal(count, lines);
        assert_int_equal(report.errors, 0);
        assert_true(
            slice_begins((struct slice){text.bytes, text.len}, "user000000@")); /* still mapped */
        text_file_free(&text);
    }
}

static void every_control_character_is_found(void **state)
{
    (void)state;
    for (int c = 1; c < 256; c++)
        for (size_t at = 0; at < 20; at++) {
            struct report report = {.to = fopen("/dev/null", "w")};
            struct text_file text;
            struct slice line;
            char bytes[] = "a line that has them";
            bytes[at] = (char)c;
            text_file_borrow(&text, folder, "text", (struct slice){bytes, strlen(bytes)});
            while (text_file_line(&text, &report, &line))
                ;
            bool control = (c < ' ' && c != '\t') || c == 0x7f;
            bool is_end = c == '\n' || (c == '\r' && at == 19);
            assert_int_equal(report.errors, control && !is_end);
            fclose(report.to);
            text_file_free(&text);
        }
}

static void a_change_is_noticed(void **state)
{
    struct text_file text;

    (void)state;
    write_lines(LARGE_LINES);
    assert_int_equal(text_file_read(&text, folder, "text"), 1);
    assert_true(text_file_is_same(&text));
    assert_true(text_file_is_current(&text));
    usleep(20000); /* a tick of the file system's clock */
    int fd = open(path, O_WRONLY);
    assert_int_equal(pwrite(fd, "U", 1, 0), 1);
    close(fd);
    assert_false(text_file_is_same(&text));
    assert_false(text_file_is_current(&text));
    text_file_free(&text);

    write_lines(SMALL_LINES);
    assert_int_equal(text_file_read(&text, folder, "text"), 1);
    assert_true(text_file_is_current(&text));
    assert_int_equal(unlink(path), 0);
    assert_false(text_file_is_current(&text));
    assert_true(text_file_is_same(&text)); /* it is a copy */
    text_file_free(&text);
}

static void a_database_that_would_be_too_large_is_not_begun(void **state)
{
    static const uint64_t gib = 1 << 30;
    struct source_user users[2] = {{.key = {"a@b", 3}}, {.key = {"c@b", 3}}};
    struct source source = {.users = users, .users_len = 2};

    (void)state;
    users[0].mailbox.len = (size_t)(3 * gib); /* these are never read */
    assert_int_equal(writer_check_size(&source), 0);
    users[1].mailbox.len = (size_t)gib;
    errno = 0;
    assert_int_equal(writer_check_size(&source), -1);
    assert_int_equal(errno, EOVERFLOW);
    users[1].mailbox.len = (size_t)(gib - gib / 256); /* the seal takes the rest */
    assert_int_equal(writer_check_size(&source), -1);
    assert_false(writer_is_large(2 * gib));
    assert_true(writer_is_large(3 * gib + 1));
}

static int begin(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/text", folder);
    return 0;
}

static int end(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_is_read_line_by_line),
        cmocka_unit_test(every_control_character_is_found),
        cmocka_unit_test(a_change_is_noticed),
        cmocka_unit_test(a_database_that_would_be_too_large_is_not_begun),
    };

    return cmocka_run_group_tests(tests, begin, end);
}
