// SPDX-License-Identifier: Apache-2.0
/* `wherry-worker serve`: from bootstrap data to the end of the lease. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/hex.h"
#include "block/disk_broker.h"
#include "cmd.h"
#include "job/sandbox.h"
#include "job/server.h"
#include "net/api_names.h"
#include "net/stream_tcp.h"

#define TEXT_OF(n)      #n
#define DEFAULT_LISTEN(n) ":" TEXT_OF(n)
#define TICK_NS         (250 * NS_PER_MS)  /* how late a lease or an order to end is noticed */
#define FAREWELL_NS     NS_PER_S           /* for the reply to an order to end to get through */
#define STOP_NS         (10 * NS_PER_S)    /* for a run to end and flush */
#define POWEROFF_S      60                 /* the machine should be off long before */
#define PEER_TIMEOUT_NS (60 * NS_PER_S)
#define DISK_TIMEOUT_NS (15 * NS_PER_S)    /* of a disk that is being plugged in */

struct serve {
	const char *boot_file, *listen;
	bool broker;
	struct bootdata boot;
	struct log log;
	struct disk_source *disks;
	struct identity *identity;
	struct conns *conns;
	struct runner *runner;
	struct server *server;
	struct server_peer peer;
	struct api api;
	struct lease lease;
	int listener;
	atomic_bool off; /* the controller wants the end */
};

/* ---- Options ---- */

static int take_broker(struct serve *s, const char *text, struct err *e)
{
	char *end;
	long fd = strtol(text, &end, 10);

	if (end == text || *end != '\0' || fd < 3 || fd > 1023 || fcntl((int)fd, F_GETFD) < 0)
		return err_set(e, ERR_USAGE, 0, "--broker-fd must be an open descriptor from 3 on, not \"%s\"", text);
	if (s->disks != NULL)
		return err_set(e, ERR_USAGE, 0, "--broker-fd and --disk exclude each other: disks come from one place");
	fcntl((int)fd, F_SETFD, FD_CLOEXEC);
	s->broker = true;
	s->disks = disk_broker_new((int)fd);
	return 0;
}

static int take_disk(struct serve *s, const char *text, struct err *e)
{
	if (s->broker)
		return err_set(e, ERR_USAGE, 0, "--broker-fd and --disk exclude each other: disks come from one place");
	if (s->disks == NULL)
		s->disks = disk_broker_host_new();
	return disk_broker_host_allow(s->disks, text, e);
}

static int parse_options(struct serve *s, int argc, char **argv, struct err *e)
{
	static const struct option options[] = {
		{"boot-data", required_argument, NULL, 'b'}, {"listen", required_argument, NULL, 'l'},
		{"broker-fd", required_argument, NULL, 'f'}, {"disk", required_argument, NULL, 'd'},
		{NULL, 0, NULL, 0},
	};
	int c, rc = 0;

	opterr = 0;
	while (rc == 0 && (c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'b':
			s->boot_file = optarg;
			break;
		case 'l':
			s->listen = optarg;
			break;
		case 'f':
			rc = take_broker(s, optarg, e);
			break;
		case 'd':
			rc = take_disk(s, optarg, e);
			break;
		default:
			return err_set(e, ERR_USAGE, 0, "\"%s\" is no option of serve or misses its value; see "
				       "`wherry-worker serve --help`", argv[optind - 1]);
		}
	}
	if (rc == 0 && optind < argc)
		return err_set(e, ERR_USAGE, 0, "serve takes options only, not \"%s\"", argv[optind]);
	if (s->disks == NULL)
		s->disks = disk_broker_host_new();
	return rc;
}

/* ---- Beginning ---- */

static int read_boot_file(const char *path, struct buf *raw, struct err *e)
{
	cleanup(cleanup_file) FILE *f = fopen(path, "re");

	if (f == NULL)
		return err_set(e, err_kind_of_errno(errno), errno, "the bootstrap data %s cannot be opened", path);
	raw->len = fread(buf_reserve(raw, BOOTDATA_MAX + 1), 1, BOOTDATA_MAX + 1, f);
	if (ferror(f))
		return err_set(e, ERR_IO, errno, "the bootstrap data %s cannot be read", path);
	return 0;
}

static int read_boot_data(struct serve *s, struct err *e)
{
	cleanup(buf_fini) struct buf raw = BUF_INIT;
	const char *source = s->boot_file;
	int rc = source != NULL ? read_boot_file(source, &raw, e) : bootdata_find("", &raw, &source, e);
	if (rc == BOOT_NEEDS_NETWORK)
		return err_set(e, ERR_NOT_FOUND, 0, "the bootstrap data have to be asked for over the network: set WHERRY_NETWORK=1, or name "
			       "a file by --boot-data");

	if (rc < 0)
		return -1;
	return bootdata_parse(raw.data, raw.len, &s->boot, e) < 0 ? err_wrap(e, "%s", source) : 0;
}

static void on_enrolled(void *ctx)
{
	struct serve *s = ctx;

	/* They would show a certificate that nobody believes any more. */
	conns_abort_waiting(s->conns);
}

static void on_poweroff(void *ctx)
{
	struct serve *s = ctx;

	atomic_store(&s->off, true);
}

static void wire_up(struct serve *s)
{
	s->peer = (struct server_peer){.identity = s->identity, .conns = s->conns};
	struct runner_config runner = {
		.boot = &s->boot,
		.engine = &run_engine_copy,
		.disks = s->disks,
		.log = &s->log,
		.dial = server_dial_peer,
		.dial_ctx = &s->peer,
		.wire = stream_tls_lower,
		.peer_timeout_ns = PEER_TIMEOUT_NS,
		.disk_timeout_ns = s->broker ? DISK_TIMEOUT_NS : 0,
	};
	s->runner = runner_new(&runner);
	s->api = (struct api){
		.boot = &s->boot,
		.identity = s->identity,
		.lease = &s->lease,
		.runner = s->runner,
		.disks = s->disks,
		.log = &s->log,
		.enrolled = on_enrolled,
		.poweroff = on_poweroff,
		.ctx = s,
	};
}

/* Results, not talk: the controller reads these lines from the console. */
static int announce(const struct serve *s, struct err *e)
{
	uint8_t pin[PKI_PIN_SIZE];
	char hex[2 * sizeof pin + 1];

	identity_pin(s->identity, pin);
	printf(API_CONSOLE_KEY "%s\n", hex_encode(pin, sizeof pin, hex));
	printf(API_CONSOLE_READY " on port %d\n", stream_tcp_port(s->listener));
	if (fflush(stdout) != 0)
		return err_set(e, ERR_IO, errno, "the key cannot be printed on the console");
	return 0;
}

static int start(struct serve *s, struct err *e)
{
	struct err warning = ERR_INIT;

	if (read_boot_data(s, e) < 0)
		return -1;
	if (s->boot.debug)
		s->log.level = LOG_DEBUG;
	if (sandbox_no_dumps(&warning) < 0 || (s->broker && sandbox_filter(&warning) < 0))
		log_warn(&s->log, "%s; going on without", warning.msg);
	s->identity = identity_new(&s->boot, e);
	if (s->identity == NULL)
		return -1;
	s->listener = stream_tcp_listen(s->listen, e);
	if (s->listener < 0)
		return -1;
	s->conns = conns_new();
	wire_up(s);
	lease_set(&s->lease, s->boot.lease_seconds);
	struct server_config config = {
		.boot = &s->boot, .api = &s->api, .conns = s->conns, .listener = s->listener, .log = &s->log};
	s->server = server_new(&config, e);
	return s->server == NULL ? -1 : announce(s, e);
}

/* ---- Life and end ---- */

/* Until somebody or something wants the end. -1: the lease expired. */
static int wait_for_end(struct serve *s, const sigset_t *signals, struct err *e)
{
	const struct timespec tick = {.tv_nsec = TICK_NS};

	while (!atomic_load(&s->off)) {
		int sig = sigtimedwait(signals, NULL, &tick);

		if (sig > 0) {
			log_info(&s->log, "signal %d: ending", sig);
			return 0;
		}
		if (lease_left_ns(&s->lease) <= 0)
			return err_set(e, ERR_TIMEOUT, 0,
				       "the lease expired: nothing was heard from the controller for %lld s; ending",
				       (long long)(atomic_load(&s->lease.length_ns) / NS_PER_S));
	}
	log_info(&s->log, "the controller wants the end");
	for (int64_t until = clock_mono_ns() + FAREWELL_NS; server_active(s->server) > 0 && clock_mono_ns() < until;)
		clock_sleep_ns(20 * NS_PER_MS);
	return 0;
}

/* In this order: the run says farewell to its peer and flushes, then the connections go, then what they used. */
static void stop(struct serve *s)
{
	if (s->runner != NULL) {
		runner_stop(s->runner, STOP_NS);
		runner_shut(s->runner);
	}
	server_free(s->server);
	runner_free(s->runner);
	conns_free(s->conns);
	identity_free(s->identity);
	cleanup_fd(&s->listener);
}

static void power_off(struct serve *s)
{
	struct err e = ERR_INIT;

	if (!s->broker)
		return;
	if (disk_source_poweroff(s->disks, &e) < 0)
		log_error(&s->log, "power-off: %s", e.msg); /* the end of this process does it, too */
	else
		clock_sleep_ns(POWEROFF_S * NS_PER_S);
}

int cmd_serve(int argc, char **argv, struct err *e)
{
	struct serve s = {
		.listen = DEFAULT_LISTEN(API_PORT),
		.log = {.fd = STDERR_FILENO, .level = LOG_INFO, .name = "wherry-worker"},
		.listener = -1,
	};
	sigset_t signals;
	int rc;

	/* Blocked before there are threads, so that only wait_for_end() takes them. */
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	signal(SIGPIPE, SIG_IGN);
	rc = parse_options(&s, argc, argv, e);
	if (rc == 0)
		rc = start(&s, e);
	if (rc == 0)
		rc = wait_for_end(&s, &signals, e);
	/* On a host main prints it; in the appliance there may be no time for that. */
	if (rc < 0 && s.broker)
		log_error(&s.log, "%s", e->msg);
	stop(&s);
	power_off(&s);
	disk_source_close(s.disks);
	return rc;
}
