/*
 * saslprep: the forms in which clients send one and the same password (RFC 4013, RFC 8265).
 *
 * A password that is typed on one machine may come from another with its accents composed or not,
 * or with its compatibility characters replaced. ASCII has one form only, and costs nothing.
 */
#ifndef MAILSLOT_SASLPREP_H
#define MAILSLOT_SASLPREP_H

#include <stddef.h>

enum { SASLPREP_MAX = 1024 }; /* bytes of a prepared password, its NUL included */

enum saslprep_form {
    SASLPREP_COMPATIBLE, /* SASLprep: NFKC, invisible characters gone, every space a blank */
    SASLPREP_OPAQUE,     /* OpaqueString: NFC, every space a blank */
};

/*
 * Prepares a password; what a profile forbids is not looked for. Returns the length, with a NUL
 * after it, or -1: not UTF-8, too long, or libunistring is not installed. The caller wipes to.
 */
int saslprep(const char *password, size_t len, enum saslprep_form form, char to[SASLPREP_MAX]);

#endif
