// SPDX-License-Identifier: Apache-2.0
/*
 * stream-bench [MIB [PAIRS]]: how fast one connection on the loopback interface carries chunks, as plain TCP
 * and as TLS in turns, with the shapes of the chunk stream: a header and 256 KiB a frame, out of the reader's
 * slabs, into the writer's buffers, one thread at each end. Prints medians and the ratio, whose bound is 0.9.
 * Other work on the machine disturbs both of a pair alike, so the ratio is the median of the pairs' ratios.
 *
 * Exit status 1 when the bound is broken and BENCH_STRICT=1, 2 when something failed.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "net/stream_tcp.h"
#include "net/stream_tls.h"

#define BOUND      0.9
#define HEADER     ((size_t)32)
#define CHUNK      ((size_t)256 << 10)
#define SLAB_BYTES ((size_t)12 << 20) /* what the reader has in flight */
#define POOL_BYTES ((size_t)2 << 20) /* what the writer has */
#define PAIRS_MAX  99

struct side {
	struct pki_key *key;
	struct buf cert;
	struct tls_trust trust;
	struct tls_config config;
	struct stream *lower, *s;
	uint64_t chunks;
	double cpu_s; /* of the thread that moved them */
	bool client;
	int rc;
	struct err e;
};

enum figure {
	GB_S,
	SEND_CPU_S,
	RECEIVE_CPU_S,
	FIGURES
};

static void die(const struct err *e)
{
	fprintf(stderr, "stream-bench: %s\n", e->msg);
	exit(2);
}

static void side_init(struct side *side, bool client)
{
	*side = (struct side){.client = client, .e = ERR_INIT};
	side->key = pki_key_new(&side->e);
	if (side->key == NULL || pki_cert_self(side->key, "bench", &side->cert, &side->e) < 0)
		die(&side->e);
	side->config = (struct tls_config){
		.key = side->key,
		.cert_pem = side->cert.data,
		.trust = &side->trust,
		.trust_count = 1,
		.alpn = {TLS_ALPN_CHUNKS},
		.handshake_timeout_ns = 20 * NS_PER_S,
	};
}

static void trust(struct side *side, struct pki_key *peer)
{
	side->trust.kind = TLS_TRUST_PIN;
	if (pki_key_pin(peer, side->trust.pin, &side->e) < 0)
		die(&side->e);
}

static void connect_both(struct side side[2])
{
	char address[32];
	int listener = stream_tcp_listen("127.0.0.1:0", &side[1].e);

	if (listener < 0)
		die(&side[1].e);
	snprintf(address, sizeof address, "127.0.0.1:%d", stream_tcp_port(listener));
	side[0].lower = stream_tcp_dial(address, 10 * NS_PER_S, &side[0].e);
	if (side[0].lower == NULL)
		die(&side[0].e);
	side[1].lower = stream_tcp_accept(listener, 10 * NS_PER_S, &side[1].e);
	if (side[1].lower == NULL)
		die(&side[1].e);
	close(listener);
}

static void *handshake(void *p)
{
	struct side *side = p;

	side->s = side->client ? stream_tls_client(side->lower, &side->config, &side->e)
			       : stream_tls_server(side->lower, &side->config, &side->e);
	return NULL;
}

static void *send_all(void *p)
{
	struct side *side = p;
	cleanup(cleanup_free) char *slabs = mem_alloc(SLAB_BYTES);
	char header[HEADER] = "";

	memset(slabs, 'x', SLAB_BYTES);
	for (uint64_t i = 0; i < side->chunks && side->rc == 0; i++) {
		side->rc = stream_write(side->s, header, HEADER, &side->e);
		if (side->rc == 0)
			side->rc = stream_write(side->s, slabs + i * CHUNK % SLAB_BYTES, CHUNK, &side->e);
	}
	if (side->rc == 0)
		side->rc = stream_flush(side->s, &side->e);
	side->cpu_s = (double)clock_thread_ns() / NS_PER_S;
	return NULL;
}

static void *receive_all(void *p)
{
	struct side *side = p;
	cleanup(cleanup_free) char *pool = mem_alloc(POOL_BYTES);
	char header[HEADER];

	for (uint64_t i = 0; i < side->chunks && side->rc == 0; i++) {
		side->rc = stream_read_full(side->s, header, HEADER, &side->e);
		if (side->rc == 0)
			side->rc = stream_read_full(side->s, pool + i * CHUNK % POOL_BYTES, CHUNK, &side->e);
	}
	side->cpu_s = (double)clock_thread_ns() / NS_PER_S;
	return NULL;
}

/* Runs a function at each end, each in a thread of its own. */
static void both(struct side side[2], void *(*first)(void *), void *(*second)(void *))
{
	pthread_t thread[2];

	pthread_create(&thread[0], NULL, first, &side[0]);
	pthread_create(&thread[1], NULL, second, &side[1]);
	for (int i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
	for (int i = 0; i < 2; i++)
		if (side[i].rc < 0 || side[i].s == NULL)
			die(&side[i].e);
}

static void run(struct side side[2], bool tls, double figure[FIGURES])
{
	connect_both(side);
	side[0].s = side[0].lower;
	side[1].s = side[1].lower;
	if (tls)
		both(side, handshake, handshake);

	int64_t start = clock_mono_ns();
	both(side, send_all, receive_all);
	double seconds = (double)(clock_mono_ns() - start) / NS_PER_S;
	stream_close(side[0].s);
	stream_close(side[1].s);
	figure[GB_S] = (double)side[0].chunks * CHUNK / 1e9 / seconds;
	figure[SEND_CPU_S] = side[0].cpu_s;
	figure[RECEIVE_CPU_S] = side[1].cpu_s;
}

static int by_value(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static double median(const double *v, int n)
{
	double sorted[PAIRS_MAX];

	memcpy(sorted, v, (size_t)n * sizeof *v);
	qsort(sorted, (size_t)n, sizeof *v, by_value);
	return sorted[n / 2];
}

static int report(double figure[2][FIGURES][PAIRS_MAX], int pairs)
{
	static const char *const name[2] = {"plain", "TLS"};
	const char *strict = getenv("BENCH_STRICT");
	double ratio[PAIRS_MAX];

	for (int tls = 0; tls < 2; tls++)
		printf("%-5s %6.2f GB/s, CPU %6.2f s sending, %6.2f s receiving\n", name[tls],
			median(figure[tls][GB_S], pairs), median(figure[tls][SEND_CPU_S], pairs),
			median(figure[tls][RECEIVE_CPU_S], pairs));
	for (int p = 0; p < pairs; p++)
		ratio[p] = figure[1][GB_S][p] / figure[0][GB_S][p];
	double r = median(ratio, pairs);
	printf("ratio %6.2f (bound %.1f: %s)\n", r, BOUND, r >= BOUND ? "kept" : "broken");
	return r < BOUND && strict != NULL && strcmp(strict, "1") == 0;
}

int main(int argc, char **argv)
{
	int mib = argc > 1 ? atoi(argv[1]) : 2048, pairs = argc > 2 ? atoi(argv[2]) : 5;
	double figure[2][FIGURES][PAIRS_MAX], now[FIGURES];
	struct side side[2];

	if (mib < 1 || pairs < 1 || pairs > PAIRS_MAX) {
		fprintf(stderr, "usage: stream-bench [MIB [PAIRS]], at most %d pairs\n", PAIRS_MAX);
		return 2;
	}
	for (int i = 0; i < 2; i++)
		side_init(&side[i], i == 0);
	for (int i = 0; i < 2; i++) {
		trust(&side[i], side[1 - i].key);
		side[i].chunks = (uint64_t)mib * (1 << 20) / CHUNK;
	}
	for (int p = 0; p < pairs; p++) {
		for (int turn = 0; turn < 2; turn++) {
			int tls = (p + turn) % 2; /* neither is always the first */

			run(side, tls, now);
			for (int f = 0; f < FIGURES; f++)
				figure[tls][f][p] = now[f];
		}
	}
	return report(figure, pairs);
}
