/*
 * address: mail addresses as RFC 5321 section 4.1.2 spells them.
 *
 * Pure: no allocation, no I/O. Used by the front (paths in commands), by the back (which checks
 * again what came over the wall) and by the tools, so that all three agree on what an address is.
 *
 * An address is kept unquoted: `"a b"@example.org` has the local part `a b`. Control characters
 * never occur in one; other non-ASCII characters may (RFC 6531 section 3.3), as UTF-8.
 *
 * Two things are accepted that RFC 5321 does not allow: dots anywhere in a local part, which
 * address_write() then quotes, and `_` in a domain.
 */
#ifndef MAILSLOT_ADDRESS_H
#define MAILSLOT_ADDRESS_H

#include "slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Longer than RFC 5321 4.5.3.1 demands (64): VERP and SRS senders exceed it in practice. */
enum { ADDRESS_LOCAL_MAX = 255, ADDRESS_DOMAIN_MAX = 255 };

/* Room for address_key(): local part, '@', domain. No NUL is counted or written. */
enum { ADDRESS_KEY_MAX = ADDRESS_LOCAL_MAX + 1 + ADDRESS_DOMAIN_MAX };

/* Room for address_write(): every byte of the local part escaped, two quotes, '@', domain, NUL. */
enum { ADDRESS_TEXT_MAX = 2 * ADDRESS_LOCAL_MAX + 2 + 1 + ADDRESS_DOMAIN_MAX + 1 };

/* Both lengths 0: the null reverse-path `<>`. domain_len 0: a local part alone (`<postmaster>`). */
struct address {
    uint16_t local_len;
    uint16_t domain_len;
    char local[ADDRESS_LOCAL_MAX];
    char domain[ADDRESS_DOMAIN_MAX];
};

enum address_result {
    ADDRESS_OK,
    ADDRESS_SYNTAX,   /* not what the grammar allows */
    ADDRESS_TOO_LONG, /* a part exceeds its limit */
};

/*
 * Parses a path `<...>` at the start of text: source routes are checked and dropped, `<>` gives the
 * null address, a local part without a domain is left to the caller to accept (`<postmaster>`).
 * *used is the number of bytes read, the closing bracket included.
 */
enum address_result address_parse_path(struct slice text, struct address *out, size_t *used);

/* Parses all of text as Mailbox, or as Local-part alone (domain_len 0). Never the null address. */
enum address_result address_parse(struct slice text, struct address *out);

/* All of text is a Domain or an address-literal. */
enum address_result address_parse_domain(struct slice text);

/* Is this a well-formed address? For values that did not come from a parser of this module. */
bool address_valid(const struct address *address);

/* Can it be written without SMTPUTF8? */
bool address_is_ascii(const struct address *address);

/* Are they the same, byte for byte? */
bool address_equal(const struct address *a, const struct address *b);

/* The form under which an address is looked up: `local@domain` (or `local`), unquoted, ASCII
 * letters in lower case; one that is not ASCII is folded first, by international_fold(). Writes at
 * most ADDRESS_KEY_MAX bytes and returns their number. */
size_t address_key(const struct address *address, char key[ADDRESS_KEY_MAX]);

/* The reverse of address_key(): the domain begins after the last '@'. */
enum address_result address_from_key(struct slice key, struct address *out);

/* RFC 5321 form without brackets, quoted where needed, NUL-terminated; returns its length. */
size_t address_write(const struct address *address, char text[ADDRESS_TEXT_MAX]);

#endif
