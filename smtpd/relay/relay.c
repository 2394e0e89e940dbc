#include "relay.h"

#include "../base/clock.h"
#include "../base/id.h"
#include "../base/international.h"
#include "../confine/confine_worker.h"
#include "dial.h"
#include "pipe.h"
#include "relay_log.h"
#include "talk.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <syslog.h>
#include <unistd.h>

enum {
    SHARE_MS = 20000, /* for a host or an address, while there are others to try */
    ABOVE_STANDARD = 10,
    NAMED_MAX = ADDRESS_DOMAIN_MAX + sizeof "[]:65535",
};

struct relay {
    int client;
    int64_t deadline;
    const struct relay_settings *settings;
    struct talk talk;
    struct link link;
    struct fault fault;
    char hello[ID_MAX + sizeof ".hop." + ADDRESS_DOMAIN_MAX];
    char host[ADDRESS_DOMAIN_MAX + 1]; /* in ASCII */
    char named[NAMED_MAX];             /* HOST:PORT */
};

/* ---- failures ----------------------------------------------------------------------------------
 */

static void turn_away(int client, const char *status, const char *text)
{
    char greeting[FAULT_REASON_MAX + NAMED_MAX + 64];
    int len = snprintf(greeting, sizeof greeting, "421 %s %s\r\n", status, text);

    send(client, greeting, (size_t)len, MSG_NOSIGNAL | MSG_DONTWAIT);
    shutdown(client, SHUT_WR);
}

/* In the log, and kept for the greeting; the last failure counts. */
static void note(struct relay *relay, const char *address)
{
    relay_log(LOG_WARNING, "smarthost %s%s%s: %s: %s", relay->named, *address != '\0' ? " " : "",
              address, fault_word(relay->fault.step), relay->fault.reason);
}

static int give_up(struct relay *relay)
{
    char text[FAULT_REASON_MAX + NAMED_MAX + 32];

    snprintf(text, sizeof text, "smarthost %s: %s: %s", relay->named, fault_word(relay->fault.step),
             relay->fault.reason);
    turn_away(relay->client, fault_status(relay->fault.step), text);
    return RELAY_EXIT_PASSING;
}

/* ---- the line ----------------------------------------------------------------------------------
 */

static int64_t share(const struct relay *relay, bool last)
{
    int64_t part = clock_ms() + SHARE_MS;

    return !last && part < relay->deadline ? part : relay->deadline;
}

/* Of the session: its events in the log have this id, too. 0: unknown. */
static int process_of(int client)
{
    struct ucred who = {0};
    socklen_t len = sizeof who;

    return getsockopt(client, SOL_SOCKET, SO_PEERCRED, &who, &len) == 0 ? (int)who.pid : 0;
}

/* Tries the addresses of a host. 0: the relay is logged in. */
static int try_addresses(struct relay *relay, const struct relay_host *host, struct dial *dial,
                         bool last)
{
    char address[DIAL_TEXT_MAX] = "";

    while (clock_ms() < relay->deadline) {
        int fd = dial_next(dial, share(relay, last), address, &relay->fault);
        if (fd < 0) {
            note(relay, "");
            return -1;
        }
        link_begin(&relay->link, fd, share(relay, last && !dial_has_more(dial)));
        if (talk(&relay->talk, &relay->link, host, relay->host, &relay->fault) == 0) {
            relay_log(LOG_INFO,
                      "smarthost %s %s: connected, %s %s, certificate %s, log-in %s, as %s, "
                      "for process %d",
                      relay->named, address, relay->link.tls.protocol, relay->link.tls.cipher,
                      relay->link.tls.verified ? "verified" : "not verified",
                      relay->talk.mechanism == NULL ? "-" : relay->talk.mechanism, relay->hello,
                      process_of(relay->client));
            return 0;
        }
        note(relay, address);
        link_end(&relay->link);
        if (relay->fault.lasting || !dial_has_more(dial))
            return -1;
    }
    return -1;
}

static int try_host(struct relay *relay, const struct relay_host *host, bool last)
{
    struct dial dial;
    bool brackets = slice_has(host->name, ':');

    snprintf(relay->named, sizeof relay->named, "%s%.*s%s:%u", brackets ? "[" : "",
             SLICE(host->name), brackets ? "]" : "", host->port);
    int named = slice_is_ascii(host->name) ? 0 : international_domain(host->name, relay->host);
    if (slice_is_ascii(host->name))
        snprintf(relay->host, sizeof relay->host, "%.*s", SLICE(host->name));
    if (named != 0)
        fault_set(&relay->fault, FAULT_LOOK_UP, "%s", strerror(errno));
    if (named != 0 ||
        dial_begin(&dial, relay->host, host->port, share(relay, last), &relay->fault) != 0) {
        note(relay, "");
        return -1;
    }
    int result = try_addresses(relay, host, &dial, last);
    dial_end(&dial);
    return result;
}

static int connect_any(struct relay *relay)
{
    const struct relay_settings *settings = relay->settings;

    for (size_t i = 0; i < settings->hosts_len && clock_ms() < relay->deadline; i++) {
        if (try_host(relay, &settings->hosts[i], i + 1 == settings->hosts_len) == 0)
            return 0;
        if (relay->fault.lasting) /* so that no password is tried at all of them */
            return -1;
    }
    return -1;
}

/* ---- the process -------------------------------------------------------------------------------
 */

/* What confine_worker() does not wait for: until then it looks names up, and opens sockets. */
static int harden(void)
{
    const struct rlimit none = {0, 0};

    signal(SIGPIPE, SIG_IGN);
    signal(SIGTERM, SIG_IGN); /* a stop does not tear a session apart; the client ends it */
    return prctl(PR_SET_DUMPABLE, 0) == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
               ? setrlimit(RLIMIT_CORE, &none)
               : -1;
}

/* confine_worker() moves descriptors to numbers that may be in use. */
static int move_up(int *fd)
{
    int above = fcntl(*fd, F_DUPFD_CLOEXEC, ABOVE_STANDARD);

    if (above < 0)
        return -1;
    close(*fd);
    *fd = above;
    return fcntl(above, F_SETFL, fcntl(above, F_GETFL) | O_NONBLOCK);
}

static int confine(int link, int client)
{
    const int fds[] = {[CONFINE_IN] = link, [CONFINE_OUT] = link, [CONFINE_WALL] = client};

    return confine_worker(fds, CONFINE_FILTERS, true);
}

static int join(struct relay *relay)
{
    const struct offers_facts facts = {
        .name = relay->settings->hostname,
        .host = relay->host,
        .protocol = relay->link.tls.protocol,
        .cipher = relay->link.tls.cipher,
        .verified = relay->link.tls.verified,
    };

    if (move_up(&relay->link.fd) != 0 || move_up(&relay->client) != 0 ||
        confine(relay->link.fd, relay->client) != 0) {
        relay_log(LOG_ERR, "cannot confine the process: %s", strerror(errno));
        turn_away(relay->client, "4.3.0", "system failure");
        return RELAY_EXIT_PASSING;
    }
    relay->link.fd = CONFINE_IN;
    pipe_run(&relay->link, CONFINE_WALL, &relay->talk.offers, &facts);
    _exit(RELAY_EXIT_SERVED); /* what libraries do at exit is forbidden now */
}

static int serve(struct relay *relay, const char *folder)
{
    char id[ID_MAX];

    id_make(id);
    snprintf(relay->hello, sizeof relay->hello, "%s.hop.%s", id, relay->settings->hostname);
    relay->talk =
        (struct talk){.settings = relay->settings, .folder = folder, .hello = relay->hello};
    return connect_any(relay) == 0 ? join(relay) : give_up(relay);
}

static int refuse(const struct relay_start *start, const struct database *db)
{
    const char *problem = db->state == DATABASE_OPEN ? "has no smarthost, or is damaged"
                                                     : database_problem(db->state);

    relay_log(LOG_ERR, "%s: %s%s%s", start->database, problem, db->error != 0 ? ": " : "",
              db->error != 0 ? strerror(db->error) : "");
    turn_away(start->client, fault_status(FAULT_SETTINGS),
              "settings: the relay's database cannot be used");
    return RELAY_EXIT_CONFIGURATION;
}

int relay_serve(const struct relay_start *start)
{
    static struct relay_settings settings;
    static struct relay relay;
    struct database db;

    relay.client = start->client;
    relay.deadline = clock_ms() + (int64_t)start->patience * 1000;
    relay.settings = &settings;
    if (harden() != 0) {
        relay_log(LOG_ERR, "cannot harden the process: %s", strerror(errno));
        return RELAY_EXIT_PASSING;
    }
    database_open(&db, start->database);
    if (relay_settings_read(&db, &settings) != 0)
        return refuse(start, &db);
    const char *slash = strrchr(start->database, '/');
    char *folder =
        slash == NULL ? strdup(".") : strndup(start->database, (size_t)(slash - start->database));
    return folder == NULL ? RELAY_EXIT_PASSING : serve(&relay, folder);
}
