#include "certificate_text.h"

#include <time.h>

enum { HOUR = 3600, DAY = 24 * HOUR, SOON = 14 * DAY, SHARE = 4 };

bool certificate_is_early(const struct certificate *certificate)
{
    return gnutls.x509_crt_get_activation_time(certificate->chain[0]) > time(NULL);
}

static time_t time_left(const struct certificate *certificate)
{
    return gnutls.x509_crt_get_expiration_time(certificate->chain[0]) - time(NULL);
}

bool certificate_ends_soon(const struct certificate *certificate)
{
    time_t life = gnutls.x509_crt_get_expiration_time(certificate->chain[0]) -
                  gnutls.x509_crt_get_activation_time(certificate->chain[0]);
    time_t left = time_left(certificate);

    return left < SOON && left < life / SHARE;
}

void certificate_write_left(const struct certificate *certificate, char text[CERTIFICATE_LEFT_MAX])
{
    long left = time_left(certificate), unit = left < 2 * DAY ? HOUR : DAY;

    snprintf(text, CERTIFICATE_LEFT_MAX, "%ld %s%s", left / unit, unit == HOUR ? "hour" : "day",
             left / unit == 1 ? "" : "s");
}

void certificate_print(const struct certificate *certificate, FILE *to)
{
    static const int kinds[] = {GNUTLS_SAN_DNSNAME, GNUTLS_SAN_IPADDRESS};
    gnutls_x509_crt_t own = certificate->chain[0];
    time_t ends = gnutls.x509_crt_get_expiration_time(own);
    int key = gnutls.x509_crt_get_pk_algorithm(own, NULL);
    char date[32], name[CERTIFICATE_NAME_MAX];
    bool some = false;

    strftime(date, sizeof date, "%Y-%m-%d", gmtime(&ends));
    fprintf(to, "%s, valid until %s, for", gnutls.pk_get_name((gnutls_pk_algorithm_t)key), date);
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        for (unsigned at = 0; certificate_next_name(own, kinds[i], &at, name); some = true)
            fprintf(to, " %s", name);
    if (!some)
        fprintf(to, " %s", certificate_common_name(own, name) ? name : "no name");
}
