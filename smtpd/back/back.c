#include "back.h"

#include "../base/clock.h"
#include "../confine/confine_back.h"
#include "delivery_log.h"
#include "front_settings.h"
#include "fronts.h"
#include "log.h"
#include "requests.h"
#include "wait.h"

#include <errno.h>
#include <inttypes.h>
#include <malloc.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    GRACE_SECONDS = 60,  /* that a front may live longer than its session */
    FAREWELL_MS = 3000,  /* for a front to end after its last reply; wire_linger() takes less */
    HAND_OVER_MS = 1000, /* for a front that has replied to STARTTLS */
    STOP_SECONDS = 15,   /* for a transaction to finish after a signal to stop */
};

static struct back back;

/* After a signal to stop, the session ends between two transactions, or after STOP_SECONDS. Signals
 * arrive only in waits, so a delivery to mailboxes that has begun is finished and answered. */
static int64_t deadline(void)
{
    int64_t stopped = wait_stopped(), end = stopped + (int64_t)STOP_SECONDS * 1000;

    return stopped != 0 && end < back.deadline ? end : back.deadline;
}

static void open_database(void)
{
    database_open(&back.db, back.start->database);
    if (back.db.state != DATABASE_OPEN)
        back_log_database(&back);
    back.broken = directory_settings(&back.db, &back.settings) != 0;
    milters_init(&back.milters, &back.settings, back.start->role);
    back.settings_end = database_mark(&back.db);
    if (back.broken)
        back_log_database(&back);
}

/* Waits for a request until the front's deadline. */
static void receive(void)
{
    struct pollfd wall = {.fd = back.front.wall, .events = POLLIN};
    int ready = wait_poll(&wall, 1, deadline());

    if (ready < 0 && errno == EINTR)
        return;
    if (ready <= 0 && wait_stopped() != 0) {
        back_stop(&back);
        return;
    }
    if (ready <= 0) {
        back_breach(&back, "overstaying");
        return;
    }
    int got = wall_receive(back.front.wall, &back.message, &back.body_len);
    if (got == 1) {
        requests_handle(&back);
    } else if (got == 0) {
        back_end(&back, END_FRONT_GONE);
    } else {
        back_breach(&back, errno == EPROTO ? "malformed" : strerror(errno));
    }
}

/* NULL, which the log leaves out, for 0. */
static const char *count_text(char text[static 24], uint64_t count)
{
    snprintf(text, 24, "%" PRIu64, count);
    return count > 0 ? text : NULL;
}

static const char *stage(void)
{
    switch (back.ended_in) {
    case BACK_HANDSHAKE:
        return "handshake";
    case BACK_IDLE:
        return "commands";
    case BACK_AUTH:
        return "AUTH";
    case BACK_ENVELOPE:
    case BACK_READY:
        return "envelope";
    case BACK_TEXT:
        return "text";
    default:
        return "STARTTLS";
    }
}

static void log_end(void)
{
    char messages[24], recipients[24], put_off[24], senders[24], refused[24], deferred[24];
    char commands[24], unlogged[24], bytes[24];

    snprintf(messages, sizeof messages, "%" PRIu64, back.messages);
    snprintf(bytes, sizeof bytes, "%" PRIu64, back.bytes);
    log_event(EVENT_END, "reason", end_word(back.end), "messages", messages, "refused-recipients",
              count_text(recipients, log_count(EVENT_REFUSED_RECIPIENT)), "stage", stage(), "bytes",
              bytes, "refused-commands", count_text(commands, log_count(EVENT_REFUSED_COMMAND)),
              "deferred-recipients", count_text(put_off, log_count(EVENT_DEFERRED_RECIPIENT)),
              "refused-senders", count_text(senders, log_count(EVENT_REFUSED_SENDER)),
              "refused-messages", count_text(refused, log_count(EVENT_REFUSED_MESSAGE)), "deferred",
              count_text(deferred, log_count(EVENT_DEFERRED) + log_count(EVENT_OVER_QUOTA)),
              "unlogged", count_text(unlogged, log_unlogged()), NULL);
}

/* A transaction that was in progress when the session ended. */
static void log_interrupted(void)
{
    const struct delivery_outcome outcome = {.reason = end_word(back.end)};
    bool in_transaction = (back.ended_in & BACK_TRANSACTION) != 0;

    if (in_transaction && back.delivery.recipients > 0 && back.end != END_QUIT)
        delivery_log(&back.delivery, EVENT_INTERRUPTED, &outcome);
}

static void begin(const struct back_start *start)
{
    const char *slash = strrchr(start->database, '/');
    int len = slash == NULL ? 1 : slash == start->database ? 1 : (int)(slash - start->database);

    back.start = start;
    back.front = back.next = WORKER_NONE;
    back.state = BACK_IDLE;
    back.logged_broken = back.started_tls = back.no_tls = back.tls.on = false;
    back.errors = back.idle = back.messages = back.bytes = 0;
    back.auth.failures = 0;
    auth_reset(&back.auth);
    back.local = LOCAL_USER_NONE;
    snprintf(back.folder, sizeof back.folder, "%.*s", len, slash == NULL ? "." : start->database);
    hops_init(&back.hops, back.settings.session.hostname);
    delivery_init(&back.delivery, &back.db, &back.hops, &back.milters);
}

/* RFC 3207 section 4.2: the handshake resets the session, except for the count of errors. */
static void hand_over(void)
{
    worker_end(&back.front, HAND_OVER_MS);
    hops_end(&back.hops);
    delivery_abandon(&back.delivery);
    milters_end(&back.milters);
    auth_reset(&back.auth);
    fronts_take_over(&back);
    wait_begin(back.start->out, back.front.wall);
    back.state = BACK_HANDSHAKE;
    back.started_tls = true;
    front_settings_send(&back);
}

static int serve(void)
{
    back.session_end = clock_ms() + (int64_t)back.settings.session.session_timeout * 1000;
    back.deadline = back.session_end + (int64_t)GRACE_SECONDS * 1000;
    wait_begin(back.start->out, back.front.wall);
    worker_keep(&back, sizeof back); /* the first front was forked when it was empty */
    front_settings_send(&back);
    while (back.state != BACK_DONE) {
        if (wait_stopped() != 0 && (back.state & BACK_TRANSACTION) == 0)
            back_stop(&back);
        else
            receive();
        if (back.state == BACK_HANDED_OVER)
            hand_over();
    }
    log_interrupted();
    hops_end(&back.hops);
    delivery_abandon(&back.delivery);
    milters_end(&back.milters);
    keyring_forget(&back.keyring);
    auth_reset(&back.auth);
    log_end();
    bool unsafe = back.db.state == DATABASE_UNSAFE;
    database_close(&back.db);
    return unsafe ? BACK_EXIT_CONFIGURATION : BACK_EXIT_SERVED;
}

int back_serve(const struct back_start *start, int wall)
{
    begin(start);
    back.front.wall = wall;
    open_database();
    return serve();
}

/* A message to DIRECTORY_MAILBOXES_MAX mailboxes needs twice as many descriptors. */
static void raise_descriptors(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

/* No core dump and no tracing: others see nothing of what passes through here. */
static int harden(void)
{
    const struct rlimit none = {0, 0};

    if (setrlimit(RLIMIT_CORE, &none) != 0 || prctl(PR_SET_DUMPABLE, 0) != 0 ||
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return -1;
    wait_hold_signals();
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    signal(SIGCHLD, SIG_DFL);
    umask(077);
    mallopt(M_PERTURB, 0x55); /* overwrites what is freed: passwords pass through libraries */
    return 0;
}

static int find_local_user(void)
{
    int found = local_user_find(&back.local, back.start->in);

    if (found != 0)
        log_event(EVENT_CANNOT_START, "doing", "find out who the client is", "error",
                  strerror(errno), NULL);
    return found;
}

/* The first front is forked before the back opens anything that it could inherit. A front that
 * begins with a handshake is forked later. database_open() keeps the database out of its memory,
 * and the keys are read after the fork. */
static int start_front(void)
{
    bool secure = back.start->role == ROLE_SUBMISSIONS;

    if (!secure && fronts_prepare(&back) != 0)
        return BACK_EXIT_PASSING;
    if (back.start->role == ROLE_LOCAL && find_local_user() != 0)
        return BACK_EXIT_CONFIGURATION;
    raise_descriptors();
    open_database();
    local_user_enter(&back.local, &back.settings, &back.auth);
    const struct confine_back session = {&back.db, &back.settings, back.start->role, back.folder};
    if (confine_back_paths(&session) != 0 || confine_back_connections(&session) != 0 ||
        (!back.start->confined && confine_back_system_calls() != 0)) {
        log_event(EVENT_CANNOT_START, "doing", "confine the back", "error", strerror(errno), NULL);
        worker_end(&back.next, 0);
        return BACK_EXIT_PASSING;
    }
    if (secure && back.settings.certificates_len == 0) {
        log_event(EVENT_TLS_UNAVAILABLE, "what", "tls-certificate", "error",
                  "this role needs one in mailslot.conf", NULL);
        return BACK_EXIT_CONFIGURATION;
    }
    if (secure && fronts_prepare_tls(&back) != 0)
        return BACK_EXIT_PASSING;
    fronts_take_over(&back);
    back.state = secure ? BACK_HANDSHAKE : BACK_IDLE;
    return BACK_EXIT_SERVED;
}

int back_run(const struct back_start *start)
{
    const int on = 1;

    if (harden() != 0) {
        log_event(EVENT_CANNOT_START, "error", strerror(errno), NULL);
        return BACK_EXIT_PASSING;
    }
    /* Replies leave in one piece. Nagle's algorithm would hold back the second of two in a row, as
     * after a handshake, for up to 40 ms. */
    setsockopt(start->out, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    begin(start);
    int result = start_front();
    if (result == BACK_EXIT_SERVED)
        result = serve();
    worker_end(&back.next, 0);
    close(start->in);
    if (start->out != start->in)
        close(start->out);
    if (back.front.pid == 0)
        return result;
    if (worker_end(&back.front, back.end == END_BREACH ? 0 : FAREWELL_MS) != 0) {
        log_event(EVENT_CANNOT_START, "doing", "confine the front", NULL);
        result = BACK_EXIT_PASSING;
    }
    return result;
}
