/*
 * source: the three files that the administrator writes, mailslot.conf(5), mailslot-users(5) and
 * mailslot-aliases(5), parsed, checked and resolved.
 *
 * All work is linear in the size of the files, and aliases of aliases cause no recursion.
 */
#ifndef MAILSLOT_SOURCE_H
#define MAILSLOT_SOURCE_H

#include "../../smtpd/database/database.h"
#include "../../smtpd/database/relay_settings.h"
#include "../../smtpd/database/settings.h"
#include "../kit/map.h"
#include "../kit/pool.h"
#include "../kit/report.h"
#include "../kit/text_file.h"
#include "credentials.h"

#include <stdint.h>
#include <stdio.h>

/* Keys are made by address_key(), and NUL-terminated. There may be millions of users; the order of
 * the members saves memory. */
struct source_user {
    struct slice key;
    struct slice credentials_text; /* the field, in the text of the file; if there is no colon, it
                                      is empty, at the end of the address */
    struct slice options;          /* the same; at NULL: there is no second colon */
    struct credentials credentials;
    unsigned line;
    bool wrong;             /* the line has an error */
    bool credentials_wrong; /* the credentials have one: only `locked` in them is valid */
    bool disabled;
    struct slice open_again; /* the credentials of another line for this user, not locked */
    uint64_t quota;          /* 0: none */
    struct slice mailbox;    /* absolute, or DOMAIN/LOCALPART beneath mail-root, or `lmtp:PATH`;
                                NULL: line is wrong */
    struct slice send_as;    /* a line for each, `local@domain` or `@domain` */
};

/* How a target of an alias that is a hop begins in mailslot.cdb(5): a mail store, and an address of
 * another domain. */
#define SOURCE_STORE "@lmtp:"
#define SOURCE_ELSEWHERE "@relay:"

enum source_kind { SOURCE_USER, SOURCE_ALIAS, SOURCE_HOP };

struct source_target {
    struct slice key; /* empty for a hop */
    unsigned line;
    enum source_kind kind;
    size_t index; /* in users, aliases or hops; SIZE_MAX: it does not exist, and was reported */
};

struct source_alias {
    struct slice key; /* `@domain` for a catch-all */
    unsigned line;
    size_t first_target, targets; /* as written */
    uint32_t *reached;            /* flattened: an index in users, or users_len plus one in hops */
    size_t reached_len;
    int state; /* of the flattening */
};

struct source {
    struct text_file conf_text, users_text, aliases_text;
    struct settings settings;
    struct relay_settings relay;
    unsigned certificate_lines[SETTINGS_CERTIFICATES_MAX], relay_lines[SETTINGS_RELAYS_MAX],
        milter_lines[SETTINGS_MILTERS_MAX];
    struct map conf_lines; /* of the other names in mailslot.conf */
    struct slice *domains; /* lower case, the first one completes bare local parts */
    size_t domains_len, domains_room;
    struct source_user *users;
    size_t users_len, users_room;
    struct source_alias *aliases;
    size_t aliases_len, aliases_room;
    struct source_target *targets;
    size_t targets_len, targets_room;
    /* Where aliases lead that is no mailbox of ours, each once, as in mailslot.cdb(5). */
    struct slice *hops;
    size_t hops_len, hops_room;
    struct slice store;      /* `lmtp:PATH` of mailboxes, or empty */
    struct slice good_store; /* the socket of a store that was found good last */
    struct map domain_map, user_map, alias_map, hop_map;
    struct slice only;           /* the key of the only user that was read; at NULL: all were */
    bool unreadable;             /* mailslot.conf or aliases was, if the report is tolerant */
    struct report_memory errors; /* those found, for a report that remembers them here */
    struct pool pool;
};

void source_free(struct source *source);

/* Have the texts not changed since they were read? A file may be written to in place. */
bool source_is_same(const struct source *source);
/* Would source_load() read the same again? False also if one of the files does not exist. */
bool source_is_current(const struct source *source);

/* Does the folder have none of the three files, as on a machine that only has a copy of the
 * database?
 */
bool source_is_absent(const char *folder);

/*
 * The key of an address, which the first domain completes. False if it is wrong, which is reported
 * for this line. If `local`, an address outside the domains is also wrong; its key is set, while
 * the key of other wrong addresses is NULL.
 */
bool source_key(struct source *source, struct report *report, const char *file, unsigned line,
                struct slice written, bool local, struct slice *key);

/* Is it an IP address, such as 10.0.0.1, or another name whose last label is a number? No top-level
 * domain is, so nobody can look it up. */
bool source_is_number(struct slice name);

/* The line of mailslot.conf that sets a name that is not repeatable; 0: none does. */
unsigned source_conf_line(const struct source *source, const char *name);

/* A domain in lower case and in its ASCII form, in the pool. False: it is not a domain. */
bool source_domain(struct source *source, struct slice written, struct slice *domain);

/* The key of `@domain`, all the addresses of a domain. False: it is not a domain. */
bool source_domain_key(struct source *source, struct slice written, struct slice *key);

/* The end of a message about an address that cannot be read: a library that may be missing. */
const char *source_hint(void);

/* One of what an alias reaches, as in mailslot.cdb(5). */
struct slice source_reached(const struct source *source, uint32_t one);

/* Is the user's mailbox in a mail store? *path is the store's socket. */
bool source_in_store(const struct source_user *user, struct slice *path);

/* The mailbox as an absolute path, without repeated slashes, or `lmtp:PATH`; empty if the line has
 * an error. It lives as long as the source. */
struct slice source_mailbox(struct source *source, const struct source_user *user);

/* Can the user log in: is there a password, and nothing in the way? */
bool source_has_login(const struct source_user *user);

/*
 * Cuts the next option off a field: `NAME` or `NAME=VALUE`; send-as with all its addresses is one
 * option. *name is empty if no option has this name. False: there are no more.
 */
bool source_next_option(struct slice *rest, struct slice *name, struct slice *option);

/* Reports the errors in options, as found in file. */
void source_check_options(struct source *source, struct report *report, const char *file,
                          struct slice options);

/* To be called after each user in a loop over all users, with *passed 0 at the start. The text
 * before this user need not stay in memory any longer. */
void source_pass(const struct source *source, const struct source_user *user, size_t *passed);

/* The parts of source_load(), each in its own file. */
void source_read_settings(struct source *source, struct report *report);
void source_read_users(struct source *source, struct report *report);
/* Two users cannot share a mailbox, and one user's mailbox cannot be the folder of another's. */
void source_check_mailboxes(struct source *source, struct report *report);
void source_read_aliases(struct source *source, struct report *report);
void source_flatten_aliases(struct source *source, struct report *report);

/* The form in which the settings keep the value of a name that has to do with other servers; of any
 * other name, the value itself. *wrong: what is wrong with it, or NULL. */
struct slice source_hop_value(struct source *source, struct slice name, struct slice value,
                              const char **wrong);
/* Reports errors in the settings of relays, smarthosts and mail stores. Problems with the files
 * that they name are warnings, as for TLS. */
void source_check_hops(const struct source *source, struct report *report, const char *folder);
/* The same for filters. */
void source_check_milters(const struct source *source, struct report *report);
/* The same for what aliases send elsewhere. */
void source_check_forwarding(const struct source *source, struct report *report);
/* What is wrong with the socket of a mail store, or NULL. The path stays in memory. */
const char *source_store_wrong(struct source *source, struct slice path);
/* Is it the same path, or another path of the same file? */
bool source_is_same_socket(struct slice path, const char *other);
/* Does this server itself listen there? */
bool source_is_own_socket(struct slice path);

/* The key of an address in any domain, with the letter case of its local part. False: it is not an
 * address with a domain. */
bool source_written_key(struct source *source, struct slice written, struct slice *key);

/* Reports errors in the settings for TLS. Problems with the files that they name are warnings,
 * because another machine, or tomorrow, may have different files. */
void source_check_tls(const struct source *source, struct report *report, const char *folder);

#endif
