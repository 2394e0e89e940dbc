#include "pair.h"

#include <time.h>

enum { DAY = 86400, HOST_MAX = 256 };

bool pair_is_early(const struct certificate *certificate)
{
    return gnutls.x509_crt_get_activation_time(certificate->chain[0]) > time(NULL);
}

int pair_days_left(const struct certificate *certificate)
{
    return (int)((gnutls.x509_crt_get_expiration_time(certificate->chain[0]) - time(NULL)) / DAY);
}

/* Takes the next name of a host that it is for, from *at on (at first 0). */
static bool next_name(const struct certificate *certificate, unsigned *at, char name[HOST_MAX])
{
    for (;;) {
        size_t len = HOST_MAX - 1;
        int found =
            gnutls.x509_crt_get_subject_alt_name(certificate->chain[0], (*at)++, name, &len, NULL);
        if (found < 0 && found != GNUTLS_E_SHORT_MEMORY_BUFFER)
            return false;
        if (found != GNUTLS_SAN_DNSNAME)
            continue;
        name[len] = '\0';
        return true;
    }
}

void pair_print(const struct certificate *certificate, FILE *to)
{
    time_t ends = gnutls.x509_crt_get_expiration_time(certificate->chain[0]);
    int kind = gnutls.x509_crt_get_pk_algorithm(certificate->chain[0], NULL);
    char date[32], name[HOST_MAX];
    unsigned at = 0;

    strftime(date, sizeof date, "%Y-%m-%d", gmtime(&ends));
    fprintf(to, "%s, good until %s, for", gnutls.pk_get_name((gnutls_pk_algorithm_t)kind), date);
    while (next_name(certificate, &at, name))
        fprintf(to, " %s", name);
}
