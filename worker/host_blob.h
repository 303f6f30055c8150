// SPDX-License-Identifier: Apache-2.0
/* A page blob as the target of a copy on a plain host, named by its address. */
#ifndef WHERRY_HOST_BLOB_H
#define WHERRY_HOST_BLOB_H

#include <stdbool.h>

#include "copy/sink_blob.h"

/* Is it an address, not a path? */
bool host_is_url(const char *path);
/* With the token in $AZURE_STORAGE_SAS_TOKEN, and the certificates in $SSL_CERT_FILE, or where distributions keep theirs.
 * CONFIG: there are none, or there is a query in the address, which everybody could read. */
struct sink_blob *host_blob_new(const char *url, struct err *e);

#endif
