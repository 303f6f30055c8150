// SPDX-License-Identifier: Apache-2.0
#include "blob_sign.h"

#include <ctype.h>
#include <string.h>

#include "base/base64.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "net/digest.h"

void blob_encode(const char *text, struct buf *out)
{
	for (const unsigned char *p = (const unsigned char *)text; *p != '\0'; p++)
		if (isalnum(*p) || strchr("-._~", *p) != NULL)
			buf_add(out, p, 1);
		else
			buf_addf(out, "%%%02X", *p);
}

/* "x-ms-date: Fri" becomes "x-ms-date:Fri\n". */
static void add_header(struct buf *out, const char *header)
{
	size_t name = strcspn(header, ":");

	buf_add(out, header, name + 1);
	buf_addf(out, "%s\n", header + name + 1 + strspn(header + name + 1, " "));
}

void blob_string_to_sign(const char *account, const struct blob_signed *what, struct buf *out)
{
	buf_addf(out, "%s\n\n\n", what->method);
	if (what->length > 0)
		buf_addf(out, "%zu", what->length);
	buf_addf(out, "\n\n%s\n\n\n%s\n%s\n\n\n", what->type, what->if_match, what->if_none_match);
	for (const char *const *h = what->headers; *h != NULL; h++)
		add_header(out, *h);
	buf_addf(out, "/%s%s", account, what->path);
	for (unsigned i = 0; i < BLOB_PAIRS && what->query[i][0] != NULL; i++)
		buf_addf(out, "\n%s:%s", what->query[i][0], what->query[i][1]);
}

static void add_signature(const struct blob_key *key, const struct buf *text, struct buf *out)
{
	uint8_t sum[DIGEST_SHA256];

	digest_hmac_sha256(key->bytes, key->len, buf_str(text), text->len, sum);
	base64_encode(sum, sizeof sum, out);
}

void blob_authorize(const struct blob_key *key, const struct blob_signed *what, struct buf *out)
{
	cleanup(buf_fini) struct buf text = BUF_INIT;

	blob_string_to_sign(key->account, what, &text);
	buf_addf(out, "SharedKey %s:", key->account);
	add_signature(key, &text, out);
}

void blob_sas(const struct blob_key *key, const char *blob, const char *permissions, int64_t expiry_s, int https,
	      struct buf *out)
{
	cleanup(buf_fini) struct buf text = BUF_INIT, signature = BUF_INIT;
	const char *protocol = https ? "https" : "https,http";
	char expiry[24];

	clock_format(expiry_s * NS_PER_S, expiry);
	/* permissions, start, expiry, resource, identifier, addresses, protocol, version, kind, snapshot, 5 response headers */
	buf_addf(&text, "%s\n\n%s\n/blob/%s/%s\n\n\n%s\n" BLOB_VERSION "\nb\n\n\n\n\n\n", permissions, expiry, key->account, blob,
		 protocol);
	add_signature(key, &text, &signature);
	buf_addf(out, "sv=" BLOB_VERSION "&sr=b&sp=%s&se=", permissions);
	blob_encode(expiry, out);
	buf_adds(out, "&spr=");
	blob_encode(protocol, out);
	buf_adds(out, "&sig=");
	blob_encode(buf_str(&signature), out);
}
