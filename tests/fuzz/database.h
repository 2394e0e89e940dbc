/*
 * database: for fuzzers of the back, in their scratch folder: two users, and a catch-all alias for
 * both; and what leads to a store and a relay, for those that have sockets of theirs.
 */
#ifndef MAILSLOT_FUZZ_DATABASE_H
#define MAILSLOT_FUZZ_DATABASE_H

#include "../../smtpd/database/seal.h"
#include "scratch.h"

#include <cdb.h>

static inline void database_add(struct cdb_make *cdb, const char *key, const char *value)
{
    MUST(cdb_make_add(cdb, key, (unsigned)strlen(key), value, (unsigned)strlen(value)) == 0);
}

/* A user whose mailbox is in a store, an alias that leads elsewhere, and one for everybody. */
static inline void database_add_hops(struct cdb_make *cdb)
{
    char user[256];

    snprintf(user, sizeof user, "address=sam@example.org\nmailbox=lmtp:%s/store\n", scratch);
    database_add(cdb, "user:sam@example.org", user);
    database_add(cdb, "alias:out@example.org", "@relay:ext@far.example\n");
    database_add(cdb, "alias:all@example.org",
                 "alice@example.org\nsam@example.org\n@relay:ext@far.example\n");
}

/* settings: further settings. */
static inline void database_make(char path[128], const char *settings)
{
    char all[1024];
    struct cdb_make cdb;

    snprintf(path, 128, "%s/mailslot.cdb", scratch_path());
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    MUST(fd >= 0 && cdb_make_start(&cdb, fd) == 0);
    snprintf(all, sizeof all, "hostname=mx.example.org\ndomains=example.org\nmail-root=%s/mail\n%s",
             scratch, settings);
    database_add(&cdb, "settings", all);
    database_add(&cdb, "domain:example.org", "");
    database_add(&cdb, "user:alice@example.org",
                 "address=alice@example.org\nmailbox=example.org/alice\n");
    database_add(&cdb, "user:bob@example.org",
                 "address=bob@example.org\nmailbox=example.org/bob\nquota=9000\n");
    database_add_hops(&cdb);
    database_add(&cdb, "alias:@example.org", "alice@example.org\nbob@example.org\n");
    database_add(&cdb, "credential:alice@example.org",
                 "crypt=$1$VYSjw66Y$atWlW3AZ7Bxi5RqFupE9M0\n");
    database_add(&cdb, "auth",
                 "decoy=$1$VYSjw66Y$PVUIc5hxl.6knSvRBSBZY1\nscram=yes\nsecret=secret\n");
    MUST(cdb_make_finish(&cdb) == 0 && seal_write(fd) == 0);
    close(fd);
}

#endif
