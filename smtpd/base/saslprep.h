/*
 * saslprep: the forms in which clients send the same password (RFC 4013, RFC 8265).
 *
 * The same password may arrive with its accents composed or decomposed, or with compatibility
 * characters replaced, depending on the client's machine. ASCII has only one form, and costs
 * nothing.
 */
#ifndef MAILSLOT_SASLPREP_H
#define MAILSLOT_SASLPREP_H

#include "slice.h"

enum { SASLPREP_MAX = 1024 }; /* bytes of a prepared password, its NUL included */

enum saslprep_form {
    SASLPREP_COMPATIBLE, /* SASLprep: NFKC, invisible characters gone, every space a blank */
    SASLPREP_OPAQUE,     /* OpaqueString: NFC, every space a blank */
};

/*
 * Prepares a password; characters that the profile forbids are not rejected. Returns the length,
 * with a NUL after it, or -1: not UTF-8, too long, or libunistring is not installed. The caller
 * wipes `to`.
 */
int saslprep(struct slice password, enum saslprep_form form, char to[SASLPREP_MAX]);

#endif
