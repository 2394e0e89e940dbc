#include "verdict.h"

/* REPLY_OK stands for the reply to what was asked. */
static const struct {
    enum reply reply;
    const char *word;
} verdicts[VERDICT_COUNT] = {
    [VERDICT_OK] = {REPLY_OK, NULL},
    [VERDICT_USER] = {REPLY_OK, NULL},
    [VERDICT_ALIAS] = {REPLY_OK, NULL},
    [VERDICT_CATCH_ALL] = {REPLY_OK, NULL},
    [VERDICT_CHALLENGE] = {REPLY_CHALLENGE, NULL},
    [VERDICT_AUTH_FAILED] = {REPLY_AUTH_FAILED, NULL},
    [VERDICT_AUTH_FAILED_LAST] = {REPLY_AUTH_FAILED, NULL},
    [VERDICT_AUTH_MALFORMED] = {REPLY_AUTH_MALFORMED, NULL},
    [VERDICT_AUTH_UNAVAILABLE] = {REPLY_AUTH_UNAVAILABLE, NULL},
    [VERDICT_NOT_YOURS] = {REPLY_NOT_YOURS, "not the user's"},
    [VERDICT_NO_NAME] = {REPLY_NO_NAME, "unknown user id"},
    [VERDICT_UNKNOWN] = {REPLY_UNKNOWN_USER, "unknown user"},
    [VERDICT_FOREIGN] = {REPLY_FOREIGN, "not local"},
    [VERDICT_DISABLED] = {REPLY_DISABLED, "disabled"},
    [VERDICT_AMBIGUOUS] = {REPLY_AMBIGUOUS, "ambiguous"},
    [VERDICT_TOO_MANY] = {REPLY_TOO_MANY_RECIPIENTS, "too many recipients"},
    [VERDICT_BARE_NEWLINE] = {REPLY_BARE_NEWLINE, "bare newline"},
    [VERDICT_TOO_LARGE] = {REPLY_TOO_LARGE, "too large"},
    [VERDICT_HOPS] = {REPLY_HOPS, "too many hops"},
    [VERDICT_LOOP] = {REPLY_LOOP, "loop"},
    [VERDICT_OVER_QUOTA] = {REPLY_OVER_QUOTA, "mailbox full"},
    [VERDICT_NO_SPACE] = {REPLY_NO_SPACE, "disk full"},
    [VERDICT_LOCKED] = {REPLY_LOCKED, NULL},
    [VERDICT_MAILBOX] = {REPLY_MAILBOX, NULL},
    [VERDICT_DATABASE] = {REPLY_DIRECTORY, "database"},
    [VERDICT_FAILED] = {REPLY_FAILED, NULL},
    [VERDICT_HOP_REFUSED] = {REPLY_HOP_REFUSED, NULL},
    [VERDICT_HOP_UNKNOWN] = {REPLY_HOP_REFUSED, "unknown user"},
    [VERDICT_HOP_DEFERRED] = {REPLY_HOP_DEFERRED, NULL},
    [VERDICT_HOP_UNAVAILABLE] = {REPLY_HOP_UNAVAILABLE, NULL},
    [VERDICT_HOP_LOOP] = {REPLY_HOP_LOOP, "loop"},
    [VERDICT_HOP_8BITMIME] = {REPLY_HOP_8BITMIME, "8-bit text"},
    [VERDICT_HOP_REQUIRETLS] = {REPLY_HOP_REQUIRETLS, "no REQUIRETLS"},
    [VERDICT_HOP_SMTPUTF8] = {REPLY_HOP_SMTPUTF8, "SMTPUTF8"},
    [VERDICT_RELAY_LIMIT] = {REPLY_RELAY_LIMIT, "relay limit"},
    [VERDICT_MILTER_REFUSED] = {REPLY_MILTER_REFUSED, NULL},
    [VERDICT_MILTER_DEFERRED] = {REPLY_MILTER_DEFERRED, NULL},
    [VERDICT_MILTER_CLOSING] = {REPLY_MILTER_CLOSING, NULL},
    [VERDICT_MILTER_UNAVAILABLE] = {REPLY_MILTER_UNAVAILABLE, NULL},
    [VERDICT_QUARANTINE_REFUSED] = {REPLY_QUARANTINE_REFUSED, NULL},
    [VERDICT_QUARANTINE_DEFERRED] = {REPLY_QUARANTINE_DEFERRED, NULL},
    [VERDICT_HEADER_TOO_LARGE] = {REPLY_HEADER_TOO_LARGE, "header too large"},
};

bool verdict_accepts(uint32_t verdict)
{
    return verdict_reply(verdict, REPLY_OK) == REPLY_OK;
}

enum reply verdict_reply(uint32_t verdict, enum reply accepted)
{
    enum reply reply = verdicts[verdict < VERDICT_COUNT ? verdict : VERDICT_FAILED].reply;

    return reply == REPLY_OK ? accepted : reply;
}

const char *verdict_word(enum verdict verdict)
{
    return verdicts[verdict].word;
}

bool verdict_is_said(uint32_t verdict)
{
    return verdict >= VERDICT_HOP_REFUSED && verdict <= VERDICT_MILTER_CLOSING;
}

bool verdict_is_of_milter(uint32_t verdict)
{
    return verdict >= VERDICT_MILTER_REFUSED && verdict <= VERDICT_MILTER_CLOSING;
}

bool verdict_is_of_text(uint32_t verdict)
{
    return verdict >= VERDICT_BARE_NEWLINE && verdict <= VERDICT_HOPS;
}
