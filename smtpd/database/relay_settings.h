/*
 * relay_settings: the names of mailslot.conf(5) that mailslot-relay(8) needs, with their checks.
 * mailslot-build writes them into relay.cdb (mailslot.cdb(5)) as the text record `settings`, which
 * the relay reads back with relay_settings_read(). No other program sees them.
 */
#ifndef MAILSLOT_RELAY_SETTINGS_H
#define MAILSLOT_RELAY_SETTINGS_H

#include "../base/address.h"
#include "../base/slice.h"
#include "database.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum { RELAY_HOSTS_MAX = 8, RELAY_USER_MAX = 255 };

/* How TLS begins; RELAY_TLS_AUTO is implicit on port 465, and starttls on any other. */
enum relay_tls {
    RELAY_TLS_AUTO,
    RELAY_TLS_IMPLICIT,
    RELAY_TLS_STARTTLS,
    RELAY_TLS_MAY,  /* STARTTLS where it is offered; the certificate does not matter */
    RELAY_TLS_NONE, /* no TLS; a password only where the host is a loopback address */
};

struct relay_host {
    struct slice name; /* a domain name (A-labels), or an IP address without brackets */
    uint16_t port;
};

/* Texts point into the one they were set from, which must outlive the settings. Files are relative
 * to the folder of the database, as in certificate_path(). */
struct relay_settings {
    char hostname[ADDRESS_DOMAIN_MAX + 1];
    struct relay_host hosts[RELAY_HOSTS_MAX]; /* to be tried in this order */
    size_t hosts_len;                         /* 0: there is no smarthost */
    enum relay_tls tls;
    struct slice ca;       /* file of authorities; empty: the system's */
    struct slice user;     /* to log in as; empty: do not log in */
    struct slice password; /* file; the first line is the password */
    struct slice token;    /* file; the same for XOAUTH2 and OAUTHBEARER */
};

/* No smarthost. */
void relay_settings_default(struct relay_settings *settings);

/* Is it one of these names of mailslot.conf? hostname is not, because others need it, too. */
bool relay_settings_has(struct slice name);

/* Sets one of them. Returns NULL, or what is wrong, as settings_set() does. The words of smarthost
 * may be separated by any blanks. */
const char *relay_settings_set(struct relay_settings *settings, struct slice name,
                               struct slice value);

/* Writes all as `name=value` lines; errors are left in the stream. */
void relay_settings_write(const struct relay_settings *settings, FILE *to);
/* The same without hostname. */
void relay_settings_write_smarthost(const struct relay_settings *settings, FILE *to);

/* Reads such a text; an empty hostname becomes the machine's own name. Unknown names are skipped.
 * 0, or -1 if a known name has a bad value. */
int relay_settings_parse(struct relay_settings *settings, struct slice text);

/* Reads the record of an open relay.cdb. 0, or -1: db->state says why; DATABASE_OPEN: the record is
 * missing or has a bad value. */
int relay_settings_read(struct database *db, struct relay_settings *settings);

/* How TLS begins with this host: never RELAY_TLS_AUTO. */
enum relay_tls relay_settings_tls(const struct relay_settings *settings,
                                  const struct relay_host *host);

/* Writes HOST:PORT, an IPv6 address in brackets. */
void relay_host_write(const struct relay_host *host, FILE *to);

/* Is it a loopback address, or the name localhost? */
bool relay_host_is_loopback(const struct relay_host *host);

#endif
