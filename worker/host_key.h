// SPDX-License-Identifier: Apache-2.0
/*
 * The hash key of scans and copies on a plain host: 64 hexadecimal digits and a newline in a file of mode 0600, made on
 * first use. Roots and manifests can only be compared when they were made with the same key.
 */
#ifndef WHERRY_HOST_KEY_H
#define WHERRY_HOST_KEY_H

#include "base/err.h"
#include "manifest/manifest.h"

/* path NULL: copy.key where the host keeps its keys (host_state.h). A given path must exist. DENIED: others can read
 * it. */
int host_key_load(const char *path, struct manifest_keys *keys, struct err *e);

#endif
