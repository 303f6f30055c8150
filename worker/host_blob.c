// SPDX-License-Identifier: Apache-2.0
#include "host_blob.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "copy/link.h"

bool host_is_url(const char *path)
{
	return strncmp(path, "https://", 8) == 0 || strncmp(path, "http://", 7) == 0;
}

static bool read_all(const char *path, struct buf *out)
{
	cleanup(cleanup_file) FILE *f = fopen(path, "re");
	size_t n;

	if (f == NULL)
		return false;
	while ((n = fread(buf_reserve(out, 65536), 1, 65536, f)) > 0)
		out->len += n;
	buf_add(out, "", 0);
	return ferror(f) == 0;
}

static int read_trusted(struct buf *out, struct err *e)
{
	static const char *const bundles[] = {
		"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem",
		"/etc/ssl/ca-bundle.pem",
	};
	const char *asked = getenv("SSL_CERT_FILE");

	if (asked != NULL && asked[0] != '\0')
		return read_all(asked, out) ? 0 : err_set(e, ERR_CONFIG, 0, "the file of trusted certificates %s cannot be read: "
							  "correct SSL_CERT_FILE", asked);
	for (size_t i = 0; i < sizeof bundles / sizeof bundles[0]; i++)
		if (read_all(bundles[i], out))
			return 0;
	return err_set(e, ERR_CONFIG, 0, "no certificates of authorities are found on this host: install ca-certificates, or name "
		       "a file of them in SSL_CERT_FILE");
}

struct sink_blob *host_blob_new(const char *url, struct err *e)
{
	cleanup(buf_fini) struct buf ca = BUF_INIT;
	const char *token = getenv("AZURE_STORAGE_SAS_TOKEN");

	if (strchr(url, '?') != NULL) {
		err_set(e, ERR_CONFIG, 0, "the address of the blob has a query, which everybody on this host can read in the list of "
			"processes: put a token into AZURE_STORAGE_SAS_TOKEN, without the '?', and leave it out of the address");
		return NULL;
	}
	if (read_trusted(&ca, e) < 0)
		return NULL;
	struct sink_blob_spec spec = {
		.url = url,
		.token = token != NULL ? token : "",
		.lease = "",
		.ca = buf_str(&ca),
		.patience_ns = COPY_DEFAULT_PATIENCE_NS,
	};
	return sink_blob_new(&spec);
}
