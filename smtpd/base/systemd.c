#include "systemd.h"

#include "library.h"

#include <errno.h>
#include <stdlib.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-journal.h>

#define SONAME "libsystemd.so.0"

LIBRARY_NOTE(SONAME, "systemd", "Socket activation with LISTEN_FDS, and the journal",
             "recommended");

static __typeof__(&sd_listen_fds_with_names) listen_fds_with_names;
static __typeof__(&sd_notify) notify;
static __typeof__(&sd_is_socket) is_socket;
static __typeof__(&sd_journal_sendv) journal_sendv;

static int load(void)
{
    static const struct library_symbol symbols[] = {
        {"sd_listen_fds_with_names", &listen_fds_with_names},
        {"sd_notify", &notify},
        {"sd_is_socket", &is_socket},
        {"sd_journal_sendv", &journal_sendv},
    };

    if (journal_sendv != NULL)
        return 0;
    return library_load(SONAME, symbols, sizeof symbols / sizeof symbols[0]);
}

int systemd_listen_fds(char ***names)
{
    *names = NULL;
    if (getenv("LISTEN_FDS") == NULL)
        return 0;
    if (load() != 0)
        return -1;
    int count = listen_fds_with_names(1, names);
    if (count < 0)
        errno = -count;
    return count < 0 ? -1 : count;
}

int systemd_is_listening(int fd)
{
    if (load() != 0)
        return -1;
    int listening = is_socket(fd, 0, 0, 1);
    if (listening < 0)
        errno = -listening;
    return listening < 0 ? -1 : listening;
}

void systemd_notify(const char *state)
{
    if (getenv("NOTIFY_SOCKET") != NULL && load() == 0)
        notify(0, state);
}

int systemd_journal(const struct iovec *fields, int count)
{
    return load() == 0 && journal_sendv(fields, count) == 0 ? 0 : -1;
}
