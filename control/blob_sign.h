// SPDX-License-Identifier: Apache-2.0
/*
 * How Azure Storage knows that a request is allowed: the account's key signs it ("Authorize with Shared Key", for the Blob
 * service from version 2015-02-21), or a token that the key has signed is part of its address ("Create a service SAS",
 * version 2018-11-09 to 2020-12-05). learn.microsoft.com/rest/api/storageservices
 */
#ifndef WHERRY_CONTROL_BLOB_SIGN_H
#define WHERRY_CONTROL_BLOB_SIGN_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

#define BLOB_VERSION "2019-07-07" /* Azure Stack Hub's last one, which Azure speaks, too */
#define BLOB_PAIRS   6

struct blob_key {
	const char *account;
	uint8_t bytes[64];
	size_t len;      /* 0: there is none */
};

/* What of a request is signed. Names are in lower case, values as they are, not encoded. */
struct blob_signed {
	const char *method;
	const char *path;                /* of the address, encoded: "/container/blob" */
	const char *query[BLOB_PAIRS][2]; /* in the order of the names; ends with NULL */
	const char *const *headers;      /* "x-ms-date: ..." in the order of the names, NULL-ended */
	size_t length;                   /* of the body */
	const char *type;                /* of the body; "" */
	const char *if_match, *if_none_match; /* "" */
};

void blob_string_to_sign(const char *account, const struct blob_signed *what, struct buf *out);
/* The value of the header Authorization, added to `out`. */
void blob_authorize(const struct blob_key *key, const struct blob_signed *what, struct buf *out);

/* A token for one blob ("container/blob"), added to `out`: permissions as in "rw", until expiry_s since 1970.
 * https: for no other protocol. */
void blob_sas(const struct blob_key *key, const char *blob, const char *permissions, int64_t expiry_s, int https,
	      struct buf *out);
/* Percent-encoded as a part of a query (RFC 3986's unreserved characters stay), added to `out`. */
void blob_encode(const char *text, struct buf *out);

#endif
