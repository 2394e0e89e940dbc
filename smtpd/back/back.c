#include "back.h"

#include "../clock.h"
#include "../front/front.h"
#include "../wall.h"
#include "delivery.h"
#include "directory.h"
#include "log.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    GRACE_SECONDS = 60,     /* how much longer than its session a front may live */
    FAREWELL_MS = 3000,     /* and how long after its last word; stream_linger() takes less */
    LOGGED_REFUSALS = 5,    /* refused recipients logged one by one; then they are counted */
    ERRORS_BESIDES_MAX = 1, /* the front counts them, too, and closes at this one */
};

static struct back {
    const struct back_start *start;
    int wall;
    enum { BACK_IDLE, BACK_ENVELOPE, BACK_TEXT, BACK_DONE } state;
    bool logged_broken;
    int64_t deadline;  /* of the front; clock_ms() */
    uint64_t refusals; /* recipients and names to verify; for the log */
    uint64_t errors;   /* those of them that were not there, and messages refused */
    uint64_t messages;
    const char *end; /* why the session is over, for the log */
    struct database db;
    struct settings settings;
    struct delivery delivery;
    struct wall_message message;
} back;

/* A front that breaks the rules is not ours any more. */
static void breach(const char *what)
{
    log_event(LOG_CRIT, "breach", "what", what, NULL);
    back.end = "breach";
    back.state = BACK_DONE;
}

/* A front of ours reads each answer before it asks again: there is always room for the next one. */
static void answer(void)
{
    struct pollfd wall = {.fd = back.wall, .events = POLLOUT};

    if (poll(&wall, 1, 0) == 0) {
        breach("answers not read");
    } else if (wall_send(back.wall, &back.message, 0) != 0) {
        back.end = "front gone";
        back.state = BACK_DONE;
    }
}

static void send_settings(void)
{
    const struct settings *settings = &back.settings;

    back.message.type = WALL_SETTINGS;
    back.message.settings = (struct wall_settings){
        .refuse = back.db.state == DATABASE_UNSAFE,
        .vrfy = settings->vrfy,
        .normalise_newlines = settings->normalise_newlines,
        .max_message_size = settings->max_message_size,
        .max_recipients = settings->max_recipients,
        .max_errors = settings->max_errors,
        .max_received = settings->max_received,
        .idle_timeout = settings->idle_timeout,
        .session_timeout = settings->session_timeout,
        .min_data_rate = settings->min_data_rate,
    };
    memcpy(back.message.settings.hostname, settings->hostname, sizeof settings->hostname);
    answer();
}

/* What is wrong with the database is said once a session, and to the administrator alone. */
static void log_database(void)
{
    const char *what = back.db.state == DATABASE_MISSING  ? "cannot be opened"
                       : back.db.state == DATABASE_UNSAFE ? "can be changed by others"
                                                          : "is damaged";
    const char *hint =
        back.db.state == DATABASE_UNSAFE
            ? "it must be a file of root's or of this user's, and writable by no group "
              "or other: chmod go-w"
        : back.db.state == DATABASE_MISSING && errno == EACCES
            ? "let the user that the server runs as read it"
            : "run mailslot-build";

    if (back.logged_broken)
        return;
    back.logged_broken = true;
    log_event(LOG_CRIT, "database", "path", back.start->database, "what", what, "error",
              back.db.state == DATABASE_MISSING ? strerror(errno) : NULL, "do", hint, NULL);
}

static void open_database(void)
{
    database_open(&back.db, back.start->database);
    if (back.db.state != DATABASE_OPEN)
        log_database();
    if (directory_settings(&back.db, &back.settings) != 0)
        log_database();
}

static enum wall_verdict_code verdict_code(enum directory_verdict verdict)
{
    static const enum wall_verdict_code codes[] = {
        [DIRECTORY_USER] = WALL_USER,           [DIRECTORY_ALIAS] = WALL_USER,
        [DIRECTORY_CATCH_ALL] = WALL_CATCH_ALL, [DIRECTORY_DISABLED] = WALL_DISABLED,
        [DIRECTORY_UNKNOWN] = WALL_UNKNOWN,     [DIRECTORY_FOREIGN] = WALL_FOREIGN,
        [DIRECTORY_AMBIGUOUS] = WALL_AMBIGUOUS, [DIRECTORY_BROKEN] = WALL_BROKEN,
    };

    if (verdict == DIRECTORY_BROKEN)
        log_database();
    return codes[verdict];
}

static enum wall_verdict_code verify(struct address *address)
{
    struct directory_match match;
    enum wall_verdict_code code =
        verdict_code(directory_verify(&back.db, &back.settings, address, &match));

    if (code == WALL_USER)
        *address = match.address;
    return code;
}

static enum wall_verdict_code add_recipient(const struct address *address)
{
    struct directory_match match;
    enum wall_verdict_code code =
        verdict_code(directory_find(&back.db, &back.settings, address, &match));

    if (back.delivery.recipients >= back.settings.max_recipients)
        return WALL_TOO_MANY;
    if (code != WALL_USER && code != WALL_CATCH_ALL)
        return code;
    switch (delivery_add(&back.delivery, &back.db, address, &match)) {
    case 1:
        return code;
    case 0:
        return WALL_TOO_MANY;
    default:
        log_database();
        return WALL_BROKEN;
    }
}

/* So many errors no front makes that obeys max-errors: it guesses addresses, or floods the log. */
static bool too_many_errors(void)
{
    if (++back.errors <= back.settings.max_errors + ERRORS_BESIDES_MAX)
        return false;
    breach("too many errors");
    return true;
}

static void log_refusal(const struct address *address, enum wall_verdict_code code)
{
    char text[ADDRESS_TEXT_MAX];

    if (++back.refusals > LOGGED_REFUSALS)
        return;
    address_write(address, text);
    log_event(LOG_NOTICE, "refused", "recipient", text, "reason",
              code == WALL_UNKNOWN    ? "unknown user"
              : code == WALL_FOREIGN  ? "not local"
              : code == WALL_DISABLED ? "disabled"
              : code == WALL_TOO_MANY ? "too many"
                                      : "database",
              NULL);
}

static void do_address(bool is_recipient)
{
    struct address address = back.message.address;

    if (!address_valid(&address) || (address.local_len == 0 && address.domain_len == 0)) {
        breach("address");
        return;
    }
    struct address asked = address;
    enum wall_verdict_code code = is_recipient ? add_recipient(&address) : verify(&address);
    if (code != WALL_USER && code != WALL_CATCH_ALL && code != WALL_AMBIGUOUS)
        log_refusal(&asked, code);
    bool is_error = code == WALL_UNKNOWN || code == WALL_FOREIGN || code == WALL_DISABLED;
    if (is_error && too_many_errors())
        return;
    back.message.type = WALL_VERDICT;
    memset(&back.message.verdict, 0, sizeof back.message.verdict);
    back.message.verdict.code = code;
    if (code == WALL_USER)
        back.message.verdict.address = address;
    answer();
}

static bool mail_valid(const struct wall_mail *mail)
{
    if (!address_valid(&mail->sender) || mail->helo_len == 0 || mail->helo_len > WALL_HELO_MAX ||
        mail->extended > 1)
        return false;
    for (size_t i = 0; i < mail->helo_len; i++)
        if (mail->helo[i] <= ' ' || mail->helo[i] > '~')
            return false;
    return true;
}

static void do_mail(void)
{
    if (!mail_valid(&back.message.mail)) {
        breach("sender");
        return;
    }
    delivery_begin(&back.delivery, &back.settings, back.start->peer, &back.message.mail);
    back.state = BACK_ENVELOPE;
}

/* From the first lock until the answer is on its way no signal but SIGKILL ends us. The time that
 * takes is not the front's. */
static void do_commit(void)
{
    int64_t begun = clock_ms();
    sigset_t signals, before;

    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    sigprocmask(SIG_BLOCK, &signals, &before);
    enum wall_result_code code = delivery_commit(&back.delivery);

    back.messages += code == WALL_DELIVERED;
    back.state = BACK_IDLE;
    back.message.type = WALL_RESULT;
    back.message.result = (struct wall_result){.code = code};
    memcpy(back.message.result.id, back.delivery.id, sizeof back.delivery.id);
    back.deadline += clock_ms() - begun;
    answer();
    sigprocmask(SIG_SETMASK, &before, NULL);
}

static void do_note(uint32_t note)
{
    static const char *const names[WALL_NOTES] = {
        [WALL_NOTE_QUIT] = "quit",
        [WALL_NOTE_CLOSED] = "closed by client",
        [WALL_NOTE_IDLE] = "idle",
        [WALL_NOTE_TOO_LONG] = "session too long",
        [WALL_NOTE_TOO_SLOW] = "message too slow",
        [WALL_NOTE_ERRORS] = "too many errors",
        [WALL_NOTE_HTTP] = "HTTP",
        [WALL_NOTE_FAULT] = "fault",
        [WALL_NOTE_BARE_NEWLINE] = "bare newline",
        [WALL_NOTE_TOO_LARGE] = "too large",
        [WALL_NOTE_HOPS] = "too many hops",
    };

    if (note >= WALL_NOTES) {
        breach("note");
    } else if (note <= WALL_NOTE_LAST_END) {
        back.end = names[note];
        back.state = BACK_DONE;
    } else if (!too_many_errors()) {
        log_event(LOG_NOTICE, "refused", "reason", names[note], NULL);
    }
}

static void handle(size_t len)
{
    bool has_recipient =
        (back.state == BACK_ENVELOPE || back.state == BACK_TEXT) && back.delivery.count > 0;
    uint32_t type = back.message.type;

    if (type == WALL_NOTE) {
        do_note(back.message.note);
    } else if (type == WALL_VERIFY && back.state != BACK_TEXT && back.settings.vrfy) {
        do_address(false);
    } else if (type == WALL_MAIL && back.state == BACK_IDLE) {
        do_mail();
    } else if (type == WALL_RECIPIENT && back.state == BACK_ENVELOPE) {
        do_address(true);
    } else if (type == WALL_TEXT && has_recipient) {
        back.state = BACK_TEXT;
        delivery_text(&back.delivery, back.message.text, len);
    } else if (type == WALL_COMMIT && has_recipient) {
        do_commit();
    } else if (type == WALL_ABANDON && back.state != BACK_IDLE) {
        delivery_abandon(&back.delivery);
        back.state = BACK_IDLE;
    } else {
        breach("out of order");
    }
}

/* Waits for a message as long as a front may live. */
static void receive(void)
{
    struct pollfd wall = {.fd = back.wall, .events = POLLIN};
    size_t len;
    int64_t left = back.deadline - clock_ms();
    int ready = left <= 0 ? 0 : poll(&wall, 1, (int)left);

    if (ready < 0 && errno == EINTR)
        return;
    if (ready <= 0) {
        breach("overstaying");
        return;
    }
    int got = wall_receive(back.wall, &back.message, &len);
    if (got == 1) {
        handle(len);
    } else if (got == 0) {
        back.end = "front gone";
        back.state = BACK_DONE;
    } else {
        breach(errno == EPROTO ? "malformed" : strerror(errno));
    }
}

static void log_end(void)
{
    char messages[24], refusals[24];

    snprintf(messages, sizeof messages, "%" PRIu64, back.messages);
    snprintf(refusals, sizeof refusals, "%" PRIu64, back.refusals);
    log_event(LOG_INFO, "end", "reason", back.end, "messages", messages, "refused-recipients",
              back.refusals > 0 ? refusals : NULL, NULL);
}

/* The mapped database was cut short in place, against all advice: no look-up can be answered. */
static void on_bus_error(int signal)
{
    (void)signal;
    _exit(BACK_EXIT_PASSING);
}

int back_serve(const struct back_start *start, int wall)
{
    back.start = start;
    back.wall = wall;
    back.state = BACK_IDLE;
    back.logged_broken = false;
    back.refusals = back.errors = back.messages = 0;
    signal(SIGBUS, on_bus_error);
    spool_begin(&back.delivery.spool);
    open_database();
    send_settings();
    back.deadline = clock_ms() + (int64_t)(back.settings.session_timeout + GRACE_SECONDS) * 1000;
    while (back.state != BACK_DONE)
        receive();
    delivery_abandon(&back.delivery);
    log_end();
    bool unsafe = back.db.state == DATABASE_UNSAFE;
    database_close(&back.db);
    return unsafe ? BACK_EXIT_CONFIGURATION : BACK_EXIT_SERVED;
}

/* Gives the front its moment to say goodbye to the client, and sees to it that it ends. */
static int end_front(pid_t front, int wall)
{
    struct pollfd gone = {.fd = wall};
    char number[16];
    int status = 0;

    poll(&gone, 1, strcmp(back.end, "breach") == 0 ? 0 : FAREWELL_MS);
    kill(front, SIGKILL);
    while (waitpid(front, &status, 0) < 0 && errno == EINTR)
        ;
    if (WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL) {
        snprintf(number, sizeof number, "%d", WTERMSIG(status));
        log_event(LOG_CRIT, "front-killed", "signal", number, "meaning",
                  WTERMSIG(status) == SIGSYS ? "it tried what it may not" : NULL, NULL);
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 0;
}

/* A message to DELIVERY_MAILBOXES_MAX mailboxes takes twice as many descriptors. */
static void raise_descriptors(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

int back_run(const struct back_start *start)
{
    const struct rlimit none = {0, 0};
    sigset_t none_blocked;
    int wall[2];

    if (setrlimit(RLIMIT_CORE, &none) != 0 || prctl(PR_SET_DUMPABLE, 0) != 0 ||
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, wall) != 0) {
        log_event(LOG_ERR, "cannot-start", "error", strerror(errno), NULL);
        return BACK_EXIT_PASSING;
    }
    sigemptyset(&none_blocked);
    sigprocmask(SIG_SETMASK, &none_blocked, NULL); /* whatever we have inherited */
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    signal(SIGCHLD, SIG_DFL);
    umask(077);
    pid_t front = fork(); /* before anything is opened that it could inherit */
    if (front == 0)
        front_run(start->in, start->out, wall[1]);
    close(wall[1]);
    raise_descriptors();
    int result = BACK_EXIT_PASSING;
    if (front > 0)
        result = back_serve(start, wall[0]);
    else
        log_event(LOG_ERR, "cannot-start", "doing", "fork", "error", strerror(errno), NULL);
    close(start->in);
    if (start->out != start->in)
        close(start->out);
    if (front > 0 && end_front(front, wall[0]) != 0) {
        log_event(LOG_ERR, "cannot-start", "doing", "confine the front", NULL);
        result = BACK_EXIT_PASSING;
    }
    return result;
}
