#include "gnutls.h"

#include "library.h"

#include <malloc.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SONAME "libgnutls.so.30"

LIBRARY_NOTE(SONAME, "tls", "STARTTLS, and the arithmetic of SCRAM", "recommended");

struct gnutls gnutls;

/* GnuTLS wipes keys, but not everything they were read from, such as the text of a PEM file. */
static void wipe_and_free(void *bytes)
{
    if (bytes != NULL)
        explicit_bzero(bytes, malloc_usable_size(bytes));
    free(bytes);
}

int gnutls_load(void)
{
#define GNUTLS_SYMBOL(name) {"gnutls_" #name, &gnutls.name},
    static const struct library_symbol symbols[] = {GNUTLS_FUNCTIONS(GNUTLS_SYMBOL)};
#undef GNUTLS_SYMBOL
    static bool loaded;

    if (loaded)
        return 0;
    if (library_load(SONAME, symbols, sizeof symbols / sizeof symbols[0]) != 0)
        return -1;
    *gnutls.free = wipe_and_free;
    loaded = true;
    return 0;
}

const char *gnutls_error(int error)
{
    static char text[128];
    size_t len = (size_t)snprintf(text, sizeof text, "%s", gnutls.strerror(error));

    if (len > 0 && len < sizeof text && text[len - 1] == '.')
        text[len - 1] = '\0';
    return text;
}
