#include "trace.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct output {
    char *to;
    size_t len;
};

static void add(struct output *out, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* TRACE_MAX has room for the longest of everything; otherwise it would be cut short. */
static void add(struct output *out, const char *format, ...)
{
    va_list arguments;
    size_t room = TRACE_MAX - out->len;

    va_start(arguments, format);
    int len = vsnprintf(out->to + out->len, room, format, arguments);
    va_end(arguments);
    out->len += (size_t)len < room ? (size_t)len : room - 1;
}

/* The sender is one word, because the date follows the first blank, and has no colon, because
 * grepmail takes the first one for that of the time. */
static void add_from_line(struct output *out, const struct trace *trace)
{
    char sender[ADDRESS_TEXT_MAX], date[64];
    struct tm utc;

    if (address_write(trace->sender, sender) == 0)
        strcpy(sender, "MAILER-DAEMON");
    for (char *c = sender; *c != '\0'; c++)
        if (*c == ' ' || *c == '"' || *c == ':')
            *c = '_';
    strftime(date, sizeof date, "%a %b %e %H:%M:%S %Y",
             gmtime_r(&trace->time, &utc)); /* in the C locale */
    add(out, "From %s %s\n", sender, date);
}

/* Text of others in a comment: nothing in it may be taken for syntax. */
static void add_foreign(struct output *out, const char *text)
{
    for (; *text != '\0'; text++)
        add(out, "%c", *text < ' ' || *text > '~' || strchr("()<>\\\",;", *text) ? '_' : *text);
}

/* The name in HELO. Clients say anything; what is written is a domain by RFC 5322 section 3.4.1, so
 * that the field stays valid: a dot-atom, unless it is an address literal. */
static void add_name(struct output *out, const char *name)
{
    size_t len = strlen(name);

    if (len > 1 && name[len - 1] == '.') /* `client.example.` is that domain, too */
        len--;
    bool is_domain = address_parse_domain((struct slice){name, len}) == ADDRESS_OK;
    for (size_t i = 0; i < len; i++) {
        bool lone_dot = name[i] == '.' && (i == 0 || i + 1 == len || name[i - 1] == '.');
        bool special = name[i] <= ' ' || name[i] > '~' || strchr("()<>[]:;@\\,\"", name[i]);
        add(out, "%c", !is_domain && (lone_dot || special) ? '_' : name[i]);
    }
}

/* RFC 3848, RFC 6531 section 4.3. */
static void add_protocol(struct output *out, const struct trace *trace)
{
    bool plain = !trace->lmtp && !trace->extended; /* HELO: there is only one name for it */

    if (plain && !trace->utf8) {
        add(out, "SMTP");
        return;
    }
    add(out, "%s%s%s",
        trace->utf8   ? "UTF8"
        : trace->lmtp ? ""
                      : "E",
        trace->lmtp ? "LMTP" : "SMTP", trace->tls != NULL ? "S" : "");
    if (trace->authenticated)
        add(out, "A");
}

static void add_client(struct output *out, const struct trace *trace)
{
    bool literal = strpbrk(trace->peer, ".:") != NULL;
    bool ipv6 = strchr(trace->peer, ':') != NULL;

    add(out, "from ");
    add_name(out, trace->helo);
    add(out, literal ? " ([%s%s])" : " (%s%s)", ipv6 ? "IPv6:" : "", trace->peer);
}

static void add_tls(struct output *out, const struct trace_tls *tls)
{
    add(out, "\n\t(using %s with cipher %s", tls->protocol, tls->cipher);
    if (tls->client[0] != '\0') {
        add(out, ",\n\tclient certificate of ");
        add_foreign(out, tls->client);
        add(out, " verified");
    }
    add(out, ")");
}

enum { DATE_MAX = 64 };

static void write_date(char date[DATE_MAX], const struct trace *trace)
{
    struct tm utc;

    strftime(date, DATE_MAX, "%a, %d %b %Y %H:%M:%S +0000", gmtime_r(&trace->time, &utc));
}

static void add_missing(struct output *out, const struct trace *trace, const char *date)
{
    if (trace->add_date)
        add(out, "Date: %s\n", date);
    if (trace->add_message_id)
        add(out, "Message-ID: <%s@%s>\n", trace->id, trace->hostname);
}

size_t trace_missing(char to[TRACE_MAX], const struct trace *trace)
{
    struct output out = {to, 0};
    char date[DATE_MAX];

    write_date(date, trace);
    add_missing(&out, trace, date);
    return out.len;
}

size_t trace_received(char to[TRACE_MAX], const struct trace *trace)
{
    struct output out = {to, 0};
    char recipient[ADDRESS_TEXT_MAX], date[DATE_MAX];
    bool hidden = trace->peer == NULL;

    add(&out, "Received: ");
    if (!hidden)
        add_client(&out, trace);
    if (!hidden && trace->tls != NULL)
        add_tls(&out, trace->tls);
    add(&out, "%sby %s with ", hidden ? "" : "\n\t", trace->hostname);
    add_protocol(&out, trace);
    add(&out, " id %s", trace->id);
    if (hidden && trace->tls != NULL)
        add_tls(&out, trace->tls);
    if (trace->recipient != NULL) {
        address_write(trace->recipient, recipient);
        add(&out, "\n\tfor <%s>", recipient);
    }
    write_date(date, trace);
    add(&out, ";\n\t%s\n", date);
    add_missing(&out, trace, date);
    return out.len;
}

size_t trace_envelope(char to[TRACE_MAX], const struct trace *trace)
{
    struct output out = {to, 0};
    char text[ADDRESS_TEXT_MAX];

    add_from_line(&out, trace);
    address_write(trace->sender, text);
    add(&out, "Return-Path: <%s>\n", text);
    return out.len;
}

size_t trace_mailbox(char to[TRACE_MAX], const struct trace *trace, const struct address *user,
                     struct slice received)
{
    struct output out = {to, trace_envelope(to, trace)};
    char text[ADDRESS_TEXT_MAX];

    address_write(user, text);
    add(&out, "Delivered-To: %s\n%.*s", text, SLICE(received));
    return out.len;
}
