#include "local_user.h"

#include "../base/international.h"
#include "../base/overflow_uid.h"
#include "log.h"

#include <errno.h>
#include <pwd.h>
#include <string.h>
#include <sys/socket.h>

static bool is_unix_socket(int fd)
{
    struct sockaddr_storage address = {0};
    socklen_t len = sizeof address;

    return getsockname(fd, (struct sockaddr *)&address, &len) == 0 && address.ss_family == AF_UNIX;
}

static void find_name(struct local_user *user)
{
    errno = 0;
    const struct passwd *entry = getpwuid(user->uid);

    if (entry != NULL && strlen(entry->pw_name) <= LOCAL_USER_NAME_MAX) {
        strcpy(user->name, entry->pw_name);
        user->verdict = VERDICT_OK;
    } else if (entry == NULL && errno != 0 && errno != ENOENT && errno != ESRCH) {
        log_event(EVENT_AUTH_UNAVAILABLE, "what", "the name of a local user cannot be looked up",
                  NULL);
        user->verdict = VERDICT_FAILED;
    }
}

int local_user_find(struct local_user *user, int fd)
{
    struct ucred client;
    socklen_t len = sizeof client;

    *user = LOCAL_USER_NONE;
    if (!is_unix_socket(fd)) {
        errno = EAFNOSUPPORT;
        return -1;
    }
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &client, &len) != 0)
        return -1;
    user->uid = client.uid;
    if (client.uid != (uid_t)-1 && client.uid != overflow_uid())
        find_name(user);
    return 0;
}

/* The name is one local part, even with an `@` in it, as sssd's names may have. */
static size_t write_key(const char *name, struct slice domain, char key[ADDRESS_KEY_MAX])
{
    struct address address = {.local_len = (uint16_t)strlen(name),
                              .domain_len = (uint16_t)domain.len};

    if (domain.len == 0 || domain.len > sizeof address.domain)
        return 0;
    memcpy(address.local, name, address.local_len);
    memcpy(address.domain, domain.at, domain.len);
    return address_valid(&address) && international_fold(&address) == 0 ? address_key(&address, key)
                                                                        : 0;
}

static bool is_listed(struct slice names, const char *name)
{
    while (names.len > 0)
        if (slice_is(slice_cut(&names, ' '), name))
            return true;
    return false;
}

void local_user_enter(struct local_user *user, const struct settings *settings, struct auth *auth)
{
    char key[ADDRESS_KEY_MAX];

    if (user->verdict != VERDICT_OK)
        return;
    if (settings->domains.len == 0) {
        user->verdict = VERDICT_DATABASE;
        return;
    }
    size_t len = write_key(user->name, slice_until(settings->domains, ' '), key);
    if (len == 0)
        user->verdict = VERDICT_NO_NAME;
    else
        auth_enter(auth, (struct slice){key, len});
    user->anybody =
        len > 0 && (user->uid == 0 || is_listed(settings->local_submission, user->name));
}
