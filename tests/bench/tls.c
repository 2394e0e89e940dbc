/*
 * tls: how many STARTTLS sessions mailslot serves, compared with bare handshakes by GnuTLS: those
 * of `gnutls-cli --benchmark-tls-kx`, and our own with our keys and with tickets, which gnutls-cli
 * does not measure. Everything runs on one core, so the figures always contain the work of client
 * and server.
 *
 *   bench-tls SERVER FOLDER     FOLDER/ecdsa.no, ecdsa.yes, rsa.no and rsa.yes each have
 *                               mailslot.cdb, tls.crt and tls.key; yes: with tickets
 */
#include "measure.h"

#include <err.h>
#include <errno.h>
#include <gnutls/gnutls.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SESSIONS = 50 }; /* a round */

/* What the benchmark of gnutls-cli negotiates at its fastest. */
#define PRIORITY "NORMAL:-VERS-ALL:+VERS-TLS1.3:-GROUP-ALL:+GROUP-X25519:-CIPHER-ALL:+AES-128-GCM"

/* One key, with or without tickets. */
static struct {
    const char *name;
    bool tickets;
    gnutls_certificate_credentials_t server, client;
    gnutls_datum_t secret;            /* of the tickets of bare handshakes */
    gnutls_datum_t theirs, mailslots; /* what the client resumes: a bare session, one of mailslot */
} set;

static void must(int result, const char *what)
{
    if (result < 0)
        errx(1, "%s: %s", what, gnutls_strerror(result));
}

static gnutls_session_t new_session(unsigned flags, gnutls_certificate_credentials_t credentials,
                                    const gnutls_datum_t *resume)
{
    gnutls_session_t session;

    must(gnutls_init(&session, flags | (set.tickets ? 0 : GNUTLS_NO_TICKETS)), "init");
    must(gnutls_priority_set_direct(session, PRIORITY, NULL), "priority");
    must(gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, credentials), "credentials");
    if (set.tickets && (flags & GNUTLS_SERVER) != 0)
        must(gnutls_session_ticket_enable_server(session, &set.secret), "tickets");
    if (resume != NULL && resume->data != NULL)
        must(gnutls_session_set_data(session, resume->data, resume->size), "resume");
    return session;
}

/* Keeps the ticket of a session, with which later sessions resume. */
static void keep_ticket(gnutls_session_t session, gnutls_datum_t *ticket)
{
    if (set.tickets && ticket->data == NULL)
        must(gnutls_session_get_data2(session, ticket), "ticket");
}

/* ---- a bare handshake: client and server in this process ---- */

struct queue {
    char bytes[32768];
    size_t start, end;
};

struct side {
    struct queue *in, *out;
    gnutls_session_t session;
};

static ssize_t push(gnutls_transport_ptr_t context, const void *bytes, size_t len)
{
    struct queue *out = ((struct side *)context)->out;

    if (len > sizeof out->bytes - out->end)
        errx(1, "too long a flight");
    memcpy(out->bytes + out->end, bytes, len);
    out->end += len;
    return (ssize_t)len;
}

static ssize_t pull(gnutls_transport_ptr_t context, void *to, size_t size)
{
    struct side *side = context;
    struct queue *in = side->in;
    size_t len = in->end - in->start < size ? in->end - in->start : size;

    if (len == 0) {
        gnutls_transport_set_errno(side->session, EAGAIN);
        return -1;
    }
    memcpy(to, in->bytes + in->start, len);
    in->start += len;
    return (ssize_t)len;
}

static void connect_side(struct side *side)
{
    gnutls_transport_set_ptr(side->session, side);
    gnutls_transport_set_push_function(side->session, push);
    gnutls_transport_set_pull_function(side->session, pull);
}

static bool is_done(const struct side *side)
{
    int result = gnutls_handshake(side->session);

    if (result < 0 && gnutls_error_is_fatal(result))
        must(result, "bare handshake");
    return result == 0;
}

static void handshake_bare(void)
{
    static struct queue up, down;
    struct side server_side = {&up, &down, new_session(GNUTLS_SERVER, set.server, NULL)};
    struct side client_side = {&down, &up, new_session(GNUTLS_CLIENT, set.client, &set.theirs)};
    char byte;

    up.start = up.end = down.start = down.end = 0;
    connect_side(&server_side);
    connect_side(&client_side);
    for (bool client = false, server = false; !client || !server;) {
        client = client || is_done(&client_side);
        server = server || is_done(&server_side);
    }
    if (set.tickets && gnutls_record_recv(client_side.session, &byte, 1) != GNUTLS_E_AGAIN)
        errx(1, "bare handshake: no ticket");
    if (set.theirs.data != NULL && !gnutls_session_is_resumed(client_side.session))
        errx(1, "bare handshake: not resumed");
    keep_ticket(client_side.session, &set.theirs);
    gnutls_deinit(client_side.session);
    gnutls_deinit(server_side.session);
}

/* ---- sessions with mailslot ---- */

static void say(int fd, const char *line)
{
    write_all(fd, line, strlen(line));
}

static ssize_t receive_tls(void *session, char *to, size_t size)
{
    ssize_t got;

    do
        got = gnutls_record_recv(session, to, size);
    while (got < 0 && !gnutls_error_is_fatal((int)got));
    return got;
}

static void ask_tls(gnutls_session_t session, const char *line, const char *code)
{
    must((int)gnutls_record_send(session, line, strlen(line)), "send");
    expect_from(receive_tls, session, code);
}

/* Up to EHLO after the handshake. Adds the time from the handshake's end to EHLO's reply. */
static gnutls_session_t begin_tls(int fd, double *wait)
{
    int result;

    expect(fd, "220");
    say(fd, "EHLO bench.example\r\n");
    expect(fd, "250");
    say(fd, "STARTTLS\r\n");
    expect(fd, "220");
    gnutls_session_t session = new_session(GNUTLS_CLIENT, set.client, &set.mailslots);
    gnutls_transport_set_int(session, fd);
    while ((result = gnutls_handshake(session)) < 0)
        if (gnutls_error_is_fatal(result))
            must(result, "handshake");
    double begin = now();
    ask_tls(session, "EHLO bench.example\r\n", "250");
    *wait = now() - begin;
    if (set.mailslots.data != NULL && !gnutls_session_is_resumed(session))
        errx(1, "mailslot has not resumed");
    keep_ticket(session, &set.mailslots);
    return session;
}

static void end_tls(gnutls_session_t session, int fd)
{
    ask_tls(session, "QUIT\r\n", "221");
    gnutls_bye(session, GNUTLS_SHUT_WR);
    gnutls_deinit(session);
    close(fd);
}

/* Without TCP_NODELAY, like most clients, so that a server that acknowledges late is noticed. */
static int connect_as_most(void)
{
    const int off = 0;
    int fd = connect_to_listener();

    if (fd < 0 || setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &off, sizeof off) != 0)
        err(1, "connect");
    return fd;
}

static double waits[SESSIONS], times[SESSIONS];

static void session_starttls(int i)
{
    double begin = now();
    int fd = connect_as_most();

    end_tls(begin_tls(fd, &waits[i]), fd);
    times[i] = now() - begin;
}

static void session_clear(int i)
{
    double begin = now();
    int fd = connect_as_most();

    expect(fd, "220");
    say(fd, "EHLO bench.example\r\n");
    expect(fd, "250");
    say(fd, "QUIT\r\n");
    expect(fd, "221");
    close(fd);
    times[i] = now() - begin;
}

static void session_bare(int i)
{
    double begin = now();

    handshake_bare();
    times[i] = now() - begin;
}

/* ---- the figures ---- */

/* How many a second, with the median time of one. */
static double run_sessions(void (*session)(int), double *one)
{
    double begin = now();

    for (int i = 0; i < SESSIONS; i++)
        session(i);
    double total = now() - begin;
    *one = median(times, SESSIONS);
    return SESSIONS / total;
}

static void bench_sessions(double gnutls_cli)
{
    static double ours[ROUNDS], bare[ROUNDS], sum[ROUNDS], cli[ROUNDS];
    static double one_ours[ROUNDS], one_clear[ROUNDS], one_bare[ROUNDS], wait[ROUNDS];
    char what[64];

    handshake_bare();    /* with tickets: the session whose ticket is used from now on */
    session_starttls(0); /* likewise */
    for (int round = 0; round < ROUNDS; round++) {
        bare[round] = run_sessions(session_bare, &one_bare[round]);
        double clear = run_sessions(session_clear, &one_clear[round]);
        ours[round] = run_sessions(session_starttls, &one_ours[round]);
        wait[round] = median(waits, SESSIONS);
        sum[round] = 1 / (1 / bare[round] + 1 / clear);
        cli[round] = gnutls_cli;
    }
    if (gnutls_cli > 0) {
        snprintf(what, sizeof what, "%s, STARTTLS : gnutls-cli's handshake", set.name);
        report(what, "a second", 1, ours, cli, true, 0);
    }
    snprintf(what, sizeof what, "%s, STARTTLS : bare handshake", set.name);
    report(what, "a second", 1, ours, bare, true, 0);
    snprintf(what, sizeof what, "%s, STARTTLS : bare + clear session", set.name);
    report(what, "a second", 1, ours, sum, true, 0);
    printf("    one STARTTLS session %.2f ms, from the handshake's end to EHLO's reply %.2f ms; "
           "one in clear %.2f ms, bare handshake %.2f ms\n",
           median(one_ours, ROUNDS) * 1e3, median(wait, ROUNDS) * 1e3,
           median(one_clear, ROUNDS) * 1e3, median(one_bare, ROUNDS) * 1e3);
    fflush(stdout);
}

/* Private memory is counted twice: like bench, and including pages that only back and front share.
 */
static void show_memory(const char *when, pid_t pid, long before[2], long after[2])
{
    static const char *const kinds[] = {"Private_", "Pss_Anon"};
    char what[64];

    usleep(300000); /* until both have settled */
    for (int i = 0; i < 2; i++)
        after[i] = memory_kib(pid, kinds[i]) + memory_kib(child_of(pid), kinds[i]);
    snprintf(what, sizeof what, "%s, private memory, %s", set.name, when);
    printf("%-52s %9ld KiB (%ld with what only these two share)", what, after[0], after[1]);
    if (before != NULL)
        printf(", added %ld (%ld)", after[0] - before[0], after[1] - before[1]);
    putchar('\n');
    fflush(stdout);
}

static void bench_memory(void)
{
    long clear[2], tls[2];
    double ignored;
    int fd;
    pid_t pid = start_server(&fd);

    expect(fd, "220");
    say(fd, "EHLO bench.example\r\n");
    expect(fd, "250");
    show_memory("in clear", pid, NULL, clear);
    say(fd, "QUIT\r\n");
    expect(fd, "221");
    close(fd);
    finish(pid);
    pid = start_server(&fd);
    gnutls_session_t session = begin_tls(fd, &ignored);
    show_memory("in TLS", pid, clear, tls);
    end_tls(session, fd);
    finish(pid);
}

/* ---- what is compared ---- */

/* A figure of gnutls-cli's benchmark, by the name in its line; 0 if there is none. As each line
 * takes seconds, we stop after the last one that we need. */
static double read_benchmark(FILE *from, const char *name)
{
    char line[256];
    double figure;
    bool found = false;

    while (from != NULL && fgets(line, sizeof line, from) != NULL) {
        if (found && sscanf(line, " - %lf transactions/sec", &figure) == 1)
            return figure;
        found = found || strstr(line, name) != NULL;
    }
    return 0;
}

static double ask_gnutls_cli(void)
{
    FILE *from = popen("exec stdbuf -oL gnutls-cli --benchmark-tls-kx 2>/dev/null", "re");
    double rsa = read_benchmark(from, "(TLS1.3)-(ECDHE-X25519)-(RSA-PSS-RSAE-SHA256)");
    double ecdsa = read_benchmark(from, "(TLS1.3)-(ECDHE-X25519)-(ECDSA-SECP256R1-SHA256)");

    if (from != NULL)
        pclose(from);
    printf(
        "gnutls-cli --benchmark-tls-kx, TLS 1.3, X25519: ECDSA P-256 %.1f, RSA 3072 %.1f a second\n"
        "(client and server in one process; it has no RSA 2048 and no tickets: see `bare')\n",
        ecdsa, rsa);
    fflush(stdout);
    return ecdsa;
}

static void use(const char *folder, const char *kind, const char *name, bool tickets)
{
    char path[3][512];

    memset(&set, 0, sizeof set);
    set.name = name;
    set.tickets = tickets;
    snprintf(path[0], sizeof path[0], "%s/%s/tls.crt", folder, kind);
    snprintf(path[1], sizeof path[1], "%s/%s/tls.key", folder, kind);
    snprintf(path[2], sizeof path[2], "%s/%s/mailslot.cdb", folder, kind);
    must(gnutls_certificate_allocate_credentials(&set.server), "credentials");
    must(gnutls_certificate_allocate_credentials(&set.client), "credentials");
    must(gnutls_certificate_set_x509_key_file(set.server, path[0], path[1], GNUTLS_X509_FMT_PEM),
         path[0]);
    must(gnutls_session_ticket_key_generate(&set.secret), "ticket key");
    database = strdup(path[2]);
}

static void stay_on_one_core(void)
{
    cpu_set_t cores;
    int last = CPU_SETSIZE - 1;

    if (sched_getaffinity(0, sizeof cores, &cores) != 0)
        err(1, "sched_getaffinity");
    while (!CPU_ISSET(last, &cores))
        last--;
    CPU_ZERO(&cores);
    CPU_SET(last, &cores);
    if (sched_setaffinity(0, sizeof cores, &cores) != 0)
        err(1, "sched_setaffinity");
}

int main(int argc, char **argv)
{
    static const struct {
        const char *kind, *name;
        bool tickets;
    } sets[] = {
        {"ecdsa.no", "ECDSA P-256", false},
        {"ecdsa.yes", "ECDSA P-256, resumed", true},
        {"rsa.no", "RSA 2048", false},
        {"rsa.yes", "RSA 2048, resumed", true},
    };

    if (argc != 3)
        errx(100, "usage: bench-tls SERVER FOLDER");
    server = argv[1];
    signal(SIGPIPE, SIG_IGN); /* the server may be gone when we say goodbye */
    stay_on_one_core();
    double gnutls_cli = ask_gnutls_cli();
    for (size_t i = 0; i < sizeof sets / sizeof sets[0]; i++) {
        use(argv[2], sets[i].kind, sets[i].name, sets[i].tickets);
        pid_t listener = start_listener(NULL);
        bench_sessions(i == 0 ? gnutls_cli : 0);
        stop_listener(listener);
        if (!sets[i].tickets)
            bench_memory();
    }
    return 0;
}
