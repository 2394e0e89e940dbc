/*
 * session_in_memory: for the tests of the session's state machine: a session, the step that
 * followed its last line, and the message that it sends to the back.
 */
#ifndef MAILSLOT_TESTS_SESSION_IN_MEMORY_H
#define MAILSLOT_TESTS_SESSION_IN_MEMORY_H

#include "../../smtpd/front/session.h"
#include "../../smtpd/front/session_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct wall_settings settings;
static struct session session;
static struct step step;
static struct wall_message message;

/* Begins a new session; nothing is left of the previous one. */
static void begin_session(void)
{
    memset(&session, 0xff, sizeof session);
    step.message = &message;
    session_begin(&session, &settings, &step);
}

/* Sends a line of the client; the test gives the back's answer. */
static void send_line(const char *line)
{
    session_line(&session, slice_of(line), &step);
}

/* The reply must begin like this. */
static void assert_reply(const char *due)
{
    if (step.reply_len < strlen(due) || strncmp(step.reply, due, strlen(due)) != 0)
        fail_msg("reply %.*s instead of %s", (int)step.reply_len, step.reply, due);
}

#endif
