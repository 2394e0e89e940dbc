#include "certificate.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

int certificate_path(const char *folder, struct slice name, char path[SETTINGS_PATH_MAX])
{
    const char *credentials = getenv("CREDENTIALS_DIRECTORY");
    const char *slash = memrchr(name.at, '/', name.len);
    const char *base = slash == NULL ? name.at : slash + 1;
    int base_len = (int)(name.at + name.len - base);
    bool absolute = name.len > 0 && *name.at == '/';

    if (credentials != NULL &&
        snprintf(path, SETTINGS_PATH_MAX, "%s/%.*s", credentials, base_len, base) <
            SETTINGS_PATH_MAX &&
        access(path, F_OK) == 0)
        return 0;
    int len = snprintf(path, SETTINGS_PATH_MAX, "%s%s%.*s", absolute ? "" : folder,
                       absolute ? "" : "/", (int)name.len, name.at);
    if (len < SETTINGS_PATH_MAX)
        return 0;
    errno = ENAMETOOLONG;
    return -1;
}

void certificate_wipe(gnutls_datum_t *bytes)
{
    if (bytes->data != NULL)
        explicit_bzero(bytes->data, bytes->size);
    free(bytes->data);
    *bytes = (gnutls_datum_t){NULL, 0};
}

static int read_all(int fd, gnutls_datum_t *bytes)
{
    struct stat st;

    if (fstat(fd, &st) != 0)
        return -1;
    if (!S_ISREG(st.st_mode) || st.st_size > CERTIFICATE_FILE_MAX) {
        errno = S_ISREG(st.st_mode) ? EFBIG : EINVAL;
        return -1;
    }
    bytes->data = malloc((size_t)st.st_size + 1); /* GnuTLS likes a NUL after a text */
    if (bytes->data == NULL)
        return -1;
    while (bytes->size < st.st_size) {
        ssize_t got = read(fd, bytes->data + bytes->size, (size_t)st.st_size - bytes->size);
        if (got < 0 && errno != EINTR)
            return -1;
        if (got == 0)
            break; /* being replaced in place: what is there will not parse */
        bytes->size += got > 0 ? (unsigned)got : 0;
    }
    bytes->data[bytes->size] = '\0';
    return 0;
}

int certificate_read_file(const char *path, gnutls_datum_t *bytes)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

    *bytes = (gnutls_datum_t){NULL, 0};
    if (fd < 0)
        return -1;
    int result = read_all(fd, bytes), error = errno;
    close(fd);
    if (result != 0)
        certificate_wipe(bytes);
    errno = error;
    return result;
}

static int cannot_read(const char *path, char problem[CERTIFICATE_PROBLEM_MAX])
{
    int error = errno;

    snprintf(problem, CERTIFICATE_PROBLEM_MAX, "cannot read %s: %s", path,
             error == EINVAL ? "not a regular file" : strerror(error));
    return -1;
}

int certificate_read_chain(gnutls_x509_crt_t **chain, unsigned *len, const char *path,
                           char problem[CERTIFICATE_PROBLEM_MAX])
{
    gnutls_datum_t bytes;

    *chain = NULL;
    *len = 0;
    if (certificate_read_file(path, &bytes) != 0)
        return cannot_read(path, problem);
    int error = gnutls.x509_crt_list_import2(chain, len, &bytes, GNUTLS_X509_FMT_PEM, 0);
    certificate_wipe(&bytes); /* the key may be in the same file */
    if (error >= 0)
        return 0;
    snprintf(problem, CERTIFICATE_PROBLEM_MAX, "%s is not a certificate in PEM: %s", path,
             gnutls_error(error));
    return -1;
}

bool certificate_next_name(gnutls_x509_crt_t certificate, int kind, unsigned *at,
                           char name[CERTIFICATE_NAME_MAX])
{
    char found[CERTIFICATE_NAME_MAX];

    for (;;) {
        size_t len = sizeof found - 1;
        int is = gnutls.x509_crt_get_subject_alt_name(certificate, (*at)++, found, &len, NULL);
        if (is < 0 && is != GNUTLS_E_SHORT_MEMORY_BUFFER)
            return false;
        if (is != kind)
            continue;
        if (kind == GNUTLS_SAN_IPADDRESS) {
            if ((len == 4 || len == 16) &&
                inet_ntop(len == 4 ? AF_INET : AF_INET6, found, name, CERTIFICATE_NAME_MAX))
                return true;
        } else if (memchr(found, '\0', len) == NULL) { /* it would hide what follows */
            *(char *)mempcpy(name, found, len) = '\0';
            return true;
        }
    }
}

/* Both functions of GnuTLS have this type. */
static bool read_name(__typeof__(gnutls_x509_crt_get_dn_by_oid) *read,
                      gnutls_x509_crt_t certificate, char name[CERTIFICATE_NAME_MAX])
{
    size_t len = CERTIFICATE_NAME_MAX;
    bool has = read(certificate, GNUTLS_OID_X520_COMMON_NAME, 0, 0, name, &len) == 0 &&
               len < CERTIFICATE_NAME_MAX && memchr(name, '\0', len) == NULL;

    name[has ? len : 0] = '\0';
    return has;
}

bool certificate_common_name(gnutls_x509_crt_t certificate, char name[CERTIFICATE_NAME_MAX])
{
    return read_name(gnutls.x509_crt_get_dn_by_oid, certificate, name);
}

bool certificate_issuer_name(gnutls_x509_crt_t certificate, char name[CERTIFICATE_NAME_MAX])
{
    return read_name(gnutls.x509_crt_get_issuer_dn_by_oid, certificate, name);
}

static int read_key(gnutls_privkey_t *key, const char *path, char problem[CERTIFICATE_PROBLEM_MAX])
{
    gnutls_datum_t bytes;

    if (certificate_read_file(path, &bytes) != 0)
        return cannot_read(path, problem);
    int error = gnutls.privkey_init(key);
    if (error == 0)
        error = gnutls.privkey_import_x509_raw(*key, &bytes, GNUTLS_X509_FMT_PEM, NULL, 0);
    certificate_wipe(&bytes);
    if (error == 0)
        return 0;
    snprintf(problem, CERTIFICATE_PROBLEM_MAX, "%s is not a private key in PEM: %s%s", path,
             gnutls_error(error),
             error == GNUTLS_E_DECRYPTION_FAILED ? " (it must be without a password)" : "");
    return -1;
}

static int key_id(gnutls_pubkey_t key, unsigned char id[64])
{
    size_t size = 64;

    return gnutls.pubkey_get_key_id(key, GNUTLS_KEYID_USE_SHA256, id, &size);
}

static bool belong_together(const struct certificate *certificate)
{
    unsigned char ids[2][64] = {{0}, {1}};
    gnutls_pubkey_t ours, theirs;
    bool same = false;

    if (gnutls.pubkey_init(&ours) != 0)
        return false;
    if (gnutls.pubkey_init(&theirs) == 0) {
        same = gnutls.pubkey_import_privkey(ours, certificate->key, 0, 0) == 0 &&
               gnutls.pubkey_import_x509(theirs, certificate->chain[0], 0) == 0 &&
               key_id(ours, ids[0]) == 0 && key_id(theirs, ids[1]) == 0 &&
               memcmp(ids[0], ids[1], sizeof ids[0]) == 0;
        gnutls.pubkey_deinit(theirs);
    }
    gnutls.pubkey_deinit(ours);
    return same;
}

static int judge(const struct certificate *certificate, const char *chain_path,
                 const char *key_path, char problem[CERTIFICATE_PROBLEM_MAX])
{
    int kind = gnutls.privkey_get_pk_algorithm(certificate->key, NULL);
    time_t expires = gnutls.x509_crt_get_expiration_time(certificate->chain[0]);
    char date[32];

    if (!belong_together(certificate)) {
        snprintf(problem, CERTIFICATE_PROBLEM_MAX, "%s is not the key of %s", key_path, chain_path);
        return -1;
    }
    if (kind != GNUTLS_PK_RSA && kind != GNUTLS_PK_ECDSA) {
        snprintf(problem, CERTIFICATE_PROBLEM_MAX, "%s is a key for %s: make one for RSA or ECDSA",
                 key_path, gnutls.pk_get_name((gnutls_pk_algorithm_t)kind));
        return -1;
    }
    if (expires < time(NULL)) {
        strftime(date, sizeof date, "%Y-%m-%d", gmtime(&expires));
        snprintf(problem, CERTIFICATE_PROBLEM_MAX, "%s expired on %s: renew it", chain_path, date);
        return -1;
    }
    return 0;
}

int certificate_load(struct certificate *certificate, const char *folder, struct slice chain,
                     struct slice key, char problem[CERTIFICATE_PROBLEM_MAX])
{
    char chain_path[SETTINGS_PATH_MAX], key_path[SETTINGS_PATH_MAX];

    *certificate = (struct certificate){NULL, 0, NULL};
    if (certificate_path(folder, chain, chain_path) != 0 ||
        certificate_path(folder, key, key_path) != 0) {
        snprintf(problem, CERTIFICATE_PROBLEM_MAX, "the path of a file is too long");
        return -1;
    }
    if (certificate_read_chain(&certificate->chain, &certificate->chain_len, chain_path, problem) !=
            0 ||
        read_key(&certificate->key, key_path, problem) != 0)
        return -1;
    return judge(certificate, chain_path, key_path, problem);
}

void certificate_release(struct certificate *certificate)
{
    for (unsigned i = 0; i < certificate->chain_len; i++)
        gnutls.x509_crt_deinit(certificate->chain[i]);
    free(certificate->chain);
    if (certificate->key != NULL)
        gnutls.privkey_deinit(certificate->key); /* wipes it */
    *certificate = (struct certificate){NULL, 0, NULL};
}
