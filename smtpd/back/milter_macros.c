#include "milter_macros.h"

#include "../base/version.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the client --------------------------------------------------------------------------------
 */

char milter_macros_family(const char *peer)
{
    struct in6_addr address;

    if (strcmp(peer, "local") == 0)
        return 'L';
    if (inet_pton(AF_INET, peer, &address) == 1)
        return '4';
    return inet_pton(AF_INET6, peer, &address) == 1 ? '6' : 'U';
}

/* Such as TLS_ECDHE_RSA_AES_128_GCM_SHA256, TLS_RSA_3DES_EDE_CBC_SHA1. */
unsigned milter_macros_bits(const char *cipher)
{
    static const struct {
        const char *name;
        unsigned bits;
    } ciphers[] = {
        {"_128_", 128}, {"_256_", 256},  {"_CHACHA20_", 256},
        {"_192_", 192}, {"_3DES_", 168}, /* TLS of our own time has no others */
    };

    for (size_t i = 0; i < sizeof ciphers / sizeof ciphers[0]; i++)
        if (strstr(cipher, ciphers[i].name) != NULL)
            return ciphers[i].bits;
    return 0;
}

static void add_address(struct milter_event *event, const char *peer, char family)
{
    char name[PEER_MAX + 16];

    snprintf(name, sizeof name, "%s%s", family == '6' ? "IPv6:" : "", peer);
    if (family != 'L')
        milter_event_macro(event, "client_addr", name);
    milter_event_macro(event, "client_name", family == 'L' ? "localhost" : "unknown");
    snprintf(name, sizeof name, "unknown [%s]", peer);
    milter_event_macro(event, "_", family == 'L' ? "localhost" : name);
}

static void add_tls(struct milter_event *event, const struct secured *tls)
{
    unsigned bits = milter_macros_bits(tls->facts.cipher);
    char number[16];

    if (!tls->on)
        return;
    snprintf(number, sizeof number, "%u", bits);
    milter_event_macro(event, "tls_version", tls->facts.protocol);
    milter_event_macro(event, "cipher", tls->facts.cipher);
    milter_event_macro(event, "cipher_bits", bits == 0 ? NULL : number);
    milter_event_macro(event, "cert_subject", tls->client[0] == '\0' ? NULL : tls->client);
    milter_event_macro(event, "cert_issuer", tls->issuer[0] == '\0' ? NULL : tls->issuer);
}

void milter_macros_of_client(struct milter_event *event, const struct milter_client *client,
                             const struct delivery *delivery)
{
    const char *peer = delivery->client.peer;
    char port[8];

    snprintf(port, sizeof port, "%" PRIu16, client->port);
    milter_event_macro(event, "j", client->hostname);
    milter_event_macro(event, "v", "mailslot " MAILSLOT_VERSION);
    milter_event_macro(event, "daemon_name", role_name(client->role));
    add_address(event, peer, milter_macros_family(peer));
    milter_event_macro(event, "client_port", client->port == 0 ? NULL : port);
    add_tls(event, delivery->client.tls);
}

/* ---- the transaction ---------------------------------------------------------------------------
 */

static bool is_ours(const struct settings *settings, const struct address *address)
{
    struct slice rest = settings->domains, domain = {address->domain, address->domain_len};
    bool found = domain.len == 0;

    while (rest.len > 0 && !found) {
        struct slice one = slice_cut(&rest, ' ');
        found = one.len == domain.len && strncasecmp(one.at, domain.at, one.len) == 0;
    }
    return found;
}

/* The names of three macros. */
struct names {
    const char *address, *host, *mailer;
};

static void add_names(struct milter_event *event, const struct names *names,
                      const struct address *address, bool local)
{
    char text[ADDRESS_TEXT_MAX], host[ADDRESS_DOMAIN_MAX + 1];

    address_write(address, text);
    *(char *)mempcpy(host, address->domain, address->domain_len) = '\0';
    milter_event_macro(event, names->address, text);
    milter_event_macro(event, names->host, *host == '\0' ? NULL : host);
    milter_event_macro(event, names->mailer, local ? "local" : "smtp");
}

/* From xtext (RFC 3461 section 4), and printable. */
static void add_author(struct milter_event *event, const struct wall_mail *mail)
{
    char author[WALL_AUTHOR_MAX + 1];
    size_t len = 0;

    for (size_t i = 0; i < mail->author_len; i++) {
        unsigned code = (unsigned char)mail->author[i];
        if (code == '+' && mail->author_len - i > 2) {
            char digits[] = {mail->author[i + 1], mail->author[i + 2], '\0'};
            code = (unsigned)strtoul(digits, NULL, 16);
            i += 2;
        }
        author[len++] = code >= ' ' && code <= '~' ? (char)code : '?';
    }
    author[len] = '\0';
    milter_event_macro(event, "auth_author", len == 0 ? NULL : author);
}

void milter_macros_of_mail(struct milter_event *event, const struct milter_client *client,
                           const struct delivery *delivery)
{
    static const struct names names = {"mail_addr", "mail_host", "mail_mailer"};
    const struct address *sender = &delivery->mail.sender;
    struct slice user = delivery->client.user;
    char login[ADDRESS_KEY_MAX + 1];

    milter_event_macro(event, "i", delivery->id);
    *(char *)mempcpy(login, user.at, user.len) = '\0';
    milter_event_macro(event, "auth_authen", user.len == 0 ? NULL : login);
    milter_event_macro(event, "auth_type", user.len == 0 ? NULL : client->mechanism);
    if (user.len > 0)
        add_author(event, &delivery->mail);
    add_names(event, &names, sender, sender->local_len > 0 && is_ours(delivery->settings, sender));
}

/* For a refused recipient: the reason, as in Sendmail. */
static void add_refusal(struct milter_event *event, const struct names *names, enum verdict own)
{
    char reply[REPLY_MAX], *text = reply;

    reply_write(reply, verdict_reply(own, REPLY_RECIPIENT), "");
    reply[strcspn(reply, "\r")] = '\0';
    strsep(&text, " ");
    milter_event_macro(event, names->mailer, "error");
    milter_event_macro(event, names->host, strsep(&text, " "));
    milter_event_macro(event, names->address, text);
}

void milter_macros_of_rcpt(struct milter_event *event, const struct address *recipient,
                           enum verdict own)
{
    static const struct names names = {"rcpt_addr", "rcpt_host", "rcpt_mailer"};

    if (verdict_accepts(own))
        add_names(event, &names, recipient, own != VERDICT_OK);
    else
        add_refusal(event, &names, own);
}
