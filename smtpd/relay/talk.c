#include "talk.h"

#include "../database/certificate.h"
#include "login.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int greet(struct link *link, struct fault *fault)
{
    struct hop_reply reply;
    const char *wrong;

    if (link_reply(link, &reply, NULL, NULL, &wrong) != 0)
        return fault_set(fault, FAULT_GREETING, "%s", wrong);
    return reply.code == 220 ? 0 : fault_reply(fault, FAULT_GREETING, &reply);
}

struct listing {
    struct offers *offers;
    bool begun; /* the first line, which is the host's name, has passed */
};

static void add_line(void *context, struct slice line)
{
    struct listing *listing = context;

    if (listing->begun)
        offers_add(listing->offers, line);
    listing->begun = true;
}

/* Sends a command, and reads its reply; the lines of that to EHLO are offers. */
static int ask(struct link *link, const char *command, const char *argument, struct offers *offers,
               struct hop_reply *reply, enum fault_step step, struct fault *fault)
{
    struct listing listing = {.offers = offers};
    char line[512];
    const char *wrong = "the host has sent a reply ahead of its command";
    int len =
        snprintf(line, sizeof line, "%s%s%s\r\n", command, *argument != '\0' ? " " : "", argument);

    if (link_is_ahead(link))
        return fault_set(fault, step, "%s", wrong);
    if (link_send(link, (struct slice){line, (size_t)len}) != 0)
        return fault_set(fault, step, "%s", strerror(errno));
    if (link_reply(link, reply, offers == NULL ? NULL : add_line, &listing, &wrong) != 0)
        return fault_set(fault, step, "%s", wrong);
    return 0;
}

/* EHLO; or HELO, to a host that knows no better. */
static int hello(struct talk *talk, struct link *link, struct fault *fault)
{
    struct hop_reply reply;

    offers_begin(&talk->offers);
    if (ask(link, "EHLO", talk->hello, &talk->offers, &reply, FAULT_HELLO, fault) != 0)
        return -1;
    if (reply.code == 250)
        return 0;
    offers_begin(&talk->offers);
    if (reply.code >= 500 && reply.code <= 504 &&
        ask(link, "HELO", talk->hello, NULL, &reply, FAULT_HELLO, fault) != 0)
        return -1;
    return reply.code == 250 ? 0 : fault_reply(fault, FAULT_HELLO, &reply);
}

static int secure(struct talk *talk, struct link *link, const char *name, enum link_verify how,
                  struct fault *fault)
{
    struct slice file = talk->settings->ca;
    char path[SETTINGS_PATH_MAX];

    if (file.len > 0 && certificate_path(talk->folder, file, path) != 0)
        return fault_set(fault, FAULT_TLS, "%s", strerror(errno));
    if (link_load_authorities(file.len > 0 ? path : NULL, fault) != 0)
        return -1;
    return link_secure(link, name, how, fault);
}

/* What follows the 220 in clear could have been inserted by anybody on the way, and must not count
 * as said within TLS (RFC 3207 section 6; CVE-2011-0411). */
static int starttls(struct talk *talk, struct link *link, const char *name, enum link_verify how,
                    struct fault *fault)
{
    struct hop_reply reply;

    if (ask(link, "STARTTLS", "", NULL, &reply, FAULT_TLS, fault) != 0)
        return -1;
    if (reply.code != 220)
        return fault_reply(fault, FAULT_TLS, &reply);
    if (link_is_ahead(link))
        return fault_set(fault, FAULT_TLS, "bytes in clear after the reply to STARTTLS");
    if (secure(talk, link, name, how, fault) != 0)
        return -1;
    return hello(talk, link, fault); /* what was offered before does not count (RFC 3207 4.2) */
}

int talk(struct talk *talk, struct link *link, const struct relay_host *host, const char *name,
         struct fault *fault)
{
    enum relay_tls tls = relay_settings_tls(talk->settings, host);
    int result = 0;

    talk->mechanism = NULL;
    if (tls == RELAY_TLS_IMPLICIT)
        result = secure(talk, link, name, LINK_VERIFY, fault);
    if (result == 0)
        result = greet(link, fault);
    if (result == 0)
        result = hello(talk, link, fault);
    if (result != 0)
        return -1;
    if (tls == RELAY_TLS_STARTTLS && !talk->offers.starttls)
        return fault_set(fault, FAULT_TLS, "the host offers no STARTTLS");
    if (tls == RELAY_TLS_STARTTLS || (tls == RELAY_TLS_MAY && talk->offers.starttls))
        result =
            starttls(talk, link, name, tls == RELAY_TLS_MAY ? LINK_VERIFY_MAY : LINK_VERIFY, fault);
    if (result == 0 && talk->settings->user.len > 0)
        result = log_in(link, talk->settings, talk->folder, host, &talk->offers, &talk->mechanism,
                        fault);
    if (result == 0 && link_is_ahead(link))
        result = fault_set(fault, FAULT_HELLO, "the host has sent a reply to nothing");
    return result;
}
