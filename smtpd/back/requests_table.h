/*
 * requests_table: what a front may ask, when, and who answers. A request is one row.
 */
#ifndef MAILSLOT_REQUESTS_TABLE_H
#define MAILSLOT_REQUESTS_TABLE_H

#include "back_state.h"

/* In the roles for submission, LOGIN says that the user must have logged in before. */
/* clang-format off */
#define REQUESTS(ROW) \
    /*  type               handler                in which states              by whom */ \
    ROW(WALL_SIGN,         requests_sign,         BACK_HANDSHAKE,              ANYONE) \
    ROW(WALL_SECURED,      requests_secured,      BACK_HANDSHAKE,              ANYONE) \
    ROW(WALL_INSECURE,     requests_insecure,     BACK_HANDSHAKE,              ANYONE) \
    ROW(WALL_STARTTLS,     requests_starttls,     BACK_COMMANDS,               ANYONE) \
    ROW(WALL_AUTH,         requests_auth,         BACK_IDLE,                   ANYONE) \
    ROW(WALL_RESPONSE,     requests_response,     BACK_AUTH,                   ANYONE) \
    ROW(WALL_CANCEL,       requests_cancel,       BACK_AUTH,                   ANYONE) \
    ROW(WALL_VERIFY,       requests_verify,       BACK_COMMANDS,               LOGIN) \
    ROW(WALL_MAIL,         requests_mail,         BACK_IDLE,                   LOGIN) \
    ROW(WALL_RECIPIENT,    requests_recipient,    BACK_ENVELOPE | BACK_READY,  ANYONE) \
    ROW(WALL_TEXT,         requests_text,         BACK_READY | BACK_TEXT,      ANYONE) \
    ROW(WALL_REFUSED_TEXT, requests_refused_text, BACK_READY | BACK_TEXT,      ANYONE) \
    ROW(WALL_COMMIT,       requests_commit,       BACK_READY | BACK_TEXT,      ANYONE) \
    ROW(WALL_ABANDON,      requests_abandon,      BACK_TRANSACTION,            ANYONE) \
    ROW(WALL_REFUSED,      requests_refused,      BACK_COMMANDS,               ANYONE) \
    ROW(WALL_END,          requests_end,          BACK_ANY,                    ANYONE)
/* clang-format on */

/* The handlers. What they handle, and answer with, is in back->message. */
#define REQUESTS_DECLARE(type, handler, states, login) void handler(struct back *back);
REQUESTS(REQUESTS_DECLARE)

#endif
