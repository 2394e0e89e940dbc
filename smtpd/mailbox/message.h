/*
 * message: the text of a message, on its way from the wire to the spool:
 *
 *     text -> header -> header_facts | mboxrd -> spool
 *                                    | onward -> its spool
 *
 * Before the bar, there are the parts of the message as it was received (header.h): what reads or
 * changes them for all targets belongs there, such as the removal of Bcc. After it come the repairs
 * for mboxes, which are not meant for other servers: these get what onward keeps. The repairs are
 * made before the spool, once, because the exact size must be known before a mailbox is touched
 * (quota, undo link), and counting is as much work as writing.
 *
 * If filters look at the message, there are two stages:
 *
 *     text -> header -> header_facts
 *                     | draft, which filters change
 *     draft -> header -> mboxrd -> spool
 *                      | onward -> its spool
 *
 * The facts are those of the text as it was received.
 */
#ifndef MAILSLOT_MESSAGE_H
#define MAILSLOT_MESSAGE_H

#include "draft.h"
#include "header.h"
#include "header_facts.h"
#include "mboxrd.h"
#include "onward.h"
#include "spool.h"

struct message {
    uint64_t size; /* of the text so far, as it was received */
    struct header header;
    struct header_facts facts;
    struct mboxrd mboxrd;
    struct spool spool;
    struct onward onward;
    struct {
        uint64_t spool, onward;
    } above;          /* the bytes of each spool that belong above our Received field */
    bool without_bcc; /* Bcc fields are left out; */
    bool leaving_out; /* ... the last line was in one */
    int error;        /* why the text could not be kept; 0: it is */
    void (*came_back)(void *context, struct slice address);
    void *context;
    struct draft draft; /* if filters look at it */
};

/* There is no message yet. */
void message_init(struct message *message);

/* Begins a message on the host of this name. came_back() is called for each address whose mailbox
 * on this host it has been in before; the address is a key (address_key()). */
void message_begin(struct message *message, const char *hostname, const char *mail_root,
                   void (*came_back)(void *context, struct slice address), void *context);

/* Before the text: the message is a submission, so its Bcc fields are left out (RFC 5322
 * section 3.6.3). */
void message_leave_out_bcc(struct message *message);

/* Before the text: filters look at it. They may make it larger than the largest message, within
 * limits (draft.h). */
void message_is_filtered(struct message *message, uint64_t largest);

/* Before the text, or before message_filtered(): the message goes to another server, too. */
void message_goes_onward(struct message *message);

/* Likewise: the message goes to this mailbox. The path must stay valid. */
void message_goes_to(struct message *message, struct slice mailbox);

/* Adds text, lines ended by LF. 0, or -1 with errno: it could not be kept. */
int message_text(struct message *message, struct slice text);

/* The message is whole: the spools, or the draft, have all of it. 0, or -1 with errno. */
int message_end(struct message *message);

/* After filters: writes the draft, as they have changed it, to the spools. 0, or -1 with
 * errno. */
int message_filtered(struct message *message);

/* The text as it was received, of a message that goes onward. */
struct spool *message_as_received(struct message *message);

/* Calls came_back() again, because the mailboxes that the filtered message goes to have changed. 0,
 * or -1 with errno. */
int message_look_for_loops(struct message *message);

/* Forgets the message, if there is one. */
void message_drop(struct message *message);

#endif
