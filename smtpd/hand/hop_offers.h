/*
 * hop_offers: what a hop offers in its reply to EHLO or LHLO (RFC 5321 section 4.1.1.1), and what
 * mailslot-relay reports there of the host that it is connected to. Pure.
 */
#ifndef MAILSLOT_HOP_OFFERS_H
#define MAILSLOT_HOP_OFFERS_H

#include "../wall/hop.h"

/*
 * Adds what a line of the reply offers, after its code; not for the first one, which has the hop's
 * name. Words are in upper or lower case. What is not known, or malformed, is ignored.
 *
 * `XRELAY host protocol cipher verified`: of TLS, or `-` each without; then `yes` or `no`. Only the
 * first such line counts.
 */
void hop_offers_add(struct wall_hop_ready *offers, struct slice line);

#endif
