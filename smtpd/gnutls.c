#include "gnutls.h"

#include "library.h"

#include <stdbool.h>

#define SONAME "libgnutls.so.30"

LIBRARY_NOTE(SONAME, "tls", "STARTTLS, and the arithmetic of SCRAM", "recommended");

struct gnutls gnutls;

int gnutls_load(void)
{
#define GNUTLS_SYMBOL(name) {"gnutls_" #name, &gnutls.name},
    static const struct library_symbol symbols[] = {GNUTLS_FUNCTIONS(GNUTLS_SYMBOL)};
#undef GNUTLS_SYMBOL
    static bool loaded;

    if (!loaded)
        loaded = library_load(SONAME, symbols, sizeof symbols / sizeof symbols[0]) == 0;
    return loaded ? 0 : -1;
}
