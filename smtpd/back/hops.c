#include "hops.h"

#include "hop_hand.h"

#include <string.h>

void hops_init(struct hops *hops, const char *hostname)
{
    hops->hostname = hostname;
    hops->count = hops->made = 0;
}

/* One that is in use comes first: it may have asked for the recipient already. */
static struct hop *find(struct hops *hops, struct slice path, bool lmtp,
                        const struct wall_hop_mail *mail)
{
    struct hop *found = NULL;

    for (struct hop *hop = hops->all; hop < hops->all + hops->made; hop++) {
        if (!slice_is(path, hop->path) || hop->lmtp != lmtp)
            continue;
        if (hop->in_use && address_equal(&hop->mail.sender, &mail->sender))
            return hop;
        if (!hop->in_use)
            found = hop;
    }
    return found;
}

/* A place for another; if need be, that of one that is not in use. */
static struct hop *make(struct hops *hops, struct slice path, bool lmtp)
{
    struct hop *hop = hops->all;

    while (hop < hops->all + hops->made && (hops->made < HOPS_MAX || hop->in_use))
        hop++;
    if (hop == hops->all + HOPS_MAX)
        return NULL;
    if (hop == hops->all + hops->made)
        hops->made++;
    else
        hop_hand_end(hop);
    *hop = (struct hop){.hops = hops, .hand = WORKER_NONE, .lmtp = lmtp};
    memcpy(hop->path, path.at, path.len);
    return hop;
}

struct hop *hops_get(struct hops *hops, struct slice path, bool lmtp,
                     const struct wall_hop_mail *mail)
{
    struct hop *hop = find(hops, path, lmtp, mail);

    if (hop == NULL && path.len < sizeof hop->path)
        hop = make(hops, path, lmtp);
    if (hop != NULL && !hop->in_use)
        hop->mail = *mail;
    if (hop != NULL)
        hop->in_use = true;
    return hop;
}

static bool is_same_address(const struct address *a, const struct address *b)
{
    return a->local_len == b->local_len && a->domain_len == b->domain_len &&
           memcmp(a->local, b->local, a->local_len) == 0 &&
           strncasecmp(a->domain, b->domain, a->domain_len) == 0;
}

size_t hops_recipient(struct hop *hop, const struct address *address, int64_t deadline,
                      struct hop_outcome *outcome)
{
    struct hops *hops = hop->hops;

    for (size_t i = 0; i < hops->count; i++) {
        struct hop_recipient *known = &hops->recipients[i];
        if (known->hop == hop && is_same_address(&known->address, address)) {
            *outcome = known->outcome;
            return i;
        }
    }
    *outcome = (struct hop_outcome){.verdict = VERDICT_TOO_MANY};
    if (hops->count == DIRECTORY_MAILBOXES_MAX)
        return 0;
    hop_recipient(hop, address, deadline, outcome);
    if (outcome->verdict == VERDICT_OK)
        hops->recipients[hops->count++] =
            (struct hop_recipient){.hop = hop, .address = *address, .outcome = *outcome};
    return hops->count - 1;
}

/* The hand has been told what does not count any more. */
static void tell_anew(struct hop *hop)
{
    hop->dirty = true;
    hop->told = false;
}

void hops_leave_out(struct hop_recipient *recipient)
{
    if (!recipient->left_out && recipient->outcome.verdict == VERDICT_OK)
        tell_anew(recipient->hop);
    recipient->left_out = true;
}

void hops_change_sender(struct hops *hops, const struct address *old, const struct address *sender)
{
    for (size_t i = 0; i < hops->made; i++) {
        struct hop *hop = &hops->all[i];
        if (!hop->in_use || !address_equal(&hop->mail.sender, old))
            continue;
        hop->mail.sender = *sender;
        tell_anew(hop);
    }
}

static bool has_recipients(const struct hop *hop)
{
    for (size_t i = 0; i < hop->hops->count; i++)
        if (hop->hops->recipients[i].hop == hop)
            return true;
    return false;
}

void hops_forget(struct hops *hops, size_t count)
{
    while (hops->count > count) {
        struct hop *hop = hops->recipients[--hops->count].hop;
        tell_anew(hop);
        if (!has_recipients(hop))
            hop_reset(hop);
    }
}

void hops_reset(struct hops *hops)
{
    hops->count = 0;
    for (size_t i = 0; i < hops->made; i++)
        if (hops->all[i].in_use)
            hop_reset(&hops->all[i]);
}

void hops_end(struct hops *hops)
{
    /* No RSET: QUIT would have to wait for its reply, and ends the transaction as well. */
    for (size_t i = 0; i < hops->made; i++)
        hops->all[i].dirty = false;
    hops_reset(hops);
    for (size_t i = 0; i < hops->made; i++)
        hop_hand_leave(&hops->all[i]);
    for (size_t i = 0; i < hops->made; i++)
        hop_hand_end(&hops->all[i]);
}
