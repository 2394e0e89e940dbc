/*
 * milter_start: connects the filters of a session, and forks their hand.
 */
#ifndef MAILSLOT_MILTER_START_H
#define MAILSLOT_MILTER_START_H

#include "milters.h"

/* Connects all of them, except those that were too slow. VERDICT_OK: the others can be asked;
 * otherwise none is connected. Logs failures. end: of all patience, clock_ms(). */
enum verdict milter_start(struct milters *milters, int64_t end);

#endif
