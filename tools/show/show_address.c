#include "show_address.h"

#include "../kit/memory.h"
#include "../kit/message.h"
#include "../kit/printable.h"
#include "show_user.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static void print_mailbox(const struct settings *settings, const struct directory_user *user)
{
    char path[DIRECTORY_PATH_MAX];
    bool absent;

    directory_mailbox(settings, user, path);
    int64_t size = show_user_size(path, &absent);
    printable(path);
    printf("    mailbox      %s\n", path);
    if (size >= 0)
        printf("    size         %" PRId64 " bytes%s\n", size,
               absent ? ", does not exist yet" : "");
}

/* The store, and the recipient it is asked for, if this is not the one that the client wrote. */
static void print_store(const struct directory_target *target)
{
    printf("    store        lmtp:%.*s\n", SLICE(target->path));
}

static int print_user(const struct show *show, const struct directory_target *target)
{
    const struct directory_user *user = &target->user;
    struct slice record, credentials, address;
    char kind[SHOW_KIND_MAX];

    printf("  %.*s\n", SLICE(user->address));
    if (show_user_records(show->db, user, &record, &credentials) != 0)
        return -1;
    if (target->kind == DIRECTORY_STORE)
        print_store(target);
    else
        print_mailbox(show->settings, user);
    if (user->quota > 0)
        printf("    quota        %" PRIu64 " bytes\n", user->quota);
    if (user->disabled)
        puts("    disabled");
    for (struct slice rest = record; show_user_next_send_as(&rest, &address);)
        printf("    send-as      %.*s\n", SLICE(address));
    if (credentials.len == 0)
        printf("    credentials  %s (receives mail, cannot log in)\n",
               show_user_is_locked(record) ? "locked" : "none");
    while (show_user_next_kind(&credentials, kind))
        printf("    credentials  %s\n", kind);
    return 0;
}

static void print_smarthosts(const struct show_way *way, struct slice socket)
{
    if (!show_way_has_smarthosts(way, socket))
        return;
    if (way->problem != NULL)
        printf("    smarthost    unknown: %s\n", way->problem);
    for (size_t i = 0; i < way->relay.hosts_len; i++) {
        printf("%s", i == 0 ? "    smarthost    " : " ");
        relay_host_write(&way->relay.hosts[i], stdout);
    }
    if (way->relay.hosts_len > 0)
        putchar('\n');
}

static void print_way(const struct show *show, bool forwarded)
{
    struct slice socket, domains, sender = show->settings->forward_sender;

    for (size_t at = 0; show_way_next(show->way, forwarded, &at, &socket, &domains);) {
        printf("    relay        %.*s", SLICE(socket));
        printf(domains.len > 0 ? " (for senders in %.*s)\n" : "\n", SLICE(domains));
        print_smarthosts(show->way, socket);
    }
    if (forwarded && sender.len > 0)
        printf("    sender       %.*s\n", SLICE(sender));
}

static int print_targets(const struct show *show, struct directory_match *match)
{
    struct directory_target target;
    int more;

    while ((more = directory_next_target(show->db, match, &target)) == 1) {
        if (target.kind == DIRECTORY_ELSEWHERE) {
            printf("  %.*s\n", SLICE(target.address));
            print_way(show, true);
        } else if (target.user.address.len == 0) {
            puts("  the address itself");
            print_store(&target);
        } else if (print_user(show, &target) != 0) {
            return -1;
        }
    }
    return more;
}

int show_address(const struct show *show, const char *text)
{
    struct show_found found;

    show_find(show, text, &found);
    if (!found.valid) {
        char *shown = memory_format("%s", text);
        printable(shown);
        printf("%s: refused: not a mail address\n", shown);
        free(shown);
        return found.code;
    }
    printf("%s: %s %s", text, found.status, found.meaning);
    if (!show_has_targets(&found)) {
        bool relayed = show_is_relayed(show, &found);
        puts(relayed ? "; authenticated users can send there:" : "");
        if (relayed)
            print_way(show, false);
        return found.code;
    }
    printf(" %s%s\n", found.name, found.has_detail ? ", without the detail" : "");
    if (print_targets(show, &found.match) == 0)
        return found.code;
    puts("    451 4.3.0 deferred: the database is damaged here");
    return EXIT_FAILED;
}
