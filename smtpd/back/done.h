/*
 * done: remembers who has a message that could not be brought to all of its targets, so that the
 * client's next try brings it to the others alone.
 *
 * For each target that has the message there is an empty file MAIL-ROOT/.done/HASH. The hash is
 * SHA-256 of the sender, the target and the text as it was received, in hexadecimal: nobody can
 * make a text that another one is taken for. A file counts for a week. The folder is ours alone, or
 * it is not believed.
 *
 * Programs may send the same text every day. If it has no field that differs from message to
 * message, a file counts for an hour: long enough for a retry, and the next day's message is
 * delivered.
 *
 * Functions return 0, or -1 with errno; ENOSYS: GnuTLS, which makes the hash, is not installed.
 */
#ifndef MAILSLOT_DONE_H
#define MAILSLOT_DONE_H

#include "../base/address.h"
#include "../base/slice.h"
#include "../mailbox/spool.h"

#include <stdbool.h>

enum { DONE_HASH_LEN = 32 };

struct done {
    int folder;    /* -1: not open */
    int above;     /* mail-root, if the folder is new; else -1 */
    bool nameless; /* the text is */
    bool has_text; /* the hash of the text is known */
    unsigned char text[DONE_HASH_LEN];
    const struct address *sender;
};

/* Of a message from this sender, which must stay valid. nameless: another message may have the same
 * text. */
void done_init(struct done *done, const struct address *sender, bool nameless);

/* Can there be a file that counts? */
bool done_is_used(struct done *done, const char *mail_root);

/* Is there one for this target? False if that cannot be found out. place: one line that says
 * where the target is. done_is_used() comes first. */
bool done_has(struct done *done, struct spool *text, struct slice place);

/* Makes one, in a folder that is made if it is missing. It is on the disk after done_sync(). */
int done_add(struct done *done, const char *mail_root, struct spool *text, struct slice place);

/* Removes those that no longer count, as many as a client can wait for; writes the folder to the
 * disk. */
int done_sync(struct done *done);

void done_close(struct done *done);

#endif
