// SPDX-License-Identifier: Apache-2.0
/* A JSON web token (RFC 7519), signed with the key of a certificate (RS256 of RFC 7518). */
#ifndef WHERRY_NET_JWT_H
#define WHERRY_NET_JWT_H

#include "base/buf.h"
#include "base/err.h"

/* Appends one with these claims (a JSON object). pem_file holds certificate and private key, of RSA; the certificate's SHA-1
 * ("x5t") names the key. A secret: wipe it. CONFIG: what is wrong with the file. */
int jwt_sign(const char *pem_file, const char *claims, struct buf *out, struct err *e);

#endif
