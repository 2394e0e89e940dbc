/*
 * directory: which user an address belongs to. The server asks these questions of the database, as
 * does mailslot-show(8).
 */
#ifndef MAILSLOT_DIRECTORY_H
#define MAILSLOT_DIRECTORY_H

#include "../base/address.h"
#include "../wall/verdict.h"
#include "database.h"
#include "settings.h"

#include <stddef.h>

/* The most mailboxes that an alias may lead to, or one transaction lock: each takes two
 * descriptors, and a process has 1,024. */
enum { DIRECTORY_MAILBOXES_MAX = 400 };

enum { DIRECTORY_PATH_MAX = 2 * SETTINGS_PATH_MAX };

/* One user's mailbox. Points into the database. */
struct directory_user {
    struct slice address; /* its key: canonical, unquoted */
    struct slice mailbox; /* absolute, or beneath mail-root; if in_store, the store's socket */
    uint64_t quota;       /* bytes the mailbox may have; 0: any */
    bool disabled;
    bool in_store;
    bool aliased; /* there is an alias of the same name, which takes precedence */
};

struct directory_match {
    struct address address; /* what matched, fully qualified */
    struct slice targets;   /* a line for each, as in mailslot.cdb(5); in the database */
};

enum directory_kind {
    DIRECTORY_MAILBOX,   /* an mbox file of a user */
    DIRECTORY_STORE,     /* a mail store, by LMTP */
    DIRECTORY_ELSEWHERE, /* an address of another domain, by a relay */
};

/* Where the mail of a recipient goes to. Points into the database. */
struct directory_target {
    enum directory_kind kind;
    struct directory_user user; /* MAILBOX, and the STORE of a user; otherwise {0} */
    struct slice path;          /* STORE: its socket, as socket_path.h allows it */
    /* The recipient to ask for, an address_key(). STORE: empty if it is the recipient as the client
     * wrote it, perhaps without a domain. ELSEWHERE: the local part in the letter case of the
     * administrator. */
    struct slice address;
};

/* Reads the settings record; the hostname is filled in. 0, or -1 with the defaults set. */
int directory_settings(struct database *db, struct settings *settings);

/*
 * Looks an address up: an alias or a user by the whole local part, then by the part before the
 * delimiter, then the domain's catch-all. A local part alone belongs to the first domain, and so
 * does postmaster at the hostname if that is not a domain of its own. Returns
 * VERDICT_USER, _ALIAS, _CATCH_ALL, _DISABLED, _UNKNOWN, _FOREIGN or _DATABASE. match is set for
 * the first four; its address always, except for VERDICT_DATABASE.
 */
enum verdict directory_find(struct database *db, const struct settings *settings,
                            const struct address *address, struct directory_match *match);

/* The same for VRFY, which looks for a local part without a domain in each of the domains:
 * VERDICT_AMBIGUOUS if several have it. *count is how many have it; the first VERDICT_NAMES_MAX
 * are in names. */
enum verdict directory_verify(struct database *db, const struct settings *settings,
                              const struct address *address,
                              struct address names[VERDICT_NAMES_MAX], uint32_t *count);

/* The whole path of a user's mailbox that is not in a store, NUL-terminated. */
void directory_mailbox(const struct settings *settings, const struct directory_user *user,
                       char path[DIRECTORY_PATH_MAX]);

/* The key of a user's address as somebody types it to log in: completed by the first domain. The
 * length, or -1 if it is not an address. There may be no such user. */
ptrdiff_t directory_login(const struct settings *settings, struct slice name,
                          char key[ADDRESS_KEY_MAX]);

/*
 * May the user of this key send from this address? Yes from the user's own address, with or without
 * detail, from an alias that leads to it, and from what send-as lists. 1, 0, or -1 if damaged.
 */
int directory_may_send(struct database *db, const struct settings *settings, struct slice key,
                       const struct address *sender);

/* Takes the next of a match's targets. 1, 0 if none is left, -1 if damaged. */
int directory_next_target(struct database *db, struct directory_match *match,
                          struct directory_target *target);

/* Whom to ask a store about, of a match's target; recipient: as the client wrote it. Without a
 * domain, or in one that is not a domain for mail, it is completed. */
void directory_store_address(const struct directory_match *match,
                             const struct directory_target *target, const struct address *recipient,
                             struct address *asked);

/* The socket of the relay for mail to other domains from this sender, as the relay will see it:
 * that of the first `relay` with the sender's domain, or with no domains at all; or an empty slice.
 */
struct slice directory_relay(const struct settings *settings, const struct address *sender);

/* The sockets of the filters for sessions in this role, in the order in which they are asked.
 * Returns how many. */
size_t directory_milters(const struct settings *settings, enum role role,
                         struct slice paths[SETTINGS_MILTERS_MAX]);

/* The user of this key. 1, 0 if there is none, -1 if damaged. */
int directory_user(struct database *db, struct slice key, struct directory_user *user);

#endif
