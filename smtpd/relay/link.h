/*
 * link: the connection to the smarthost: a TCP socket that never blocks, in clear or with TLS.
 *
 * Until the log-in is done it is used in turns, command and reply, before a deadline; after that by
 * link_read() and link_write(), which do not wait.
 */
#ifndef MAILSLOT_LINK_H
#define MAILSLOT_LINK_H

#include "../base/slice.h"
#include "fault.h"

#include <stdint.h>
#include <sys/types.h>

struct gnutls_session_int;

/* What TLS has come to. Without TLS the texts are "-". */
struct link_tls {
    bool on, verified;
    char protocol[16], cipher[64];
};

struct link {
    int fd;
    struct gnutls_session_int *session; /* NULL: in clear */
    bool retries;                       /* the last link_write() did not end */
    int64_t deadline;                   /* clock_ms() */
    struct link_tls tls;
    size_t start, end; /* of what was received and not read yet */
    char in[4096];
};

enum link_verify {
    LINK_VERIFY,     /* the handshake fails if the certificate is not good */
    LINK_VERIFY_MAY, /* it does not, and tls.verified tells */
};

/* Takes a connected socket. */
void link_begin(struct link *link, int fd, int64_t deadline);
void link_end(struct link *link);

/* Loads the authorities: those in the file, or the system's if it is NULL; then they stay. Returns
 * 0, or -1 with the failure. */
int link_load_authorities(const char *file, struct fault *fault);

/* TLS 1.2 or 1.3. host: what the certificate has to name (RFC 6125), or an address. Returns 0, or
 * -1 with the failure. */
int link_secure(struct link *link, const char *host, enum link_verify how, struct fault *fault);

/* Sends all. 0, or -1 with errno. */
int link_send(struct link *link, struct slice bytes);

/* Reads one reply; calls line(context, its text) for each of its lines, if not NULL. Returns 0, or
 * -1 with what is wrong. */
int link_reply(struct link *link, struct hop_reply *reply, void (*line)(void *, struct slice),
               void *context, const char **wrong);

/* Has the smarthost sent more than it was asked for? */
bool link_is_ahead(const struct link *link);

/* Without waiting: bytes, 0 at the end of the connection, or -1 with errno EAGAIN or another. After
 * EAGAIN, link_write() is called again with the same bytes, or more. */
ssize_t link_read(struct link *link, char *to, size_t size);
ssize_t link_write(struct link *link, const char *bytes, size_t len);

/* Can link_read() return something although nothing has arrived? */
bool link_has_pending(const struct link *link);

/* Base64 of the channel binding: tls-exporter in TLS 1.3 (RFC 9266), tls-unique before (RFC 5929);
 * empty without TLS. Nothing is ever resumed, so tls-unique is safe. */
enum { LINK_BINDING_MAX = 256 };
void link_binding(const struct link *link, bool *exporter, char to[LINK_BINDING_MAX]);

#endif
