/*
 * program: the start and end of every tool, and its --help and --version.
 */
#ifndef MAILSLOT_PROGRAM_H
#define MAILSLOT_PROGRAM_H

#include <stdbool.h>

/* To be called first. If the reader of a pipe goes away, write(2) fails; and descriptors 0 to 2 are
 * open, so that no message ends up in a file that is opened later. */
void program_start(void);

/* Prints a help text, to stdout if the user has asked for it, otherwise to stderr. Returns the exit
 * code. */
int program_help(bool asked, const char *text);
int program_version(void);

/* Names an argument that should not be there, then prints the help text; returns the exit code. */
int program_unexpected(const char *argument, const char *text);

/* Flushes and closes stdout. Returns code, or EXIT_FAILED with a message if output was lost. */
int program_finish(int code);

#endif
