/*
 * settings: the names of mailslot.conf(5): their kinds, bounds and defaults, in one table.
 *
 * mailslot-build checks the administrator's text with settings_set() and stores the result as one
 * text record, `settings` (mailslot.cdb(5)); the server reads that record back with
 * settings_parse(). Sizes are bytes, times are seconds.
 */
#ifndef MAILSLOT_SETTINGS_H
#define MAILSLOT_SETTINGS_H

#include "../base/role.h"
#include "../base/session_settings.h"
#include "../base/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* The only relay if there is a smarthost, and no `relay`: that of mailslot-relay(8). */
#define SETTINGS_RELAY_DEFAULT "/run/mailslot/relay"

enum {
    SETTINGS_PATH_MAX = 1024,
    SETTINGS_PRIORITY_MAX = 512,
    SETTINGS_CERTIFICATES_MAX = 8,
    SETTINGS_RELAYS_MAX = 16,
    SETTINGS_MILTERS_MAX = 8,
    SETTINGS_TICKET_SECRET_LEN = 64, /* bytes of the file that tls-ticket-secret names */
};

/* What happens to a message that a filter wants in quarantine. */
enum settings_quarantine { QUARANTINE_REJECT, QUARANTINE_DEFER, QUARANTINE_DELIVER };

struct settings {
    struct session_settings session;
    char mail_root[SETTINGS_PATH_MAX]; /* NUL-terminated absolute path */
    char recipient_delimiter;          /* '\0': none */
    uint64_t lock_timeout;
    bool auth;
    bool auth_without_tls;
    bool tls_tickets;
    char tls_priority[SETTINGS_PRIORITY_MAX]; /* NUL-terminated; empty: the system's */
    /* Paths, shorter than SETTINGS_PATH_MAX. They point into the text they were set from, which
     * must outlive the settings. */
    struct slice tls_client_ca; /* empty: clients are not asked for a certificate */
    struct slice tls_ticket_secret;
    struct slice certificates[SETTINGS_CERTIFICATES_MAX]; /* each with its key */
    struct slice keys[SETTINGS_CERTIFICATES_MAX];
    size_t certificates_len, keys_len; /* equal in a database of mailslot-build */

    /* The local domains, lower case, separated by single spaces, the default one first. Points into
     * the text it was set from, which must outlive the settings. */
    struct slice domains;

    /* Other servers. The texts point into the one they were set from, like the paths above. */
    struct slice relays[SETTINGS_RELAYS_MAX]; /* `PATH [@DOMAIN ...]`, one space between words, the
                                                 domains in lower case: directory_relay() */
    size_t relays_len;
    uint64_t relay_limit;          /* recipients elsewhere, per user and hour */
    struct slice forward_sender;   /* address_key(), letter case kept; empty: the sender is kept */
    struct slice mailboxes;        /* the socket of the store where users have their mailboxes who
                                      have no other; empty: mbox files */
    struct slice local_submission; /* names of system users, one space between them */
    bool hide_client_address;

    /* Filters, in their order: `PATH [ROLE ...]`, one space between words: directory_milters(). */
    struct slice milters[SETTINGS_MILTERS_MAX];
    size_t milters_len;
    uint64_t milter_timeout;     /* seconds, of each step */
    bool milter_failure_accepts; /* continue without a filter that fails, instead of 451 */
    enum settings_quarantine quarantine;
};

/* Every name at its default; no domains. */
void settings_default(struct settings *settings);

/* Sets one name from its text (without surrounding blanks). Returns NULL, or what is
 * wrong, as a static string to follow "file:line: NAME: ". An unknown name is wrong, too. The
 * caller must have put `domains` into its stored form. */
const char *settings_set(struct settings *settings, struct slice name, struct slice value);

/* May this name be given several times? */
bool settings_is_repeatable(struct slice name);

/* Is this filter, one of `milters`, asked in this role? Without roles of its own: in all but lmtp.
 * *path is that of its socket. */
bool settings_milter_is_for(struct slice milter, enum role role, struct slice *path);

/* Reads a size in bytes, with or without a unit (K, M, G, T). False if it is not a size. */
bool settings_size(struct slice text, uint64_t *size);

/* Writes all settings as `name=value` lines; errors are left in the stream. */
void settings_write(const struct settings *settings, FILE *to);

/* Reads such a text. Unknown names are skipped, so that an older server can read a newer database.
 * Returns 0, or -1 if a known name has a bad value. */
int settings_parse(struct settings *settings, struct slice text);

/* Sets an empty hostname to the machine's own name. */
void settings_fill_hostname(char hostname[ADDRESS_DOMAIN_MAX + 1]);

#endif
