/*
 * session_in_memory: what the tests of the session's state machine stand on: one session, the step
 * that its last line has led to, and the message in which it asks the back.
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

/* Nothing is left of the session before. */
static void begin_session(void)
{
    memset(&session, 0xff, sizeof session);
    step.message = &message;
    session_begin(&session, &settings, &step);
}

/* A line of the client; the back's answer is left to the test. */
static void send_line(const char *line)
{
    session_line(&session, slice_of(line), &step);
}

/* How the reply begins. */
static void assert_reply(const char *due)
{
    if (step.reply_len < strlen(due) || strncmp(step.reply, due, strlen(due)) != 0)
        fail_msg("reply %.*s instead of %s", (int)step.reply_len, step.reply, due);
}

#endif
