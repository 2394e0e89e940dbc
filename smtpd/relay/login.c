#include "login.h"

#include "../base/base64.h"
#include "../database/certificate.h"
#include "bearer.h"
#include "login_scram.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
    SECRET_MAX = 16384,               /* tokens have some thousand bytes */
    RESPONSE_MAX = SECRET_MAX + 2048, /* with what is around it */
    LINE_MAX_OLD = 512,               /* of a command; longer responses go by themselves */
    OAUTH = MECHANISM_OAUTHBEARER | MECHANISM_XOAUTH2,
};

/* Everything that has to be wiped. */
static struct {
    char user[RELAY_USER_MAX + 1];
    char secret[SECRET_MAX];
    char response[RESPONSE_MAX];
    char base64[BASE64_SIZE(RESPONSE_MAX)]; /* of the response */
    char line[BASE64_SIZE(RESPONSE_MAX) + 64];
} held;

struct login {
    struct link *link;
    enum mechanism mechanism;
    struct slice user, secret;
    struct hop_reply reply;
    const char *wrong; /* there was no reply */
    bool asked;        /* a command or response was sent */
};

/* ---- the secret --------------------------------------------------------------------------------
 */

/* The first line of the file. */
static int read_secret(const char *folder, struct slice name, struct slice *secret,
                       struct fault *fault)
{
    char path[SETTINGS_PATH_MAX] = "";
    size_t len = 0;
    ssize_t got = -1;

    int fd = certificate_path(folder, name, path) == 0 ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd >= 0) {
        while (len < SECRET_MAX - 1 &&
               (got = read(fd, held.secret + len, SECRET_MAX - 1 - len)) > 0)
            len += (size_t)got;
        int error = errno;
        close(fd);
        errno = error;
    }
    if (fd < 0 || got < 0)
        return fault_set(fault, FAULT_SETTINGS, "cannot read %s: %s", path, strerror(errno));
    *secret = slice_until((struct slice){held.secret, len}, '\n');
    if (slice_ends(*secret, "\r"))
        secret->len--;
    if (secret->len == 0 || secret->len == SECRET_MAX - 1 ||
        memchr(secret->at, '\0', secret->len) != NULL || memchr(secret->at, '\1', secret->len))
        return fault_set(fault, FAULT_SETTINGS, "%s: the first line is %s", path,
                         secret->len == 0 ? "empty" : "too long, or not text");
    held.secret[secret->len] = '\0';
    return 0;
}

static unsigned usable(const struct link *link, const struct relay_settings *settings,
                       const struct offers *offers)
{
    unsigned scram = MECHANISM_SCRAM_PLUS | MECHANISM_SCRAM;

    if (settings->token.len > 0)
        return OAUTH;
    if ((offers->mechanisms & scram) == 0 || !login_scram_is_there())
        scram = 0;
    else if (!login_scram_can_bind(link))
        scram = MECHANISM_SCRAM;
    return scram | MECHANISM_PLAIN | MECHANISM_LOGIN;
}

/* ---- the dialogue ------------------------------------------------------------------------------
 */

/* Sends the line of held, and reads the reply. */
static int ask(struct login *login, size_t len)
{
    if (link_is_ahead(login->link)) {
        login->wrong = "the host has sent a reply ahead of its command";
        return -1;
    }
    memcpy(held.line + len, "\r\n", 2);
    login->asked = true;
    int sent = link_send(login->link, (struct slice){held.line, len + 2});
    if (sent != 0)
        login->wrong = strerror(errno);
    return sent == 0 ? link_reply(login->link, &login->reply, NULL, NULL, &login->wrong) : -1;
}

static int respond(struct login *login, struct slice base64)
{
    memcpy(held.line, base64.at, base64.len);
    return ask(login, base64.len);
}

/* AUTH with the initial response, or without it if the line were too long (RFC 4954 section 4). */
static int begin(struct login *login, struct slice base64)
{
    const char *name = mechanism_name(login->mechanism);
    size_t len = (size_t)sprintf(held.line, "AUTH %s", name);

    if (base64.len == 0)
        return ask(login, len);
    if (len + 1 + base64.len + 2 <= LINE_MAX_OLD) {
        held.line[len++] = ' ';
        memcpy(held.line + len, base64.at, base64.len);
        return ask(login, len + base64.len);
    }
    if (ask(login, len) != 0 || login->reply.code != 334)
        return -1;
    return respond(login, base64);
}

static struct slice encode(size_t len)
{
    return (struct slice){held.base64, base64_encode(held.response, len, held.base64)};
}

static int say_plain(struct login *login)
{
    char *to = held.response;

    *to++ = '\0';
    to = mempcpy(to, login->user.at, login->user.len);
    *to++ = '\0';
    to = mempcpy(to, login->secret.at, login->secret.len);
    return begin(login, encode((size_t)(to - held.response)));
}

static int say_login(struct login *login)
{
    if (begin(login, (struct slice){NULL, 0}) != 0 || login->reply.code != 334)
        return -1;
    memcpy(held.response, login->user.at, login->user.len);
    if (respond(login, encode(login->user.len)) != 0 || login->reply.code != 334)
        return -1;
    memcpy(held.response, login->secret.at, login->secret.len);
    return respond(login, encode(login->secret.len));
}

/* A challenge after the token is the reason for a refusal, and has to be answered. */
static int say_token(struct login *login, const struct relay_host *host)
{
    bool bearer = login->mechanism == MECHANISM_OAUTHBEARER;
    size_t len = bearer ? bearer_write(login->user, host->name, host->port, login->secret,
                                       held.response, sizeof held.response)
                        : bearer_write_xoauth2(login->user, login->secret, held.response,
                                               sizeof held.response);
    if (len == 0) {
        login->wrong = "the user and the token are too long";
        return -1;
    }
    if (begin(login, encode(len)) != 0)
        return -1;
    return login->reply.code == 334 ? respond(login, slice_of(bearer ? "AQ==" : "")) : 0;
}

static int say_scram(struct login *login)
{
    bool plus = login->mechanism == MECHANISM_SCRAM_PLUS;
    struct login_scram *scram = login_scram_begin(login->link, plus, held.user, held.secret);
    struct slice response, challenge = {"", 0};
    enum login_scram_result result = LOGIN_SCRAM_WRONG;
    int said = -1;

    for (int turn = 0; scram != NULL && turn < 4; turn++) {
        result = login_scram_step(scram, challenge, &response);
        if (result == LOGIN_SCRAM_WRONG)
            break;
        said = turn == 0 ? begin(login, response) : respond(login, response);
        if (said != 0 || login->reply.code != 334)
            break;
        challenge = hop_reply_line(&login->reply);
    }
    login_scram_end(scram);
    if (!login->asked)
        login->wrong = "libgsasl cannot begin";
    if (said == 0 && result != LOGIN_SCRAM_DONE && login->reply.code < 400) {
        login->wrong = "the host has not proved that it knows the password";
        return -1;
    }
    return said;
}

static int say(struct login *login, const struct relay_host *host)
{
    switch (login->mechanism) {
    case MECHANISM_OAUTHBEARER:
    case MECHANISM_XOAUTH2:
        return say_token(login, host);
    case MECHANISM_SCRAM_PLUS:
    case MECHANISM_SCRAM:
        return say_scram(login);
    case MECHANISM_PLAIN:
        return say_plain(login);
    case MECHANISM_LOGIN:
        break;
    }
    return say_login(login);
}

/* Does the text contain a part of the secret? */
static bool shows(const char *text, struct slice secret)
{
    enum { PART = 8 };
    size_t len = strlen(text), part = secret.len < PART ? secret.len : PART;

    for (size_t i = 0; part > 0 && i + part <= secret.len; i++)
        if (memmem(text, len, secret.at + i, part) != NULL)
            return true;
    return false;
}

static int judge(struct login *login, struct fault *fault)
{
    struct hop_reply *reply = &login->reply;

    if (login->wrong != NULL)
        return fault_set(fault, FAULT_LOG_IN, "%s: %s", mechanism_name(login->mechanism),
                         login->wrong);
    if (reply->code == 235)
        return 0;
    if (shows(reply->text, login->secret) || shows(reply->text, slice_of(held.base64)))
        reply->text[0] = '\0';
    fault_set(fault, FAULT_LOG_IN, "%s: %u%s%s%s%s", mechanism_name(login->mechanism), reply->code,
              *reply->status != '\0' ? " " : "", reply->status, *reply->text != '\0' ? " " : "",
              reply->text);
    fault->lasting = reply->code >= 500;
    return -1;
}

int log_in(struct link *link, const struct relay_settings *settings, const char *folder,
           const struct relay_host *host, const struct offers *offers, const char **mechanism,
           struct fault *fault)
{
    bool token = settings->token.len > 0;
    struct login login = {.link = link, .user = settings->user};

    bool near = (settings->tls == RELAY_TLS_NONE || settings->tls == RELAY_TLS_MAY) &&
                relay_host_is_loopback(host);
    if (!link->tls.verified && !near)
        return fault_set(fault, FAULT_LOG_IN,
                         "a password is not sent without a verified certificate");
    login.mechanism = offers_best(offers, usable(link, settings, offers));
    if (login.mechanism == 0)
        return fault_set(fault, FAULT_LOG_IN, "the host offers no %s for %s",
                         offers->mechanisms == 0 ? "AUTH" : "mechanism",
                         token ? "tokens" : "passwords");
    *mechanism = mechanism_name(login.mechanism);
    *(char *)mempcpy(held.user, settings->user.at, settings->user.len) = '\0';
    int result =
        read_secret(folder, token ? settings->token : settings->password, &login.secret, fault);
    if (result == 0) {
        say(&login, host);
        result = judge(&login, fault);
    }
    explicit_bzero(&held, sizeof held);
    return result;
}
