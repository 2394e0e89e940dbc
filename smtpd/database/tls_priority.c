#include "tls_priority.h"

#include <stdio.h>

/* RSA key exchange decrypts with the private key, which the front does not have. A key exchange
 * in a finite field costs the server from 7 (2,048 bits) to 220 ms (8,192 bits) for a
 * ClientHello that can be replayed; on a curve it is about one. RFC 8996 and 9155 deprecate the
 * others. */
#define LESS                                                                                       \
    "-RSA:-DHE-RSA:-DHE-DSS:-GROUP-DH-ALL:-VERS-TLS1.1:-VERS-TLS1.0:"                              \
    "-SIGN-RSA-SHA1:-SIGN-ECDSA-SHA1"

static bool is_listed(unsigned value, const unsigned *list, int count)
{
    for (int i = 0; i < count; i++)
        if (list[i] == value)
            return true;
    return false;
}

/* Does enough remain for a handshake? */
static bool is_sufficient(gnutls_priority_t priority)
{
    const unsigned *list;
    int versions = gnutls.priority_protocol_list(priority, &list);
    bool exchanges = is_listed(GNUTLS_TLS1_3, list, versions) || /* by the groups alone */
                     gnutls.priority_kx_list(priority, &list) > 0;

    return exchanges && gnutls.priority_group_list(priority, &list) > 0 &&
           gnutls.priority_sign_list(priority, &list) > 0;
}

int tls_priority_make(gnutls_priority_t *priority, const struct settings *settings,
                      const char **where)
{
    char text[SETTINGS_PRIORITY_MAX + sizeof ":" LESS];

    *where = settings->tls_priority;
    if (settings->tls_priority[0] == '\0')
        return gnutls.priority_init2(priority, LESS, NULL, GNUTLS_PRIORITY_INIT_DEF_APPEND);
    int error = gnutls.priority_init2(priority, settings->tls_priority, where, 0);
    if (error != 0)
        return error;
    gnutls.priority_deinit(*priority);
    *where = settings->tls_priority;
    snprintf(text, sizeof text, "%s:" LESS, settings->tls_priority);
    error = gnutls.priority_init(priority, text, NULL);
    if (error != 0 || is_sufficient(*priority))
        return error;
    gnutls.priority_deinit(*priority);
    return GNUTLS_E_NO_PRIORITIES_WERE_SET;
}

bool tls_priority_signs(gnutls_priority_t priority, gnutls_sign_algorithm_t algorithm)
{
    const unsigned *list, *versions;
    int count = gnutls.priority_sign_list(priority, &list);
    int versions_len = gnutls.priority_protocol_list(priority, &versions);

    return is_listed(algorithm, list, count) &&
           (gnutls.sign_get_pk_algorithm(algorithm) != GNUTLS_PK_RSA ||
            is_listed(GNUTLS_TLS1_2, versions, versions_len));
}
