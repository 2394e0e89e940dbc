/*
 * source: the three files that the administrator writes, mailslot.conf(5), mailslot-users(5) and
 * mailslot-aliases(5), parsed, checked and resolved.
 *
 * All work is linear in the size of the files, and no depth of aliases is recursed into.
 */
#ifndef MAILSLOT_SOURCE_H
#define MAILSLOT_SOURCE_H

#include "../../smtpd/database/database.h"
#include "../../smtpd/database/settings.h"
#include "../kit/map.h"
#include "../kit/pool.h"
#include "../kit/report.h"
#include "../kit/text_file.h"
#include "credentials.h"

#include <stdint.h>
#include <stdio.h>

/* Keys are as address_key() makes them, NUL-terminated besides. There may be millions of users: the
 * order of the members saves memory. */
struct source_user {
    struct slice key;
    struct slice credentials_text; /* the field as it stands in the file's text, after a colon; if
                                 there is none, the end of the address */
    struct slice options;          /* the same; at NULL: there is no second colon */
    struct credentials credentials;
    unsigned line;
    bool wrong;             /* the line has an error */
    bool credentials_wrong; /* the credentials have one: only `locked` counts */
    bool disabled;
    struct slice open_again; /* the credentials of a further line of this user's, not locked */
    uint64_t quota;          /* 0: none */
    struct slice mailbox; /* absolute, or DOMAIN/LOCALPART beneath mail-root; NULL: line is wrong */
    struct slice send_as; /* each on its line, `local@domain` or `@domain` */
};

struct source_target {
    struct slice key;
    unsigned line;
    bool is_alias;
    size_t index; /* in aliases or users; SIZE_MAX: it does not exist, which was reported */
};

struct source_alias {
    struct slice key; /* `@domain` for a catch-all */
    unsigned line;
    size_t first_target, targets; /* as written */
    uint32_t *users;              /* flattened: indices */
    size_t users_len;
    int state; /* of the flattening */
};

struct source {
    struct text_file conf_text, users_text, aliases_text;
    struct settings settings;
    unsigned certificate_lines[SETTINGS_CERTIFICATES_MAX], priority_line; /* for messages */
    struct slice *domains; /* lower case, the first one completes bare local parts */
    size_t domains_len, domains_room;
    struct source_user *users;
    size_t users_len, users_room;
    struct source_alias *aliases;
    size_t aliases_len, aliases_room;
    struct source_target *targets;
    size_t targets_len, targets_room;
    struct map domain_map, user_map, alias_map;
    struct slice only;           /* the key of the one user that was read; at NULL: all were */
    bool unreadable;             /* mailslot.conf or aliases, if the report is tolerant */
    struct report_memory errors; /* those found, if the report remembers them here */
    struct pool pool;
};

void source_free(struct source *source);

/* Are the texts still as they were read? A file may have been written to in place. */
bool source_is_same(const struct source *source);
/* Would source_load() read the same again? False also if one of the files does not exist. */
bool source_is_current(const struct source *source);

/* Does the folder have none of the three files, as on a machine that only has a copy of the
 * database?
 */
bool source_is_absent(const char *folder);

/*
 * The key of an address as written here: completed by the first domain. What is wrong is reported,
 * at the line given, and gives false; so is an address that is not in one of the domains, if local.
 * The key of such an address is set; that of other wrong ones is NULL.
 */
bool source_key(struct source *source, struct report *report, const char *file, unsigned line,
                struct slice written, bool local, struct slice *key);

/* Is it an IP address, as 10.0.0.1, or another name that ends in a number alone? No top-level
 * domain does, so nobody can look it up. */
bool source_is_number(struct slice name);

/* A domain in lower case and in its ASCII form, in the pool. False: it is not a domain. */
bool source_domain(struct source *source, struct slice written, struct slice *domain);

/* The key of `@domain`, all the addresses of a domain. False: it is not a domain. */
bool source_domain_key(struct source *source, struct slice written, struct slice *key);

/* Why an address may not have been understood, for the end of a message. */
const char *source_hint(void);

/* The mailbox as an absolute path, its slashes single; empty if there is none, because its line
 * is wrong. It lives as long as the source. */
struct slice source_mailbox(struct source *source, const struct source_user *user);

/* Can the user log in: is there a password, and nothing in the way? */
bool source_has_login(const struct source_user *user);

/*
 * Takes the next option off a field: `NAME` or `NAME=VALUE`; the addresses of send-as are one
 * option. *name is empty if no option has this name. False: there are no more.
 */
bool source_next_option(struct slice *rest, struct slice *name, struct slice *option);

/* Reports what is wrong with options, as found in file. */
void source_check_options(struct source *source, struct report *report, const char *file,
                          struct slice options);

/* To be called after each user by whoever goes through all of them in order, with *passed 0 at the
 * start: the text up to there need not stay in memory. */
void source_pass(const struct source *source, const struct source_user *user, size_t *passed);

/* The parts of source_load(), each in its own file. */
void source_read_settings(struct source *source, struct report *report);
void source_read_users(struct source *source, struct report *report);
/* Two users must not share a mailbox, nor can one user's mailbox be the folder of another's. */
void source_check_mailboxes(struct source *source, struct report *report);
void source_read_aliases(struct source *source, struct report *report);
void source_flatten_aliases(struct source *source, struct report *report);

/* What is wrong with the settings for TLS, and with the files that they name: these are warnings,
 * for they may be other ones on another machine, or tomorrow. */
void source_check_tls(const struct source *source, struct report *report, const char *folder);

#endif
