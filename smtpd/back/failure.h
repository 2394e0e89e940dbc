/*
 * failure: what an errno means for the client and the log. The only place where errors become
 * verdicts.
 */
#ifndef MAILSLOT_FAILURE_H
#define MAILSLOT_FAILURE_H

#include "../wall/verdict.h"
#include "event.h"

struct failure {
    enum verdict verdict;
    enum event event;
    const char *error; /* for the log */
};

/* error: the system's, or one of mbox_folder.h. */
struct failure failure_of(int error);

#endif
