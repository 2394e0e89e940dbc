/*
 * session_verbs: the verbs of SMTP and LMTP, one row of a table each: in which protocol and state
 * it may come, and the function that does it. Pure.
 */
#ifndef MAILSLOT_SESSION_VERBS_H
#define MAILSLOT_SESSION_VERBS_H

#include "session_state.h"

/* The row of a verb, in upper or lower case. NULL: it has none. */
const struct verb *session_verb(struct slice name);

/* May the session's verb come now, with this argument? REPLY_OK, or the reply that refuses it. */
enum reply session_may(const struct session *session, struct slice argument);

#endif
