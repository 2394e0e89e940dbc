/*
 * certificate: the files that tls-certificate, tls-key and tls-client-ca name, read and checked: by
 * the server, which does not use a file with a fault, and by the tools, which report the fault.
 *
 * gnutls_load() first.
 */
#ifndef MAILSLOT_CERTIFICATE_H
#define MAILSLOT_CERTIFICATE_H

#include "../base/gnutls.h"
#include "settings.h"

#include <stdbool.h>

enum {
    CERTIFICATE_PROBLEM_MAX = 2 * SETTINGS_PATH_MAX + 256,
    CERTIFICATE_FILE_MAX = 1 << 20,
    CERTIFICATE_NAME_MAX = 256,
};

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
int certificate_path(const char *folder, struct slice name, char path[SETTINGS_PATH_MAX]);

/*
 * Reads a certificate and its key. 0, or -1 with what is wrong and what to do: a file is missing or
 * unreadable, the two do not belong together, the certificate has expired, or the kind of key is
 * not supported. To be released in either case.
 */
int certificate_load(struct certificate *certificate, const char *folder, struct slice chain,
                     struct slice key, char problem[CERTIFICATE_PROBLEM_MAX]);
void certificate_release(struct certificate *certificate);

/* Reads the certificates in a file. 0, or -1 with the problem. The caller frees each
 * certificate, and the array. */
int certificate_read_chain(gnutls_x509_crt_t **chain, unsigned *len, const char *path,
                           char problem[CERTIFICATE_PROBLEM_MAX]);

/* Takes the next name of this kind (gnutls_x509_subject_alt_name_t) from *at on, at first 0. An
 * address is written as text. False: there are no more. A name with a NUL in it, or too long, is
 * skipped. */
bool certificate_next_name(gnutls_x509_crt_t certificate, int kind, unsigned *at,
                           char name[CERTIFICATE_NAME_MAX]);

/* The common name in its subject. False: it has none. */
bool certificate_common_name(gnutls_x509_crt_t certificate, char name[CERTIFICATE_NAME_MAX]);

/* The common name of its issuer. False: it has none. */
bool certificate_issuer_name(gnutls_x509_crt_t certificate, char name[CERTIFICATE_NAME_MAX]);

/* Reads a whole file of at most CERTIFICATE_FILE_MAX bytes, to be wiped and freed. 0, or -1 with
 * errno. */
int certificate_read_file(const char *path, gnutls_datum_t *bytes);
void certificate_wipe(gnutls_datum_t *bytes);

#endif
