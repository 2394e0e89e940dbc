#include "international.h"

#include "unistring.h"

#include <errno.h>
#include <idn2.h>
#include <stdlib.h>
#include <string.h>
#include <unicase.h>

LIBRARY_NOTE("libidn2.so.0", "idna", "Domains that are not ASCII", "recommended");

static __typeof__(&u8_casefold) casefold;
static __typeof__(&idn2_to_ascii_8z) to_ascii;
static __typeof__(&idn2_free) release;
static const struct unicode_normalization_form *nfc;
static bool missing;

static int load(void)
{
    static const struct library_symbol unicode[] = {{"u8_casefold", &casefold},
                                                    {"uninorm_nfc", &nfc}};
    static const struct library_symbol idna[] = {{"idn2_to_ascii_8z", &to_ascii},
                                                 {"idn2_free", &release}};

    if (casefold != NULL && to_ascii != NULL)
        return 0;
    missing = unistring_load(unicode, 2) != 0 || library_load("libidn2.so.0", idna, 2) != 0;
    return missing ? -1 : 0;
}

bool international_missing(void)
{
    return missing;
}

static int no_such_name(void)
{
    errno = EINVAL;
    return -1;
}

static int fold_local(struct address *address)
{
    uint8_t folded[ADDRESS_LOCAL_MAX];
    size_t len = sizeof folded;
    uint8_t *made =
        casefold((const uint8_t *)address->local, address->local_len, NULL, nfc, folded, &len);

    if (made != folded) { /* longer than there is room for */
        free(made);
        return no_such_name();
    }
    memcpy(address->local, folded, len);
    address->local_len = (uint16_t)len;
    return 0;
}

int international_domain(struct slice domain, char to[ADDRESS_DOMAIN_MAX + 1])
{
    char text[ADDRESS_DOMAIN_MAX + 1], *made = NULL;

    if (load() != 0)
        return -1;
    if (domain.len > ADDRESS_DOMAIN_MAX || memchr(domain.at, '\0', domain.len) != NULL)
        return no_such_name();
    *(char *)mempcpy(text, domain.at, domain.len) = '\0';
    bool good = to_ascii(text, &made, IDN2_NONTRANSITIONAL) == IDN2_OK &&
                strlen(made) <= ADDRESS_DOMAIN_MAX &&
                address_parse_domain(slice_of(made)) == ADDRESS_OK;
    if (good)
        strcpy(to, made);
    if (made != NULL)
        release(made);
    return good ? 0 : no_such_name();
}

int international_fold(struct address *address)
{
    char domain[ADDRESS_DOMAIN_MAX + 1] = "";

    if (address_is_ascii(address))
        return 0;
    if (load() != 0 || fold_local(address) != 0)
        return -1;
    if (slice_is_ascii((struct slice){address->domain, address->domain_len}))
        return 0;
    if (international_domain((struct slice){address->domain, address->domain_len}, domain) != 0)
        return -1;
    address->domain_len = (uint16_t)strlen(domain);
    memcpy(address->domain, domain, address->domain_len);
    return 0;
}
