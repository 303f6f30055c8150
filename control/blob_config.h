// SPDX-License-Identifier: Apache-2.0
/* Which container, and who one is to its account: from the job and from the environment (provider_blob.h). */
#ifndef WHERRY_CONTROL_BLOB_CONFIG_H
#define WHERRY_CONTROL_BLOB_CONFIG_H

#include <stdbool.h>

#include "base/err.h"
#include "base/log.h"
#include "blob_sign.h"

#define BLOB_LEASE_MAX 60 /* seconds; the service gives none that are longer but end */

struct blob_config {
	char account[64];
	char container[64];
	char endpoint[256]; /* of the account, without a '/' at its end */
	char ca_file[256];  /* "": the host's */
	char cloud[200], subscription[64], group[96]; /* where the account is managed, for its key; group "": its key is not asked for */
	uint32_t token_s;   /* life of a worker's tokens ... */
	uint32_t lease_s;   /* ... and of leases that are not renewed */
	struct blob_key key;
	char *token;        /* the operator's own; NULL: the key is there. Owned */
};

/* The texts are the job's, "" where it says nothing. CONFIG or DENIED says what is missing or wrong. */
int blob_config_load(struct blob_config *c, const struct log *log, struct err *e);
/* A key as the account's are told, from `where`. */
int blob_config_take_key(struct blob_config *c, const char *text, const char *where, struct err *e);
/* Key and, unless it is given, endpoint, from Azure Resource Manager (blob_account.c). */
int blob_account_load(struct blob_config *c, const struct log *log, struct err *e);
void blob_config_fini(struct blob_config *c); /* wipes */

/* "https://HOST:PORT/...": is the host this one's loopback, and the address with another name for it. */
bool blob_is_loopback(const char *url);
void blob_replace_host(const char *url, const char *host, char *out, size_t size);

#endif
