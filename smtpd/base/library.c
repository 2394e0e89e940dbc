#include "library.h"

#include <dlfcn.h>
#include <errno.h>
#include <string.h>

int library_load(const char *soname, const struct library_symbol *symbols, size_t count)
{
    void *library = dlopen(soname, RTLD_LAZY | RTLD_LOCAL);
    int result = library == NULL ? -1 : 0;

    for (size_t i = 0; i < count; i++) {
        void *found = library == NULL ? NULL : dlsym(library, symbols[i].name);
        memcpy(symbols[i].address, &found, sizeof found);
        if (found == NULL)
            result = -1;
    }
    if (result != 0)
        errno = ENOSYS;
    return result;
}
