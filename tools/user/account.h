/*
 * account: parses a line of another program's list of users: of passwd(5), of shadow(5), or of a
 * passwd-file of Dovecot. Pure.
 */
#ifndef MAILSLOT_ACCOUNT_H
#define MAILSLOT_ACCOUNT_H

#include "../../smtpd/base/slice.h"
#include "../kit/pool.h"

#include <stdint.h>

enum account_kind { ACCOUNT_PASSWD, ACCOUNT_SHADOW, ACCOUNT_DOVECOT };

struct account {
    enum account_kind kind;
    struct slice name;
    bool is_system; /* not a person's, according to the user id if there is one */
    bool locked, disabled;
    bool nologin;              /* Dovecot's field: locked, unless `disabled` is the reason for it */
    struct slice scheme, hash; /* {SCHEME} or empty; both are empty if there is no password */
    struct slice extra;        /* Dovecot's extra fields that have not been read yet */
    struct slice verifiers;    /* separated by `;` */
    struct slice send_as, mailbox, store; /* at most one of the latter two */
    uint64_t quota;                       /* 0: none */
};

/* The extra fields that are read and written; Dovecot ignores those with mailslot in their names.
 * It has two for the inbox: up to version 2.3, and from 2.4. Each version ignores the other one's.
 */
#define ACCOUNT_SCRAM "userdb_mailslot_scram"
#define ACCOUNT_SEND_AS "userdb_mailslot_send_as"
#define ACCOUNT_STATE "userdb_mailslot_state"
#define ACCOUNT_STORE "userdb_mailslot_store" /* the socket of a mail store */
#define ACCOUNT_QUOTA "userdb_quota_rule"
#define ACCOUNT_MAIL "userdb_mail"
#define ACCOUNT_INBOX "userdb_mail_inbox_path"

/* The line itself shows its kind. An account that has expired `today` (in days since 1970) is
 * locked. NULL, or what is wrong, as a static string. */
const char *account_parse(struct slice line, uint64_t today, struct account *account);

/*
 * Reads the next extra field. False: there are no more. *field is its name; *left_out: it has no
 * equivalent here; *wrong: what is wrong with it, a static string, or NULL. Values that had to be
 * changed are in the pool.
 */
bool account_next_extra(struct account *account, struct pool *pool, struct slice *field,
                        bool *left_out, const char **wrong);

#endif
