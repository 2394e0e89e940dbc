/*
 * client_certificate: verifies a client's certificate, and finds the user that it names.
 */
#ifndef MAILSLOT_CLIENT_CERTIFICATE_H
#define MAILSLOT_CLIENT_CERTIFICATE_H

#include "secured.h"

/*
 * Verifies the client's certificate against tls-client-ca, and finds its user, if there is one. A
 * certificate for servers only, as public authorities issue them, names a host but no user. The
 * back cannot see that the client has the certificate's key; it takes the front's word for that.
 */
void client_certificate_identify(struct secured *secured, const struct keyring *keyring,
                                 struct database *db);

#endif
