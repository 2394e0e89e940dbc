#include "show_address.h"

#include "../../smtpd/database/record.h"
#include "../../smtpd/wall/verdict.h"
#include "../kit/memory.h"
#include "../kit/message.h"
#include "../kit/printable.h"
#include "../source/hash.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

/* What the reply to RCPT means, and the exit code. */
static const struct answer {
    const char *meaning;
    int code;
} answers[] = {
    [VERDICT_USER] = {"accepted: user", EXIT_DONE},
    [VERDICT_ALIAS] = {"accepted: alias", EXIT_DONE},
    [VERDICT_CATCH_ALL] = {"accepted: catch-all of", EXIT_DONE},
    [VERDICT_DISABLED] = {"refused: disabled,", EXIT_ABSENT},
    [VERDICT_UNKNOWN] = {"refused: no such user or alias", EXIT_ABSENT},
    [VERDICT_FOREIGN] = {"refused: not a local domain", EXIT_ABSENT},
    [VERDICT_DATABASE] = {"deferred: the database is damaged", EXIT_FAILED},
};

static void print_mailbox(const struct settings *settings, const struct directory_user *user)
{
    char path[DIRECTORY_PATH_MAX];
    struct stat st = {0};

    directory_mailbox(settings, user, path);
    bool is_there = stat(path, &st) == 0;
    bool absent = !is_there && errno == ENOENT;
    printable(path);
    printf("    mailbox      %s\n", path);
    if (is_there && S_ISREG(st.st_mode))
        printf("    size         %" PRId64 " bytes\n", (int64_t)st.st_size);
    else if (absent)
        puts("    size         0 bytes, does not exist yet");
}

static bool is_locked(struct database *db, const struct directory_user *user)
{
    struct slice text, name, value;

    if (database_find(db, "user", user->address, &text) == 1)
        while (record_line(&text, &name, &value) == 1)
            if (slice_is(name, "locked"))
                return slice_is(value, "yes");
    return false;
}

/* The kind, never the secret. */
static int print_credentials(struct database *db, const struct directory_user *user)
{
    struct slice text, name, value;
    int found = database_find(db, "credential", user->address, &text);

    if (found < 0)
        return -1;
    if (found == 0) {
        puts(is_locked(db, user) ? "    credentials  locked (receives mail, cannot log in)"
                                 : "    credentials  none (receives mail, cannot log in)");
        return 0;
    }
    while (record_line(&text, &name, &value) == 1)
        if (slice_is(name, "crypt")) {
            printf("    credentials  %s\n", hash_kind(value));
        } else if (slice_is(name, "scram-sha-256")) {
            struct slice iterations = slice_until(value, ',');
            printf("    credentials  SCRAM-SHA-256, %.*s iterations\n", SLICE(iterations));
        }
    return 0;
}

static int print_send_as(struct database *db, const struct directory_user *user)
{
    struct slice text, name, value;

    if (database_find(db, "user", user->address, &text) != 1)
        return -1;
    while (record_line(&text, &name, &value) == 1)
        if (slice_is(name, "send-as"))
            printf("    send-as      %.*s\n", SLICE(value));
    return 0;
}

static int print_user(struct database *db, const struct settings *settings,
                      const struct directory_target *target)
{
    const struct directory_user *user = &target->user;

    printf("  %.*s\n", SLICE(user->address));
    if (target->kind == DIRECTORY_STORE)
        printf("    store        %.*s (LMTP)\n", SLICE(target->path));
    else
        print_mailbox(settings, user);
    if (user->quota > 0)
        printf("    quota        %" PRIu64 " bytes\n", user->quota);
    if (user->disabled)
        puts("    disabled");
    return print_send_as(db, user) == 0 ? print_credentials(db, user) : -1;
}

static int print_targets(struct database *db, const struct settings *settings,
                         struct directory_match *match)
{
    struct directory_target target;
    int more;

    while ((more = directory_next_target(db, match, &target)) == 1)
        if (target.kind == DIRECTORY_ELSEWHERE)
            printf("  %.*s\n    relayed\n", SLICE(target.address));
        else if (target.user.address.len == 0)
            printf("  lmtp:%.*s\n", SLICE(target.path));
        else if (print_user(db, settings, &target) != 0)
            return -1;
    return more;
}

/* Did the name match only without the delimiter and what follows it? */
static bool has_detail(const struct address *asked, enum verdict verdict,
                       const struct directory_match *match)
{
    return verdict != VERDICT_CATCH_ALL && match->address.local_len > 0 &&
           match->address.local_len < asked->local_len;
}

int show_address(struct database *db, const struct settings *settings, const char *text)
{
    struct directory_match match;
    struct address address;
    char name[ADDRESS_KEY_MAX], status[REPLY_STATUS_MAX];

    if (address_parse(slice_of(text), &address) != ADDRESS_OK) {
        char *shown = memory_format("%s", text);
        printable(shown);
        printf("%s: refused: not a mail address\n", shown);
        free(shown);
        return EXIT_ABSENT;
    }
    enum verdict verdict = directory_find(db, settings, &address, &match);
    const struct answer *answer = &answers[verdict];
    printf("%s: %s %s", text, reply_status(verdict_reply(verdict, REPLY_RECIPIENT), status),
           answer->meaning);
    if (verdict == VERDICT_UNKNOWN || verdict == VERDICT_FOREIGN || verdict == VERDICT_DATABASE) {
        putchar('\n');
        return answer->code;
    }
    if (verdict == VERDICT_CATCH_ALL)
        match.address.local_len = 0;
    size_t len = address_key(&match.address, name);
    printf(" %.*s%s\n", (int)len, name,
           has_detail(&address, verdict, &match) ? ", without the detail" : "");
    if (print_targets(db, settings, &match) == 0)
        return answer->code;
    puts("    451 4.3.0 deferred: the database is damaged here");
    return EXIT_FAILED;
}
