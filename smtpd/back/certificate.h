/*
 * certificate: the files that tls-certificate, tls-key and tls-client-ca name, read and judged. For
 * the server, which serves nothing that is wrong, and for the tools, which say what it is.
 *
 * gnutls_load() first.
 */
#ifndef MAILSLOT_CERTIFICATE_H
#define MAILSLOT_CERTIFICATE_H

#include "../gnutls.h"
#include "../settings.h"

enum { CERTIFICATE_PROBLEM_MAX = 2 * SETTINGS_PATH_MAX + 256, CERTIFICATE_FILE_MAX = 1 << 20 };

/* A certificate, those that lead from it to its authority, and its key. */
struct certificate {
    gnutls_x509_crt_t *chain;
    unsigned chain_len;
    gnutls_privkey_t key;
};

/*
 * Where a file of this name is: in $CREDENTIALS_DIRECTORY (systemd.exec(5)), under the last
 * component of its name, if there is one; else beneath folder, unless the name is absolute. 0, or
 * -1 with errno set to ENAMETOOLONG.
 */
int certificate_path(const char *folder, const struct settings_path *name,
                     char path[SETTINGS_PATH_MAX]);

/*
 * Reads a pair. 0, or -1 with what is wrong and what to do: missing, unreadable, of different keys,
 * expired, of a kind that is not for here. To be released in either case.
 */
int certificate_load(struct certificate *certificate, const char *folder,
                     const struct settings_path *chain, const struct settings_path *key,
                     char problem[CERTIFICATE_PROBLEM_MAX]);
void certificate_release(struct certificate *certificate);

/* Reads the certificates in a file. 0, or -1 with the problem. To be freed, each and all. */
int certificate_read_chain(gnutls_x509_crt_t **chain, unsigned *len, const char *path,
                           char problem[CERTIFICATE_PROBLEM_MAX]);

/* Reads a whole file of at most CERTIFICATE_FILE_MAX bytes, to be wiped and freed. 0, or -1 with
 * errno. */
int certificate_read_file(const char *path, gnutls_datum_t *bytes);
void certificate_wipe(gnutls_datum_t *bytes);

#endif
