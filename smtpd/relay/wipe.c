/*
 * wipe: memory is wiped when it is freed, in this program alone: libraries keep copies of the
 * password, and GnuTLS of what it has encrypted, that nobody else wipes.
 *
 * It takes the place of the C library's free(), also for libraries, since the program comes first.
 */
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#ifndef __SANITIZE_ADDRESS__ /* which has a free() of its own */
void __libc_free(void *bytes);

void free(void *bytes)
{
    if (bytes != NULL)
        explicit_bzero(bytes, malloc_usable_size(bytes));
    __libc_free(bytes);
}
#endif
