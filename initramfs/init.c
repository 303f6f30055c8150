// SPDX-License-Identifier: Apache-2.0
/*
 * PID 1 of the appliance. Makes the file systems, asks the worker's helper for the
 * bootstrap data, brings up the network, starts the worker without any privilege, and from
 * then on hands it disks (broker.h), keeps the DHCP clients alive and waits for the end.
 * There is no way from here to a shell: every end is a power-off.
 *
 * Under the name dhcp-event it is udhcpc's script, under the name poweroff what the kernel
 * runs when the hypervisor asks for a shutdown.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/input.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/klog.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bootdata.h"
#include "broker.h"
#include "console.h"
#include "dhcp_event.h"
#include "disk_broker.h"
#include "mounts.h"
#include "net.h"
#include "power.h"
#include "say.h"
#include "spawn.h"

enum {
	BUTTONS_MAX = 8,
	LOOK_MILLISECONDS = 1000, // how often new cards are looked for
	IPV6_ALONE_SECONDS = 3,	  // so long IPv4 may be late before IPv6 alone is enough
	NETWORK_SECONDS = 60,
	FAREWELL_SECONDS = 15, // from the power button to the end of the worker's patience
	READ_SECONDS = 30,     // so long a failure can be read on the console
	KERNEL_DEBUG_LEVEL = 8,
};

struct init {
	struct bootdata data;
	struct net net;
	struct disk_broker broker;
	int signal_fd;
	int nbuttons;
	int buttons[BUTTONS_MAX];
	pid_t worker;
	long long farewell; // when the worker will be killed, 0 while nobody wants an end
};

static long long now_seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec;
}

static void open_signals(struct init *init)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	init->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

// The kernel has no keyboard driver; what is under /dev/input are ACPI's buttons.
static void open_buttons(struct init *init)
{
	DIR *dir = opendir("/dev/input");
	if (!dir)
		return;
	for (struct dirent *entry; init->nbuttons < BUTTONS_MAX && (entry = readdir(dir));) {
		char path[300];
		if (strncmp(entry->d_name, "event", 5) != 0)
			continue;
		snprintf(path, sizeof path, "/dev/input/%s", entry->d_name);
		int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
		if (fd >= 0)
			init->buttons[init->nbuttons++] = fd;
	}
	closedir(dir);
}

// The worker is asked first: it flushes what it has. Its end is the machine's.
static void want_end(struct init *init)
{
	if (init->farewell)
		return;
	if (init->worker == 0)
		power_end(false);
	say("shutdown is asked for; the worker has %d s.", FAREWELL_SECONDS);
	init->farewell = now_seconds() + FAREWELL_SECONDS;
	kill(init->worker, SIGTERM);
}

static _Noreturn void worker_ended(int status)
{
	if (WIFSIGNALED(status))
		say("the worker was killed by signal %d; power-off.", WTERMSIG(status));
	else
		say("the worker exited with status %d; power-off.", WEXITSTATUS(status));
	power_end(false);
}

static void reap(struct init *init)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		if (pid == init->worker)
			worker_ended(status);
		else
			net_reaped(&init->net, pid);
}

static void take_signals(struct init *init)
{
	struct signalfd_siginfo info;

	while (read(init->signal_fd, &info, sizeof info) == sizeof info)
		if (info.ssi_signo == SIGTERM)
			want_end(init);
	reap(init);
}

static void take_button(struct init *init, int fd)
{
	struct input_event event;

	while (read(fd, &event, sizeof event) == sizeof event)
		if (event.type == EV_KEY && event.code == KEY_POWER && event.value == 1)
			want_end(init);
}

static void take_request(struct init *init)
{
	switch (disk_broker_serve(&init->broker)) {
	case BROKER_POWEROFF:
		say("the worker asks for power-off.");
		power_end(false);
	case BROKER_REBOOT:
		say("the worker asks for a restart.");
		power_end(true);
	case BROKER_CLOSED:
		// Its exit status follows; a worker that closed the socket and lives is killed.
		init->broker.fd = -1;
		if (!init->farewell)
			init->farewell = now_seconds() + FAREWELL_SECONDS;
		break;
	case BROKER_GO_ON:
		break;
	}
}

// One round of the only loop: waits at most LOOK_MILLISECONDS. Before the worker runs,
// broker.fd is -1, which poll passes over.
static void serve_once(struct init *init)
{
	struct pollfd fds[3 + BUTTONS_MAX] = {
		{ .fd = init->broker.fd, .events = POLLIN },
		{ .fd = init->net.event_fd, .events = POLLIN },
		{ .fd = init->signal_fd, .events = POLLIN },
	};

	for (int i = 0; i < init->nbuttons; i++)
		fds[3 + i] = (struct pollfd){ .fd = init->buttons[i], .events = POLLIN };
	if (poll(fds, (nfds_t)(3 + init->nbuttons), LOOK_MILLISECONDS) <= 0)
		net_look(&init->net);
	if (fds[0].revents)
		take_request(init);
	if (fds[1].revents)
		net_event(&init->net);
	if (fds[2].revents)
		take_signals(init);
	for (int i = 0; i < init->nbuttons; i++)
		if (fds[3 + i].revents)
			take_button(init, init->buttons[i]);
	if (init->farewell && init->worker && now_seconds() >= init->farewell)
		kill(init->worker, SIGKILL);
}

// Comes back with an address, or without one after NETWORK_SECONDS: the worker is started
// all the same, for DHCP may yet answer and the worker's lease ends a machine nobody reaches.
static void wait_for_network(struct init *init)
{
	long long start = now_seconds();

	net_look(&init->net);
	while (!net_has_ipv4(&init->net)) {
		long long waited = now_seconds() - start;
		if (waited >= NETWORK_SECONDS) {
			say("no network address after %d s; check the NIC and its DHCP server.",
			    NETWORK_SECONDS);
			return;
		}
		if (waited >= IPV6_ALONE_SECONDS && net_has_ipv6())
			return;
		serve_once(init);
	}
}

// Finds out what the controller wants of this machine. Does not return without.
static void learn(struct init *init)
{
	bool network_up = false;
	enum bootdata_result result = bootdata_ask(&init->data, false);

	if (result == BOOTDATA_NEEDS_NETWORK) {
		network_up = true;
		init->data = (struct bootdata){ .all_nics = true };
		wait_for_network(init);
		result = bootdata_ask(&init->data, true);
	}
	// DHCP's questions travel while the helper runs once more.
	if (result == BOOTDATA_FOUND)
		net_look(&init->net);
	if (result != BOOTDATA_FOUND || bootdata_save(network_up) < 0) {
		say("this machine does not know what to do; give it bootstrap data.");
		power_off_after(READ_SECONDS);
	}
	if (init->data.hostname[0] &&
	    sethostname(init->data.hostname, strlen(init->data.hostname)) < 0)
		say("the host name cannot be set: %s.", strerror(errno));
	if (init->data.debug)
		klogctl(8, NULL, KERNEL_DEBUG_LEVEL);
}

static void start_worker(struct init *init)
{
	const char *const argv[] = { BROKER_WORKER_PATH,   "serve", "--broker-fd", "3", "--boot-data",
				     BROKER_BOOTDATA_PATH, NULL };
	const char *const envp[] = { "PATH=/bin", "HOME=/", "TMPDIR=/run/wherry",
				     BROKER_FD_ENV "=3", "WHERRY_IMAGE_VERSION=" WHERRY_VERSION,
				     NULL };
	struct spawn worker = {
		.argv = argv,
		.envp = envp,
		.pass_as = BROKER_FD,
		.stdout_fd = SPAWN_NO_FD,
		.uid = WHERRY_WORKER_UID,
	};

	if (mkdir("/run/wherry", 0700) < 0 ||
	    chown("/run/wherry", WHERRY_WORKER_UID, WHERRY_WORKER_UID) < 0 ||
	    disk_broker_open(&init->broker, &worker.pass_fd) < 0 ||
	    (init->worker = spawn_start(&worker)) < 0) {
		say("the worker cannot be started: %s.", strerror(errno));
		power_off_after(READ_SECONDS);
	}
	close(worker.pass_fd);
}

static int init_main(void)
{
	static struct init init = { .broker.fd = -1 };

	if (mounts_make() < 0)
		power_off_after(READ_SECONDS);
	if (console_start() < 0)
		say("the console copier cannot be started: %s.", strerror(errno));
	mounts_settings();
	bootdata_prepare();
	mounts_seal();
	open_signals(&init);
	open_buttons(&init);
	if (net_open(&init.net, &init.data) < 0)
		power_off_after(READ_SECONDS);
	learn(&init);
	wait_for_network(&init);
	start_worker(&init);
	for (;;)
		serve_once(&init);
}

int main(int argc, char **argv)
{
	const char *name = strrchr(argv[0], '/') ? strrchr(argv[0], '/') + 1 : argv[0];

	if (strcmp(name, DHCP_EVENT_NAME) == 0)
		return dhcp_event_main(argc, argv);
	if (strcmp(name, "poweroff") == 0)
		return kill(1, SIGTERM) < 0;
	if (getpid() != 1) {
		say("only the kernel starts this, as PID 1 of the appliance.");
		return 2;
	}
	return init_main();
}
