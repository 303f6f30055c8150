// SPDX-License-Identifier: Apache-2.0
#include "host_peer.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/hex.h"
#include "copy/greet.h"
#include "host_state.h"
#include "net/stream_tcp.h"

#define ALPN         "wherry-send/1"
#define PIN_PREFIX   "sha256:"
#define DIAL_NS      (30 * NS_PER_S)
#define HANDSHAKE_NS (10 * NS_PER_S) /* and for the order to come */
#define FAREWELL_NS  (2 * NS_PER_S)

static struct pki_key *load_key(struct err *e)
{
	cleanup(cleanup_free) char *path = host_state_path("host.pem", e);

	return path != NULL ? pki_key_load_or_make(path, e) : NULL;
}

static int print_pin(struct pki_key *k, char out[HOST_PIN_TEXT], struct err *e)
{
	uint8_t pin[PKI_PIN_SIZE];

	if (pki_key_pin(k, pin, e) != 0)
		return -1;
	memcpy(out, PIN_PREFIX, sizeof PIN_PREFIX);
	hex_encode(pin, sizeof pin, out + strlen(PIN_PREFIX));
	return 0;
}

int host_peer_pin(char out[HOST_PIN_TEXT], struct err *e)
{
	struct pki_key *k = load_key(e);
	int rc = k != NULL ? print_pin(k, out, e) : -1;

	pki_key_free(k);
	return rc;
}

static int parse_pin(const char *text, uint8_t pin[PKI_PIN_SIZE], struct err *e)
{
	if (text == NULL)
		return err_set(e, ERR_USAGE, 0, "who may be at the other end? Give --peer the fingerprint that `wherry-worker "
			       "fingerprint` prints there");
	if (strncmp(text, PIN_PREFIX, strlen(PIN_PREFIX)) != 0 ||
	    hex_decode(text + strlen(PIN_PREFIX), pin, PKI_PIN_SIZE) != 0)
		return err_set(e, ERR_USAGE, 0, "\"%s\" is no fingerprint; give --peer what `wherry-worker fingerprint` prints on "
			       "the other host: " PIN_PREFIX " and %d hexadecimal digits", text, 2 * PKI_PIN_SIZE);
	return 0;
}

/* By its text: a name could mean another address tomorrow. */
static int check_plain(const char *pin, const char *address, struct err *e)
{
	if (pin != NULL)
		return err_set(e, ERR_USAGE, 0, "--plain and --peer exclude each other: without TLS nobody can prove who it is");
	if (strncmp(address, "127.0.0.1:", 10) != 0 && strncmp(address, "[::1]:", 6) != 0)
		return err_set(e, ERR_USAGE, 0, "--plain is only for 127.0.0.1 and [::1], not for \"%s\": disks do not travel "
			       "unencrypted", address);
	return 0;
}

int host_peer_init(struct host_peer *p, bool plain, const char *pin, const char *address, struct err *e)
{
	*p = (struct host_peer){.plain = plain, .trust.kind = TLS_TRUST_PIN};
	if (plain)
		return check_plain(pin, address, e);
	if (parse_pin(pin, p->trust.pin, e) != 0)
		return -1;
	p->key = load_key(e);
	return p->key != NULL ? pki_cert_self(p->key, "wherry host", &p->cert, e) : -1;
}

void host_peer_fini(struct host_peer *p)
{
	pki_key_free(p->key);
	buf_fini(&p->cert);
}

static struct tls_config config_of(const struct host_peer *p)
{
	return (struct tls_config){
		.key = p->key,
		.cert_pem = buf_str(&p->cert),
		.trust = &p->trust,
		.trust_count = 1,
		.alpn = {ALPN},
		.handshake_timeout_ns = HANDSHAKE_NS,
	};
}

struct stream *host_peer_dial(const struct host_peer *p, const char *address, struct err *e)
{
	struct tls_config c = config_of(p);
	struct stream *s = stream_tcp_dial(address, DIAL_NS, e);

	if (s != NULL && !p->plain)
		s = stream_tls_client(s, &c, e);
	if (s == NULL)
		err_wrap(e, "connecting to %s", address);
	return s;
}

struct stream *host_peer_accept(const struct host_peer *p, int listener, int64_t timeout_ns, struct err *e)
{
	struct tls_config c = config_of(p);
	struct stream *s = stream_tcp_accept(listener, timeout_ns, e);

	if (s == NULL)
		return NULL;
	if (!p->plain)
		s = stream_tls_server(s, &c, e);
	if (s != NULL)
		stream_set_timeout(s, HANDSHAKE_NS);
	return s;
}

int host_peer_refuse(struct stream *s, const struct err *why)
{
	int64_t until = clock_mono_ns() + FAREWELL_NS;
	struct err ignored = ERR_INIT;
	char sink[4096];

	greet_refuse(s, why);
	/* Closing over unread bytes would be a reset, which could overtake the reason. */
	stream_set_timeout(s, FAREWELL_NS);
	while (clock_mono_ns() < until && stream_read(s, sink, sizeof sink, &ignored) > 0)
		continue;
	return -1;
}

uint64_t host_peer_bytes(const struct host_peer *p, struct stream *s)
{
	struct stream *wire = p->plain ? s : stream_tls_lower(s);

	return atomic_load(&wire->bytes_in) + atomic_load(&wire->bytes_out);
}
