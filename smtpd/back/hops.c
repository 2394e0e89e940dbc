#include "hops.h"

#include "hop_hand.h"

#include <string.h>

void hops_init(struct hops *hops, const char *hostname)
{
    hops->hostname = hostname;
    hops->count = 0;
    for (size_t i = 0; i < HOPS_MAX; i++)
        hops->all[i] = (struct hop){.hops = hops, .hand = WORKER_NONE};
}

static bool is_same_sender(const struct wall_hop_mail *a, const struct wall_hop_mail *b)
{
    const struct address *x = &a->sender, *y = &b->sender;

    return x->local_len == y->local_len && x->domain_len == y->domain_len &&
           memcmp(x->local, y->local, x->local_len) == 0 &&
           memcmp(x->domain, y->domain, x->domain_len) == 0;
}

/* The better, the less there is to do. */
static int worth(const struct hop *hop, struct slice path, bool lmtp,
                 const struct wall_hop_mail *mail)
{
    bool same = slice_is(path, hop->path) && hop->lmtp == lmtp;

    if (hop->in_use)
        return same && is_same_sender(&hop->mail, mail) ? 4 : 0;
    return same ? 3 : *hop->path == '\0' ? 2 : 1;
}

struct hop *hops_get(struct hops *hops, struct slice path, bool lmtp,
                     const struct wall_hop_mail *mail)
{
    struct hop *best = hops->all;

    for (struct hop *hop = hops->all; hop < hops->all + HOPS_MAX; hop++)
        if (worth(hop, path, lmtp, mail) > worth(best, path, lmtp, mail))
            best = hop;
    int found = worth(best, path, lmtp, mail);
    if (found == 0 || path.len >= sizeof best->path)
        return NULL;
    if (found < 3) { /* it takes the place of another, if there is one */
        hop_hand_end(best);
        *best = (struct hop){.hops = hops, .hand = WORKER_NONE, .lmtp = lmtp};
        memcpy(best->path, path.at, path.len);
    }
    if (!best->in_use)
        best->mail = *mail;
    best->in_use = true;
    return best;
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
    for (size_t i = 0; i < HOPS_MAX; i++)
        if (hops->all[i].in_use)
            hop_reset(&hops->all[i]);
}

void hops_end(struct hops *hops)
{
    hops_reset(hops);
    for (size_t i = 0; i < HOPS_MAX; i++)
        hop_hand_leave(&hops->all[i]);
    for (size_t i = 0; i < HOPS_MAX; i++)
        hop_hand_end(&hops->all[i]);
}
