/* A database of any bytes, with a valid seal, or with none if the first byte is odd. */
#include "../../smtpd/database/credential.h"
#include "../../smtpd/database/directory.h"
#include "fuzz.h"

#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static void check(const struct directory_target *target)
{
    MUST(target->user.address.len <= ADDRESS_KEY_MAX && target->address.len <= ADDRESS_KEY_MAX);
    switch (target->kind) {
    case DIRECTORY_MAILBOX:
        MUST(target->user.mailbox.len > 0 && !target->user.in_store);
        break;
    case DIRECTORY_STORE:
        MUST(target->path.len > 0 && *target->path.at == '/');
        break;
    case DIRECTORY_ELSEWHERE:
        MUST(target->address.len > 0);
        break;
    default:
        MUST(false);
    }
}

static void ask(struct database *db)
{
    static const char *const names[] = {"alice@example.org", "alice", "x+y@example.org", "a@b",
                                        "\"a b\"@example.org"};
    static struct settings settings;
    struct directory_match match;
    struct directory_target target;
    struct address address, found[VERDICT_NAMES_MAX];
    struct slice filters[SETTINGS_MILTERS_MAX];
    char key[ADDRESS_KEY_MAX];
    uint32_t count;

    directory_settings(db, &settings);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        MUST(address_parse(slice_of(names[i]), &address) == ADDRESS_OK);
        enum verdict verdict = directory_find(db, &settings, &address, &match);
        if (verdict_accepts(verdict))
            while (directory_next_target(db, &match, &target) == 1)
                check(&target);
        directory_relay(&settings, &address);
        directory_verify(db, &settings, &address, found, &count);
        directory_may_send(db, &settings, (struct slice){key, address_key(&address, key)},
                           &address);
    }
    for (enum role role = ROLE_SMTP; role < ROLES; role++)
        MUST(directory_milters(&settings, role, filters) <= SETTINGS_MILTERS_MAX);
    credential_has_scram(db);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct database db = {.state = DATABASE_MISSING};
    char path[64];
    int fd = memfd_create("fuzz", MFD_CLOEXEC);

    MUST(fd >= 0 && fchmod(fd, 0600) == 0);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (len > 0 && write(fd, bytes + 1, len - 1) == (ssize_t)len - 1 &&
        (bytes[0] % 2 == 1 || seal_write(fd) == 0) && database_open(&db, path) == DATABASE_OPEN)
        ask(&db);
    database_close(&db);
    close(fd);
    return 0;
}
