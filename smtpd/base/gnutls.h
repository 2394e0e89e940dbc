/*
 * gnutls: libgnutls, loaded when a session first needs it: `gnutls.handshake` is
 * gnutls_handshake(), and so on. Both processes use it, and the tools.
 */
#ifndef MAILSLOT_GNUTLS_H
#define MAILSLOT_GNUTLS_H

#include <gnutls/abstract.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

/* Names without their "gnutls_". */
#define GNUTLS_FUNCTIONS(F)                                                                        \
    F(free) /* a variable */                                                                       \
    /* sessions */                                                                                 \
    F(init)                                                                                        \
    F(handshake)                                                                                   \
    F(bye)                                                                                         \
    F(record_recv)                                                                                 \
    F(record_send)                                                                                 \
    F(alert_get)                                                                                   \
    F(alert_get_name)                                                                              \
    F(alert_send)                                                                                  \
    F(alert_send_appropriate)                                                                      \
    F(transport_set_ptr)                                                                           \
    F(transport_set_push_function)                                                                 \
    F(transport_set_pull_function)                                                                 \
    F(transport_set_errno)                                                                         \
    F(transport_get_ptr)                                                                           \
    F(handshake_set_post_client_hello_function)                                                    \
    F(handshake_set_hook_function)                                                                 \
    F(handshake_set_max_packet_length)                                                             \
    F(session_ext_register)                                                                        \
    F(server_name_get)                                                                             \
    F(session_ticket_send)                                                                         \
    F(credentials_set)                                                                             \
    F(certificate_server_set_request)                                                              \
    F(certificate_verification_status_print)                                                       \
    F(certificate_get_peers)                                                                       \
    F(session_ticket_enable_server)                                                                \
    F(session_is_resumed)                                                                          \
    F(session_channel_binding)                                                                     \
    F(session_ext_master_secret_status)                                                            \
    F(protocol_get_version)                                                                        \
    F(protocol_get_name)                                                                           \
    F(ciphersuite_get)                                                                             \
    F(error_is_fatal)                                                                              \
    F(strerror)                                                                                    \
    /* priorities */                                                                               \
    F(priority_init)                                                                               \
    F(priority_init2)                                                                              \
    F(priority_deinit)                                                                             \
    F(priority_set)                                                                                \
    F(priority_protocol_list)                                                                      \
    F(priority_kx_list)                                                                            \
    F(priority_group_list)                                                                         \
    F(priority_sign_list)                                                                          \
    F(pk_to_sign)                                                                                  \
    F(decode_ber_digest_info)                                                                      \
    F(sign_get_hash_algorithm)                                                                     \
    F(sign_get_pk_algorithm)                                                                       \
    F(sign_supports_pk_algorithm)                                                                  \
    /* certificates and keys */                                                                    \
    F(certificate_allocate_credentials)                                                            \
    F(certificate_set_flags)                                                                       \
    F(certificate_set_key)                                                                         \
    F(pcert_import_x509_raw)                                                                       \
    F(pcert_export_x509)                                                                           \
    F(privkey_init)                                                                                \
    F(privkey_deinit)                                                                              \
    F(privkey_import_ext4)                                                                         \
    F(privkey_import_x509_raw)                                                                     \
    F(privkey_get_pk_algorithm)                                                                    \
    F(privkey_sign_hash2)                                                                          \
    F(pubkey_init)                                                                                 \
    F(pubkey_deinit)                                                                               \
    F(pubkey_import_x509)                                                                          \
    F(pubkey_import_privkey)                                                                       \
    F(pubkey_get_key_id)                                                                           \
    F(pubkey_get_pk_algorithm)                                                                     \
    F(pk_get_name)                                                                                 \
    F(x509_crt_list_import2)                                                                       \
    F(x509_crt_init)                                                                               \
    F(x509_crt_import)                                                                             \
    F(x509_crt_deinit)                                                                             \
    F(x509_crt_export2)                                                                            \
    F(x509_crt_get_expiration_time)                                                                \
    F(x509_crt_get_activation_time)                                                                \
    F(x509_crt_get_pk_algorithm)                                                                   \
    F(x509_crt_get_pk_rsa_raw)                                                                     \
    F(x509_crt_get_signature_algorithm)                                                            \
    F(x509_crt_get_subject_alt_name)                                                               \
    F(x509_crt_get_dn_by_oid)                                                                      \
    F(x509_crt_get_issuer_dn_by_oid)                                                               \
    F(x509_crt_check_hostname2)                                                                    \
    F(x509_crt_check_hostname)                                                                     \
    F(x509_trust_list_init)                                                                        \
    F(x509_trust_list_deinit)                                                                      \
    F(x509_trust_list_add_cas)                                                                     \
    F(x509_trust_list_verify_crt2)                                                                 \
    /* what SASL is made of */                                                                     \
    F(hash_get_len)                                                                                \
    F(hash_fast)                                                                                   \
    F(hash_init)                                                                                   \
    F(hash)                                                                                        \
    F(hash_deinit)                                                                                 \
    F(hmac_fast)                                                                                   \
    F(pbkdf2)                                                                                      \
    F(memcmp)

struct gnutls {
#define GNUTLS_MEMBER(name) __typeof__(&gnutls_##name) name;
    GNUTLS_FUNCTIONS(GNUTLS_MEMBER)
#undef GNUTLS_MEMBER
};

extern struct gnutls gnutls;

/* Loads it, unless it is loaded already. 0, or -1 with errno set to ENOSYS. */
int gnutls_load(void);

/* GnuTLS's text for an error, without the full stop at its end; valid until the next call. */
const char *gnutls_error(int error);

#endif
