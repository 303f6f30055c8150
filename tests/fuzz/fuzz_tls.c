// SPDX-License-Identifier: Apache-2.0
/* A TLS peer that says anything before it is known. The first byte: its lowest bit chooses the side. RUNS: 150 */
#include "fuzz/fuzz.h"

#include <string.h>

#include "base/clock.h"
#include "net/stream_tls.h"

struct side {
	struct pki_key *key;
	struct buf cert;
};

static const struct side *side(void)
{
	static struct side s; /* making a key takes longer than most handshakes that fail */
	struct err e = ERR_INIT;

	if (s.key == NULL) {
		s.key = pki_key_new(&e);
		fuzz_check(s.key != NULL && pki_cert_self(s.key, "fuzz", &s.cert, &e) == 0);
	}
	return &s;
}

/* One end against a peer that says `data`; what the end says is put into heard. */
static void shake(bool server, const uint8_t *data, size_t size, struct buf *heard)
{
	static const struct tls_trust nobody = {.kind = TLS_TRUST_PIN};
	const struct tls_config c = {
		.key = side()->key,
		.cert_pem = side()->cert.data,
		.trust = &nobody,
		.trust_count = 1,
		.alpn = {TLS_ALPN_HTTP, TLS_ALPN_CHUNKS},
		.handshake_timeout_ns = 20 * NS_PER_S,
	};
	struct stream *lower = fuzz_stream(data, size, 4096, heard);
	struct err e = ERR_INIT;
	struct stream *s = server ? stream_tls_server(lower, &c, &e) : stream_tls_client(lower, &c, &e);

	fuzz_check(s == NULL && e.kind != ERR_NONE && e.kind != ERR_TIMEOUT);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size > 0)
		shake(data[0] % 2 == 0, data + 1, size - 1, NULL);
	return 0;
}

void fuzz_seeds(struct fuzz_corpus *to)
{
	struct buf client = BUF_INIT, server = BUF_INIT;

	shake(false, NULL, 0, &client);
	fuzz_seed_choice(to, 0, client.data, client.len);
	shake(true, (const uint8_t *)client.data, client.len, &server);
	fuzz_seed_choice(to, 1, server.data, server.len);
	buf_fini(&client);
	buf_fini(&server);
}
