#include "show_found.h"

#include "../kit/message.h"

/* What the reply to RCPT means, and the exit code. */
static const struct answer {
    const char *meaning;
    int code;
} answers[] = {
    [VERDICT_USER] = {"accepted: user", EXIT_DONE},
    [VERDICT_ALIAS] = {"accepted: alias", EXIT_DONE},
    [VERDICT_CATCH_ALL] = {"accepted: catch-all of", EXIT_DONE},
    [VERDICT_DISABLED] = {"refused: disabled,", EXIT_ABSENT},
    [VERDICT_UNKNOWN] = {"refused: no such user or alias", EXIT_ABSENT},
    [VERDICT_FOREIGN] = {"refused: not a local domain", EXIT_ABSENT},
    [VERDICT_DATABASE] = {"deferred: the database is damaged", EXIT_FAILED},
};

bool show_has_targets(const struct show_found *found)
{
    return found->verdict == VERDICT_USER || found->verdict == VERDICT_ALIAS ||
           found->verdict == VERDICT_CATCH_ALL || found->verdict == VERDICT_DISABLED;
}

bool show_is_relayed(const struct show *show, const struct show_found *found)
{
    return found->verdict == VERDICT_FOREIGN && show->settings->relays_len > 0;
}

void show_find(const struct show *show, const char *text, struct show_found *found)
{
    struct directory_match *match = &found->match;

    *found = (struct show_found){.code = EXIT_ABSENT};
    found->valid = address_parse(slice_of(text), &found->address) == ADDRESS_OK;
    if (!found->valid)
        return;
    found->verdict = directory_find(show->db, show->settings, &found->address, match);
    found->meaning = answers[found->verdict].meaning;
    found->code = answers[found->verdict].code;
    reply_status(verdict_reply(found->verdict, REPLY_RECIPIENT), found->status);
    if (!show_has_targets(found))
        return;
    /* Did the name match only without the delimiter and what follows it? */
    found->has_detail = found->verdict != VERDICT_CATCH_ALL && match->address.local_len > 0 &&
                        match->address.local_len < found->address.local_len;
    struct address name = match->address;
    if (found->verdict == VERDICT_CATCH_ALL)
        name.local_len = 0;
    found->name[address_key(&name, found->name)] = '\0';
}
