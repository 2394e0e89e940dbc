#include "delivery.h"

#include "../clock.h"
#include "log.h"
#include "trace.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

/* 80 random bits: no counter, clock or host name is needed to make it the only one of its kind. */
static void make_id(char id[WALL_ID_MAX])
{
    static const char digits[] = "0123456789abcdefghjkmnpqrstvwxyz";
    unsigned char random[16];

    while (getrandom(random, sizeof random, 0) != sizeof random)
        ;
    for (size_t i = 0; i < sizeof random; i++)
        id[i] = digits[random[i] % 32];
    id[sizeof random] = '\0';
}

void delivery_begin(struct delivery *delivery, const struct settings *settings,
                    const struct delivery_client *client, const struct wall_mail *mail)
{
    delivery->settings = settings;
    delivery->client = *client;
    delivery->mail = *mail;
    delivery->recipients = delivery->size = 0;
    delivery->count = 0;
    delivery->refused = WALL_DELIVERED;
    delivery->quote = (struct quote){0};
    delivery->header.past_header = delivery->header.has_date = false;
    delivery->header.has_message_id = false;
    delivery->header.len = 0;
    make_id(delivery->id);
    spool_begin(&delivery->spool);
}

void delivery_abandon(struct delivery *delivery)
{
    spool_end(&delivery->spool);
}

static bool has_mailbox(const struct delivery *delivery, const struct directory_user *user)
{
    for (size_t i = 0; i < delivery->count; i++) {
        const struct directory_user *other = &delivery->targets[i].user;
        if (other->mailbox_len == user->mailbox_len &&
            memcmp(other->mailbox, user->mailbox, user->mailbox_len) == 0)
            return true;
    }
    return false;
}

int delivery_add(struct delivery *delivery, struct database *db, const struct address *recipient,
                 const struct directory_match *match)
{
    struct directory_match rest = *match;
    struct directory_user user;
    size_t before = delivery->count;
    int more;

    while ((more = directory_next_user(db, &rest, &user)) == 1) {
        if (user.disabled || has_mailbox(delivery, &user))
            continue;
        if (delivery->count == DELIVERY_MAILBOXES_MAX) {
            delivery->count = before;
            return 0;
        }
        delivery->targets[delivery->count].user = user;
        mbox_init(&delivery->targets[delivery->count++].mbox);
    }
    if (more < 0) {
        delivery->count = before;
        return -1;
    }
    delivery->recipient = *recipient;
    delivery->recipients++;
    return 1;
}

static void refuse(struct delivery *delivery, enum wall_result_code why)
{
    if (delivery->refused == WALL_DELIVERED)
        delivery->refused = why;
}

static bool is_ours(void *context, const char *key, size_t len)
{
    const struct delivery *delivery = context;

    for (size_t i = 0; i < delivery->count; i++)
        if (delivery->targets[i].user.address_len == len &&
            memcmp(delivery->targets[i].user.address, key, len) == 0)
            return true;
    return false;
}

/* Where errno becomes a reply: the one place, and the one line in the log. */
static enum wall_result_code failed(const struct delivery *delivery,
                                    const struct delivery_target *target, const char *doing)
{
    static const struct {
        int error;
        enum wall_result_code result;
        const char *text;
    } results[] = {
        {ENOSPC, WALL_NO_SPACE, NULL},
        {EDQUOT, WALL_OVER_QUOTA, NULL},
        {EFBIG, WALL_OVER_QUOTA, NULL},
        {MBOX_OVER_QUOTA, WALL_OVER_QUOTA, "the quota set in users would be exceeded"},
        {MBOX_LOCKED, WALL_LOCKED, "another program holds its lock"},
        {MBOX_STRAY, WALL_MAILBOX, "what is named like it, with .undo behind, must be removed"},
        {MBOX_ABSENT, WALL_MAILBOX,
         "not there, and not ours to be made; as root: install -m 660 -o USER -g mail /dev/null "
         "MAILBOX"},
        {MBOX_UNSAFE, WALL_MAILBOX, "not a regular file with one name, or behind a link"},
        {EACCES, WALL_MAILBOX, NULL},
        {EPERM, WALL_MAILBOX, NULL},
        {EROFS, WALL_MAILBOX, NULL},
    };
    enum wall_result_code result = WALL_FAILED;
    const char *text = NULL;
    char mailbox[SETTINGS_PATH_MAX] = "";
    int error = errno;

    for (size_t i = 0; i < sizeof results / sizeof results[0]; i++) {
        if (results[i].error == error) {
            result = results[i].result;
            text = results[i].text;
        }
    }
    if (target != NULL)
        snprintf(mailbox, sizeof mailbox, "%.*s", (int)target->user.mailbox_len,
                 target->user.mailbox);
    log_event(LOG_ERR, "deferred", "id", delivery->id, "doing", doing, "mailbox",
              target == NULL ? NULL : mailbox, "error", text == NULL ? strerror(error) : text,
              NULL);
    return result;
}

static void spool_text(struct delivery *delivery, const char *text, size_t len)
{
    if (spool_write(&delivery->spool, delivery->settings->mail_root, text, len) != 0)
        refuse(delivery, failed(delivery, NULL, "keep the message"));
}

void delivery_text(struct delivery *delivery, const char *text, size_t len)
{
    static char quoted[QUOTE_SIZE(WALL_TEXT_MAX)];

    delivery->size += len;
    if (delivery->size > delivery->settings->max_message_size)
        refuse(delivery, WALL_TOO_LARGE);
    if (delivery->refused != WALL_DELIVERED)
        return;
    bool continues = delivery->size == len && (text[0] == ' ' || text[0] == '\t');
    if (continues) /* it would be the rest of our last Received field: begin the body here */
        spool_text(delivery, "\n", 1);
    if (header_feed(&delivery->header, text, len, is_ours, delivery)) {
        refuse(delivery, WALL_LOOP);
        return;
    }
    spool_text(delivery, quoted, quote_feed(&delivery->quote, text, len, quoted));
}

static int by_mailbox(const void *a, const void *b)
{
    const struct directory_user *x = &((const struct delivery_target *)a)->user;
    const struct directory_user *y = &((const struct delivery_target *)b)->user;
    size_t len = x->mailbox_len < y->mailbox_len ? x->mailbox_len : y->mailbox_len;
    int order = memcmp(x->mailbox, y->mailbox, len);

    return order != 0 ? order
                      : (x->mailbox_len > y->mailbox_len) - (x->mailbox_len < y->mailbox_len);
}

/* Two paths may lead to one mailbox. */
static bool is_open_already(const struct delivery *delivery, size_t index)
{
    const struct mbox *mbox = &delivery->targets[index].mbox;

    for (size_t i = 0; i < index; i++)
        if (delivery->targets[i].mbox.device == mbox->device &&
            delivery->targets[i].mbox.inode == mbox->inode)
            return true;
    return false;
}

static void remove_target(struct delivery *delivery, size_t index)
{
    struct delivery_target *target = &delivery->targets[index];

    mbox_close(&target->mbox);
    delivery->count--;
    memmove(target, target + 1, (delivery->count - index) * sizeof *target);
}

/* Always in the order of the mailboxes' paths, so that two deliveries never wait for each other. */
static enum wall_result_code lock_all(struct delivery *delivery)
{
    int64_t deadline = clock_ms() + (int64_t)delivery->settings->lock_timeout * 1000;

    qsort(delivery->targets, delivery->count, sizeof delivery->targets[0], by_mailbox);
    for (size_t i = 0; i < delivery->count; i++) {
        struct delivery_target *target = &delivery->targets[i];
        if (mbox_open(&target->mbox, delivery->settings->mail_root, target->user.mailbox,
                      target->user.mailbox_len) != 0)
            return failed(delivery, target, "open");
        if (is_open_already(delivery, i)) {
            remove_target(delivery, i--);
            continue;
        }
        if (mbox_lock(&target->mbox, deadline) != 0)
            return failed(delivery, target, "lock");
        if (target->mbox.restored)
            log_event(LOG_WARNING, "restored", "mailbox", target->mbox.name, NULL);
    }
    return WALL_DELIVERED;
}

static int append(struct delivery *delivery, struct delivery_target *target,
                  const struct trace *trace)
{
    static char top[TRACE_MAX + 2];
    struct mbox *mbox = &target->mbox;
    struct address user;

    if (address_from_key(target->user.address, target->user.address_len, &user) != ADDRESS_OK) {
        errno = EPROTO;
        return -1;
    }
    size_t len = trace_write(top + 2, trace, &user);
    if (mbox_begin(mbox, len + delivery->spool.size, target->user.quota, delivery->id) != 0)
        return -1;
    char *start = top + 2 - mbox->separators;
    memset(start, '\n', (size_t)mbox->separators);
    len += (size_t)mbox->separators;
    if (spool_write_all(mbox->fd, start, len) != 0)
        return -1;
    return spool_copy(&delivery->spool, delivery->settings->mail_root, mbox->fd);
}

static enum wall_result_code append_all(struct delivery *delivery)
{
    char helo[WALL_HELO_MAX + 1];
    const struct trace trace = {
        .sender = &delivery->mail.sender,
        .recipient = delivery->recipients == 1 ? &delivery->recipient : NULL,
        .helo = helo,
        .peer = delivery->client.peer,
        .tls = delivery->client.tls->on ? delivery->client.tls : NULL,
        .authenticated = delivery->client.user_len > 0,
        .add_date = delivery->client.submission && !delivery->header.has_date,
        .add_message_id = delivery->client.submission && !delivery->header.has_message_id,
        .hostname = delivery->settings->hostname,
        .id = delivery->id,
        .extended = delivery->mail.extended,
        .time = time(NULL),
    };

    memcpy(helo, delivery->mail.helo, delivery->mail.helo_len);
    helo[delivery->mail.helo_len] = '\0';
    for (size_t i = 0; i < delivery->count; i++)
        if (append(delivery, &delivery->targets[i], &trace) != 0)
            return failed(delivery, &delivery->targets[i], "append");
    for (size_t i = 0; i < delivery->count; i++)
        if (mbox_sync(&delivery->targets[i].mbox) != 0)
            return failed(delivery, &delivery->targets[i], "sync");
    return WALL_DELIVERED;
}

/* Ends the text: an LF where the last line has none, and the empty line behind a message. */
static void end_text(struct delivery *delivery)
{
    char end[8];
    size_t len = quote_end(&delivery->quote, end);

    end[len++] = '\n';
    spool_text(delivery, end, len);
}

static enum wall_result_code deliver(struct delivery *delivery)
{
    enum wall_result_code result = lock_all(delivery);
    if (result == WALL_DELIVERED)
        result = append_all(delivery);
    for (size_t i = 0; i < delivery->count; i++) {
        struct mbox *mbox = &delivery->targets[i].mbox;
        if (result == WALL_DELIVERED)
            mbox_commit(mbox);
        else if (mbox_rollback(mbox) != 0)
            failed(delivery, &delivery->targets[i], "undo");
        mbox_close(mbox);
    }
    return result;
}

/* Whose mailboxes it is in, as many as the line has room for. */
static void list_users(const struct delivery *delivery, char *to, size_t size)
{
    size_t len = 0;

    to[0] = '\0';
    for (size_t i = 0; i < delivery->count && len < size - 1; i++) {
        const struct directory_user *user = &delivery->targets[i].user;
        len += (size_t)snprintf(to + len, size - len, "%s%.*s", i == 0 ? "" : ",",
                                (int)user->address_len, user->address);
    }
}

static void log_result(const struct delivery *delivery, enum wall_result_code result)
{
    char from[ADDRESS_TEXT_MAX], to[ADDRESS_TEXT_MAX], size[24], recipients[24], users[900];
    const struct delivery_client *client = &delivery->client;
    const struct secured *tls = client->tls;
    char user[ADDRESS_KEY_MAX + 1];

    address_write(&delivery->mail.sender, from);
    address_write(&delivery->recipient, to);
    snprintf(size, sizeof size, "%" PRIu64, delivery->size);
    list_users(delivery, users, sizeof users);
    *(char *)mempcpy(user, client->user, client->user_len) = '\0';
    snprintf(recipients, sizeof recipients, "%" PRIu64, delivery->recipients);
    log_event(result == WALL_DELIVERED ? LOG_INFO : LOG_NOTICE,
              result == WALL_DELIVERED ? "delivered" : "refused", "id", delivery->id, "sender",
              from, "recipient", to, "recipients", recipients, "users", users, "size", size,
              "login", client->user_len > 0 ? user : NULL, "tls",
              tls->on ? tls->facts.protocol : NULL, "cipher", tls->on ? tls->facts.cipher : NULL,
              "reason",
              result == WALL_LOOP        ? "loop"
              : result == WALL_TOO_LARGE ? "too large"
                                         : NULL,
              NULL);
}

enum wall_result_code delivery_commit(struct delivery *delivery)
{
    if (delivery->refused == WALL_DELIVERED)
        end_text(delivery);
    enum wall_result_code result = delivery->refused;
    if (result == WALL_DELIVERED)
        result = deliver(delivery);
    spool_end(&delivery->spool);
    if (result == WALL_DELIVERED || result == WALL_LOOP || result == WALL_TOO_LARGE)
        log_result(delivery, result);
    return result;
}
