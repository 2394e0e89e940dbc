#include "systemd.h"

#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-journal.h>

#define SONAME "libsystemd.so.0"

/* Tells packagers what dlopen() will ask for: the ELF note `.note.dlopen` of the UAPI group. */
#define NOTE_TEXT                                                                                  \
    "[{\"soname\":[\"" SONAME "\"],\"feature\":\"systemd\","                                       \
    "\"description\":\"Socket activation with LISTEN_FDS, and the journal\","                      \
    "\"priority\":\"recommended\"}]"

static const struct {
    Elf32_Nhdr head;
    char name[4];
    _Alignas(4) char text[sizeof NOTE_TEXT];
} note __attribute__((used, section(".note.dlopen"), aligned(4))) = {
    .head = {.n_namesz = 4, .n_descsz = sizeof NOTE_TEXT, .n_type = 0x407c0c0a},
    .name = "FDO",
    .text = NOTE_TEXT,
};

static void *symbol(const char *name)
{
    static void *library;

    if (library == NULL)
        library = dlopen(SONAME, RTLD_LAZY | RTLD_LOCAL);
    void *found = library == NULL ? NULL : dlsym(library, name);
    if (found == NULL)
        errno = ENOSYS;
    return found;
}

int systemd_listen_fds(void)
{
    if (getenv("LISTEN_FDS") == NULL)
        return 0;
    __typeof__(&sd_listen_fds) listen_fds = symbol("sd_listen_fds");
    if (listen_fds == NULL)
        return -1;
    int count = listen_fds(1);
    if (count < 0)
        errno = -count;
    return count < 0 ? -1 : count;
}

int systemd_is_listening(int fd)
{
    __typeof__(&sd_is_socket) is_socket = symbol("sd_is_socket");
    if (is_socket == NULL)
        return -1;
    int listening = is_socket(fd, 0, 0, 1);
    if (listening < 0)
        errno = -listening;
    return listening < 0 ? -1 : listening;
}

int systemd_journal(const struct iovec *fields, int count)
{
    __typeof__(&sd_journal_sendv) sendv = symbol("sd_journal_sendv");

    return sendv != NULL && sendv(fields, count) == 0 ? 0 : -1;
}
