/*
 * The back, and a front that an attacker controls and that knows the protocol of the wall: whole
 * sessions, in which each message is made after the back's last answer: STARTTLS and the next
 * front, handshakes, AUTH with its challenges, transactions. Lengths are near their limits, and any
 * bytes of a message may be replaced. In every case the mailboxes must contain whole messages.
 *
 * fuzz_wall sends messages of any type and length ahead, without reading answers.
 */
#include "../../smtpd/back/back.h"
#include "../../smtpd/back/log.h"
#include "../../smtpd/base/base64.h"
#include "../../smtpd/database/database.h"
#include "../../smtpd/wall/reply.h"
#include "../../smtpd/wall/wall.h"
#include "../certificate.h"
#include "database.h"

#include <gnutls/gnutls.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

enum { HEAD = offsetof(struct wall_message, text), MESSAGES_MAX = 60, NOBODY = 1 << 23 };

static struct input input;
static int messages;
static int wall = -1, next_wall = -1; /* our ends: of this front, and of the next one */
static int made[2];                   /* the last pair */
static struct wall_message message, answer;
static struct wall_challenge challenge; /* the last one */

/* ---- replacements for what the back calls ---------------------------------------------------- */

/* The delay after a failed AUTH: none here. */
int nanosleep(const struct timespec *time, struct timespec *left)
{
    (void)time;
    (void)left;
    return 0;
}

int socketpair(int domain, int type, int protocol, int pair[2])
{
    int result = (int)syscall(SYS_socketpair, domain, type, protocol, pair);

    memcpy(made, pair, sizeof made);
    return result;
}

/* We play the next front. */
pid_t fork(void)
{
    MUST(next_wall < 0);
    next_wall = dup(made[1]);
    return NOBODY;
}

int kill(pid_t pid, int signal)
{
    return pid == NOBODY || pid == 0 ? 0 : (int)syscall(SYS_kill, pid, signal);
}

pid_t waitpid(pid_t pid, int *status, int options)
{
    if (pid != NOBODY && pid != 0)
        return (pid_t)syscall(SYS_wait4, pid, status, options, NULL);
    if (status != NULL)
        *status = 0;
    return pid;
}

/* ---- messages -------------------------------------------------------------------------------- */

/* A length, mostly at a limit. */
static size_t pick_len(size_t most)
{
    static const size_t lens[] = {0,   1,   2,   17,  63,  64,   254,  255,  256,  257,
                                  509, 510, 511, 512, 513, 1020, 1023, 1024, 1025, 9216};
    uint8_t how = next_byte(&input);
    size_t len = how < sizeof lens / sizeof lens[0] ? lens[how] : how;

    if (how == 0xff || len > most)
        len = most;
    return how == 0xfe && most > 0 ? most - 1 : len;
}

static size_t put(char *to, size_t at, const char *text)
{
    strcpy(to + at, text);
    return at + strlen(text);
}

static size_t fill(char *to, size_t at, size_t most)
{
    static const char fills[] = "a@\".\\=,+ \xc3\xb6\n\0";
    char with = fills[next_byte(&input) % (sizeof fills - 1)];
    size_t len = pick_len(most - at);

    memset(to + at, with, len);
    return at + len;
}

static void pick_address(struct address *address)
{
    static const char *const names[] = {"alice", "bob", "postmaster", "alice+x", "nobody", "a b"};
    static const char *const domains[] = {"example.org", "foreign.example", "[192.0.2.1]", ""};
    uint8_t how = next_byte(&input);

    *address = (struct address){0};
    if (how & 0x80) {
        address->local_len = (uint16_t)fill(address->local, 0, sizeof address->local);
    } else {
        const char *name = names[how % 6];
        address->local_len = (uint16_t)strlen(name);
        memcpy(address->local, name, strlen(name));
    }
    if (how & 0x40) {
        address->domain_len = (uint16_t)pick_len(sizeof address->domain);
        memset(address->domain, 'a', address->domain_len);
        for (size_t i = 3; i < address->domain_len; i += 4)
            address->domain[i] = i + 1 < address->domain_len ? '.' : 'a';
    } else {
        const char *domain = domains[(how >> 3) % 4];
        address->domain_len = (uint16_t)strlen(domain);
        memcpy(address->domain, domain, strlen(domain));
    }
}

static void make_mail(void)
{
    uint8_t how = next_byte(&input);

    message.type = WALL_MAIL;
    pick_address(&message.mail.sender);
    message.mail.helo_len = (uint16_t)pick_len(WALL_HELO_MAX);
    memset(message.mail.helo, 'h', message.mail.helo_len);
    message.mail.utf8 = how & 1;
    message.mail.prdr = how >> 1 & 1;
    message.mail.extended = how >> 2 & 1;
    message.mail.size = how & 8 ? 5000 : 0;
}

static size_t make_text(void)
{
    static const size_t lens[] = {1, 2, 70, 998, 4095, 4096, 65535, 65536};
    size_t len = lens[next_byte(&input) % 8], pattern_len;
    const char *pattern = next_bytes(&input, 1 + next_byte(&input) % 16, &pattern_len);

    message.type = WALL_TEXT;
    for (size_t i = 0; i < len; i++)
        message.text[i] = pattern_len == 0 ? 'x' : pattern[i % pattern_len];
    if (next_byte(&input) & 1)
        message.text[len - 1] = '\n';
    return len;
}

static void make_plain(void)
{
    struct wall_sasl *sasl = &message.sasl;
    size_t len = next_byte(&input) & 1 ? fill(sasl->data, 0, 600) : 0;

    message.type = WALL_AUTH;
    sasl->mechanism = WALL_PLAIN;
    sasl->has_response = 1;
    sasl->data[len++] = '\0';
    len = next_byte(&input) & 1 ? fill(sasl->data, len, WALL_SASL_MAX - 700)
                                : put(sasl->data, len, "alice@example.org");
    sasl->data[len++] = '\0';
    len = next_byte(&input) & 1 ? fill(sasl->data, len, len + 600) : put(sasl->data, len, "P-w");
    sasl->len = (uint32_t)len;
}

static void make_login(void)
{
    uint8_t how = next_byte(&input);

    message.type = WALL_AUTH;
    message.sasl.mechanism = how & 2 ? WALL_EXTERNAL : WALL_LOGIN;
    message.sasl.has_response = how & 1;
    message.sasl.len = (uint32_t)fill(message.sasl.data, 0, WALL_SASL_MAX);
}

/* gs2-header, name, nonce: each of the longest allowed length, or longer. */
static void make_scram_first(void)
{
    struct wall_sasl *sasl = &message.sasl;
    uint8_t how = next_byte(&input);
    size_t len = put(sasl->data, 0, how & 1 ? "p=tls-exporter," : how & 2 ? "y," : "n,");

    message.type = WALL_AUTH;
    sasl->mechanism = how & 1 ? WALL_SCRAM_PLUS : WALL_SCRAM;
    sasl->has_response = 1;
    if (how & 4)
        len = fill(sasl->data, put(sasl->data, len, "a="), 1500);
    len = put(sasl->data, len, ",n=");
    len = how & 8 ? fill(sasl->data, len, 2500) : put(sasl->data, len, "alice@example.org");
    len = put(sasl->data, len, ",r=");
    len = how & 16 ? fill(sasl->data, len, 3500) : put(sasl->data, len, "nonce");
    sasl->len = (uint32_t)len;
}

/* The nonce of the challenge, and a proof. */
static void make_scram_final(void)
{
    struct wall_sasl *sasl = &message.sasl;
    const char *comma = memchr(challenge.data, ',', challenge.len);
    size_t nonce_len = comma == NULL ? 0 : (size_t)(comma - challenge.data);
    char proof[64], header[2048];
    size_t header_len = fill(header, put(header, 0, "n,,"), 1400), len;

    message.type = WALL_RESPONSE;
    len = put(sasl->data, 0, "c=");
    len += base64_encode(header, next_byte(&input) & 1 ? header_len : 3, sasl->data + len);
    sasl->data[len++] = ',';
    memcpy(sasl->data + len, challenge.data, nonce_len);
    len += nonce_len;
    if (next_byte(&input) & 1)
        len = fill(sasl->data, put(sasl->data, len, ",x="), 4000);
    memset(proof, next_byte(&input), sizeof proof);
    len = put(sasl->data, len, ",p=");
    len += base64_encode(proof, next_byte(&input) & 1 ? 32 : 48, sasl->data + len);
    sasl->len = (uint32_t)len;
}

static void make_response(void)
{
    size_t len;
    const char *bytes = next_bytes(&input, next_byte(&input), &len);

    message.type = WALL_RESPONSE;
    memcpy(message.sasl.data, bytes, len);
    message.sasl.len = (uint32_t)len;
}

static void make_refused(uint32_t type)
{
    message.type = type;
    message.refused.reply = next_byte(&input) & 1 ? REPLY_UNKNOWN_COMMAND : next_byte(&input);
    message.refused.len = (uint32_t)fill(message.refused.command, 0, WALL_COMMAND_MAX);
}

static void make_sign(void)
{
    static const uint32_t algorithms[] = {GNUTLS_SIGN_ECDSA_SECP256R1_SHA256,
                                          GNUTLS_SIGN_ECDSA_SHA256, GNUTLS_SIGN_RSA_SHA256,
                                          GNUTLS_SIGN_RSA_RAW, UINT32_MAX};

    message.type = WALL_SIGN;
    message.sign.certificate = next_byte(&input) % 4 == 1 ? next_byte(&input) : 0;
    message.sign.algorithm = algorithms[next_byte(&input) % 5];
    message.sign.len = next_byte(&input) & 1 ? (uint32_t)pick_len(WALL_HASH_MAX) : 32;
}

static void make_secured(void)
{
    struct wall_secured *facts = &message.secured;
    static char der[2048];
    static ptrdiff_t der_len;
    uint8_t how = next_byte(&input);

    if (der_len == 0) {
        char lines[sizeof test_certificate], *to = lines;
        for (const char *c = strchr(test_certificate, '\n'); strncmp(c, "\n-", 2) != 0; c++)
            if (*c != '\n')
                *to++ = *c;
        der_len = base64_decode((struct slice){lines, (size_t)(to - lines)}, der, sizeof der);
        MUST(der_len > 0);
    }
    message.type = WALL_SECURED;
    strcpy(facts->protocol, "TLS1.3");
    strcpy(facts->cipher, "TLS_AES_256_GCM_SHA384");
    facts->exporter.len = (uint32_t)pick_len(WALL_BINDING_MAX);
    facts->unique.len = (uint32_t)pick_len(WALL_BINDING_MAX);
    if (how & 1)
        memset(facts->protocol, 'T', WALL_PROTOCOL_MAX - (how >> 1 & 1));
    if (how & 4)
        memset(facts->cipher, 'C', WALL_CIPHER_MAX - (how >> 3 & 1));
    for (int i = 0; i < (how >> 4 & 3); i++) {
        uint32_t len = (uint32_t)(der_len + (how >> 6 & 1));
        memcpy(facts->chain + facts->chain_len, &len, sizeof len);
        memcpy(facts->chain + facts->chain_len + sizeof len, der, (size_t)der_len);
        facts->chain_len += (uint32_t)(sizeof len + (size_t)der_len);
    }
    if (how & 0x80)
        facts->chain_len = (uint32_t)pick_len(WALL_CLIENT_CHAIN_MAX);
}

static void make_address(uint32_t type)
{
    message.type = type;
    pick_address(&message.address);
}

/* The next message; returns the length of its body. */
static size_t make(void)
{
    uint8_t how = next_byte(&input);

    memset(&message, 0,
           sizeof message.type + sizeof(struct wall_secured) + sizeof(struct wall_sasl));
    switch (how % 21) {
    case 0:
    case 1:
        make_mail();
        break;
    case 2:
    case 3:
        make_address(WALL_RECIPIENT);
        break;
    case 4:
        make_address(WALL_VERIFY);
        break;
    case 5:
        return make_text();
    case 6:
        message.type = WALL_COMMIT;
        break;
    case 7:
        message.type = WALL_ABANDON;
        break;
    case 8:
        message.type = WALL_END;
        message.end.end = next_byte(&input);
        break;
    case 9:
        make_refused(WALL_REFUSED);
        break;
    case 10:
        make_plain();
        break;
    case 11:
        make_login();
        break;
    case 12:
        make_scram_first();
        break;
    case 13:
        make_scram_final();
        break;
    case 14:
        make_response();
        break;
    case 15:
        make_refused(WALL_CANCEL);
        break;
    case 16:
        message.type = WALL_STARTTLS;
        message.errors = next_byte(&input) & 1 ? next_byte(&input) : 0;
        break;
    case 17:
        make_sign();
        break;
    case 18:
        make_secured();
        break;
    case 19:
        message.type = WALL_REFUSED_TEXT;
        message.fault = next_byte(&input);
        break;
    default:
        message.type = WALL_END;
        message.end.end = END_HANDED_OVER;
    }
    return wall_body_size(message.type);
}

static void hand_over(void)
{
    close(wall);
    wall = next_wall;
    next_wall = -1;
}

/* Reads the answers, and sends the next message. The front ends at the end of the input. */
static void play(void)
{
    while (recv(wall, &answer, sizeof answer, MSG_DONTWAIT) > 0)
        if (answer.type == WALL_CHALLENGE && answer.challenge.code == VERDICT_CHALLENGE)
            challenge = answer.challenge;
    if (input.at == input.end || ++messages > MESSAGES_MAX) {
        shutdown(wall, SHUT_RDWR);
        return;
    }
    size_t len = make();
    for (int pokes = next_byte(&input) % 8 - 4; pokes > 0; pokes--) {
        size_t at = next_byte(&input);
        at = (at << 8 | next_byte(&input)) % (len == 0 ? 1 : len);
        if (len > 0)
            message.text[at] = (char)next_byte(&input);
    }
    send(wall, &message, HEAD + len, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (message.type == WALL_END && message.end.end == END_HANDED_OVER && next_wall >= 0)
        hand_over();
}

/* The back waits for its front. */
int ppoll(struct pollfd *fds, nfds_t count, const struct timespec *time, const sigset_t *mask)
{
    (void)mask;
    (void)time;
    MUST(count == 1);
    play();
    fds->revents = POLLIN;
    return 1;
}

int __ppoll_chk(struct pollfd *fds, nfds_t count, const struct timespec *time, const sigset_t *mask,
                size_t size);
int __ppoll_chk(struct pollfd *fds, nfds_t count, const struct timespec *time, const sigset_t *mask,
                size_t size)
{
    (void)size;
    return ppoll(fds, count, time, mask);
}

/* ---- the back -------------------------------------------------------------------------------- */

static void make_database(char path[128])
{
    scratch_put("certificate", test_certificate, strlen(test_certificate));
    scratch_put("key", test_key, strlen(test_key));
    database_make(
        path, "max-recipients=9\nmax-message-size=100000\nauth-without-tls=yes\nlock-timeout=1\n"
              "tls-certificate=certificate\ntls-key=key\ntls-client-ca=certificate\n");
}

static void check_mailbox(const char *name)
{
    static char text[1 << 20];
    char path[128];

    snprintf(path, sizeof path, "%s/mail/example.org/%s", scratch, name);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return;
    ssize_t len = read(fd, text, sizeof text);
    MUST(len == 0 || len == sizeof text ||
         (len > 7 && memcmp(text, "From ", 5) == 0 && memcmp(text + len - 2, "\n\n", 2) == 0));
    MUST(ftruncate(fd, 0) == 0);
    close(fd);
    strcat(path, ".undo");
    MUST(access(path, F_OK) != 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    static char database[128];
    struct back_start start = {.in = -1, .out = -1, .peer = "192.0.2.1"};
    int pair[2], first = dup(0);

    close(first);
    if (database[0] == '\0') {
        make_database(database);
        log_open(-1, -1);
    }
    log_session(start.peer);
    input = (struct input){bytes, bytes + len};
    messages = 0;
    challenge.len = 0;
    start.database = database;
    start.role = (enum role)(next_byte(&input) % ROLES);
    MUST(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
    wall = pair[0];
    back_serve(&start, pair[1]);
    close_range((unsigned)first, ~0U, 0); /* ours, and those that the back has not closed */
    next_wall = -1;
    check_mailbox("alice");
    check_mailbox("bob");
    return 0;
}
