/*
 * library: shared libraries that only some sessions need. If they were linked, every session would
 * take the time to load them; instead, the sessions that need one open it.
 */
#ifndef MAILSLOT_LIBRARY_H
#define MAILSLOT_LIBRARY_H

#include <elf.h>
#include <stddef.h>

/* A function of a library, and where its address goes. */
struct library_symbol {
    const char *name;
    void *address; /* of a pointer to a function */
};

/*
 * Opens the library (once; it stays) and finds `count` symbols. Missing ones leave NULL pointers.
 * Returns 0, or -1 with errno set to ENOSYS if the library or one of the symbols is missing.
 */
int library_load(const char *soname, const struct library_symbol *symbols, size_t count);

/* Tells packagers what library_load() will ask for: the ELF note `.note.dlopen` of the UAPI
 * group. At most once in a file. */
#define LIBRARY_NOTE(soname, feature, description, priority)                                       \
    LIBRARY_NOTE_TEXT("[{\"soname\":[\"" soname "\"],\"feature\":\"" feature                       \
                      "\",\"description\":\"" description "\",\"priority\":\"" priority "\"}]")

#define LIBRARY_NOTE_TEXT(json)                                                                    \
    static const struct {                                                                          \
        Elf32_Nhdr head;                                                                           \
        char name[4];                                                                              \
        _Alignas(4) char text[sizeof json];                                                        \
    } library_note __attribute__((used, section(".note.dlopen"), aligned(4))) = {                  \
        .head = {.n_namesz = 4, .n_descsz = sizeof json, .n_type = 0x407c0c0a},                    \
        .name = "FDO",                                                                             \
        .text = json,                                                                              \
    }

#endif
