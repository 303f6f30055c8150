// SPDX-License-Identifier: Apache-2.0
/*
 * qemu-cloud: make and drive the machines of a qemu cloud (control/provider_qemu.h) from scripts, with the driver's own
 * functions. `qemu-cloud` without arguments lists the commands.
 */
#include <errno.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "qemu_file.h"
#include "qemu_inventory.h"
#include "qemu_machine.h"
#include "qmp.h"

#define CONSOLE_MAX ((size_t)64 << 20)
#define STOP_NS     (60 * NS_PER_S)

struct call {
	struct qemu_cloud cloud;
	int argc; /* what follows the cloud */
	char **argv;
};

static int usage_error(struct err *e, const char *what)
{
	return err_set(e, ERR_USAGE, 0, "qemu-cloud: %s; `qemu-cloud` alone lists the commands", what);
}

static int want_name(const struct call *c, struct err *e)
{
	if (c->argc < 1)
		return usage_error(e, "the name is missing");
	return qemu_name_check(c->argv[0], e);
}

/* "name=root,file=/x/root.raw,format=raw,sector=4096,boot" */
static int parse_disk(char *text, struct qemu_machine *m, struct err *e)
{
	struct qemu_machine_disk *d = vec_push(&m->disks);
	char *rest = text, *part;

	d->logical_sector = 512;
	while ((part = strsep(&rest, ",")) != NULL) {
		if (strncmp(part, "name=", 5) == 0)
			snprintf(d->name, sizeof d->name, "%s", part + 5);
		else if (strncmp(part, "file=", 5) == 0)
			snprintf(d->image.file, sizeof d->image.file, "%s", part + 5);
		else if (strcmp(part, "format=raw") == 0)
			d->image.format = QEMU_RAW;
		else if (strcmp(part, "format=qcow2") == 0)
			d->image.format = QEMU_QCOW2;
		else if (strncmp(part, "sector=", 7) == 0)
			d->logical_sector = (uint32_t)strtoul(part + 7, NULL, 10);
		else if (strcmp(part, "boot") == 0)
			d->boot = true;
		else
			return usage_error(e, "a disk is name=N,file=F,format=raw|qcow2[,sector=4096][,boot]");
	}
	return d->name[0] != '\0' && d->image.file[0] != '\0' ? 0 : usage_error(e, "a disk needs name and file");
}

/* "mac=52:54:00:00:00:01,network=lan,model=virtio-net-pci" */
static int parse_nic(char *text, struct qemu_machine *m, struct err *e)
{
	struct machine_nic *n = vec_push(&m->nics);
	char *rest = text, *part;

	snprintf(n->model, sizeof n->model, "virtio-net-pci");
	while ((part = strsep(&rest, ",")) != NULL) {
		if (strncmp(part, "mac=", 4) == 0)
			snprintf(n->mac, sizeof n->mac, "%s", part + 4);
		else if (strncmp(part, "network=", 8) == 0)
			snprintf(n->network, sizeof n->network, "%s", part + 8);
		else if (strncmp(part, "model=", 6) == 0)
			snprintf(n->model, sizeof n->model, "%s", part + 6);
		else
			return usage_error(e, "a NIC is mac=M[,network=N][,model=M]");
	}
	return 0;
}

static int parse_option(const char *option, char *value, struct qemu_machine *m, struct err *e)
{
	if (strcmp(option, "--memory") == 0)
		m->memory_mib = strtoul(value, NULL, 10);
	else if (strcmp(option, "--vcpus") == 0)
		m->vcpus = (unsigned)strtoul(value, NULL, 10);
	else if (strcmp(option, "--firmware") == 0)
		m->firmware = strcmp(value, "uefi") == 0 ? FIRMWARE_UEFI : FIRMWARE_BIOS;
	else if (strcmp(option, "--disk") == 0)
		return parse_disk(value, m, e);
	else if (strcmp(option, "--nic") == 0)
		return parse_nic(value, m, e);
	else if (strcmp(option, "--kernel") == 0)
		snprintf(m->kernel, sizeof m->kernel, "%s", value);
	else if (strcmp(option, "--initrd") == 0)
		snprintf(m->initrd, sizeof m->initrd, "%s", value);
	else if (strcmp(option, "--append") == 0)
		snprintf(m->append, sizeof m->append, "%s", value);
	else
		return usage_error(e, option);
	return 0;
}

static int cmd_add_machine(struct call *c, struct err *e)
{
	cleanup(qemu_machine_fini) struct qemu_machine m = {.memory_mib = 256, .vcpus = 1};
	struct qemu_machine read_back;

	if (want_name(c, e) < 0)
		return -1;
	snprintf(m.name, sizeof m.name, "%s", c->argv[0]);
	for (int i = 1; i < c->argc; i += 2)
		if (i + 1 == c->argc || parse_option(c->argv[i], c->argv[i + 1], &m, e) < 0)
			return e->kind != ERR_NONE ? -1 : usage_error(e, "an option has no value");
	cleanup(cleanup_fd) int lock = qemu_cloud_lock(&c->cloud, "adding a machine", e);

	if (lock < 0 || qemu_machine_save(&c->cloud, &m, e) < 0 ||
	    qemu_machine_load(&c->cloud, m.name, &read_back, e) < 0)
		return -1;
	qemu_machine_fini(&read_back);
	return 0;
}

static int cmd_start(struct call *c, struct err *e)
{
	struct qemu_options o;

	qemu_options_default(&o);
	return want_name(c, e) < 0 ? -1 : qemu_machine_start(&c->cloud, c->argv[0], &o, e);
}

static int cmd_stop(struct call *c, struct err *e)
{
	bool now = c->argc > 1 && strcmp(c->argv[1], "--now") == 0;

	return want_name(c, e) < 0 ? -1 : qemu_machine_stop(&c->cloud, c->argv[0], now ? 0 : STOP_NS, e);
}

static int monitor_command(struct call *c, const char *command, const char *args, struct err *e)
{
	if (want_name(c, e) < 0)
		return -1;
	cleanup(cleanup_free) char *run_dir = qemu_record_dir(&c->cloud, QEMU_RUN, c->argv[0]);
	cleanup(qmp_cleanup) struct qmp *q = qmp_open(run_dir, 30 * NS_PER_S, e);

	return q == NULL ? -1 : qmp_do(q, command, args, e);
}

static int cmd_pause(struct call *c, struct err *e)
{
	return monitor_command(c, "stop", NULL, e);
}

static int cmd_resume(struct call *c, struct err *e)
{
	return monitor_command(c, "cont", NULL, e);
}

static int cmd_qmp(struct call *c, struct err *e)
{
	if (c->argc < 2)
		return usage_error(e, "qmp wants a machine and a command");
	return monitor_command(c, c->argv[1], c->argc > 2 ? c->argv[2] : NULL, e);
}

static int cmd_console(struct call *c, struct err *e)
{
	cleanup(buf_fini) struct buf text = BUF_INIT;

	if (want_name(c, e) < 0)
		return -1;
	cleanup(cleanup_free) char *path = qemu_cloud_path(&c->cloud, "run/%s/serial.log", c->argv[0]);

	if (qemu_file_read(path, CONSOLE_MAX, &text, e) < 0)
		return -1;
	fwrite(buf_str(&text), 1, text.len, stdout);
	return 0;
}

/* Until QEMU has taken all of it: it drops what is unread when we hang up. */
static void linger(int fd)
{
	char answer[4096];

	for (int i = 0; i < 500; i++) {
		int queued = 0;

		while (recv(fd, answer, sizeof answer, MSG_DONTWAIT) > 0)
			;
		if (ioctl(fd, SIOCOUTQ, &queued) < 0 || queued == 0)
			break;
		clock_sleep_ns(10 * NS_PER_MS);
	}
	clock_sleep_ns(100 * NS_PER_MS);
}

static int cmd_send(struct call *c, struct err *e)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX, .sun_path = "serial.sock"};

	if (want_name(c, e) < 0)
		return -1;
	if (c->argc < 2)
		return usage_error(e, "send wants a machine and a line");
	cleanup(cleanup_free) char *run_dir = qemu_record_dir(&c->cloud, QEMU_RUN, c->argv[0]);
	cleanup(cleanup_free) char *line = mem_printf("%s\n", c->argv[1]);
	cleanup(cleanup_fd) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || chdir(run_dir) < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) < 0)
		return err_set(e, ERR_NETWORK, errno,
			       "the console of machine %s cannot be typed into: does it run?", c->argv[0]);
	/* A keyboard is slow, and a guest's serial port holds 16 bytes. */
	for (const char *p = line; *p != '\0'; p++)
		if (send(fd, p, 1, MSG_NOSIGNAL) != 1)
			return err_set(e, ERR_NETWORK, errno, "machine %s hung up", c->argv[0]);
	linger(fd);
	return 0;
}

static int cmd_disk_file(struct call *c, struct err *e)
{
	struct qemu_disk d;

	if (want_name(c, e) < 0 || qemu_disk_load(&c->cloud, c->argv[0], &d, e) < 0)
		return -1;
	cleanup(cleanup_free) char *path = qemu_cloud_resolve(&c->cloud, d.image.file);

	puts(path);
	return 0;
}

static int cmd_list(struct call *c, struct err *e)
{
	cleanup(qemu_names_fini) struct qemu_names names = {0};

	if (qemu_record_names(&c->cloud, QEMU_MACHINES, &names, e) < 0)
		return -1;
	for (size_t i = 0; i < names.list.len; i++)
		printf("%s %s\n", names.list.at[i],
		       qemu_machine_running(&c->cloud, names.list.at[i]) ? "running" : "off");
	return 0;
}

static int cmd_inventory(struct call *c, struct err *e)
{
	cleanup(buf_fini) struct buf text = BUF_INIT;

	if (qemu_inventory(&c->cloud, &text, e) < 0)
		return -1;
	fputs(buf_str(&text), stdout);
	return 0;
}

static const struct command {
	const char *name, *args;
	int (*run)(struct call *c, struct err *e);
} commands[] = {
	{"init", "DIR", NULL},
	{"add-machine",
	 "DIR NAME [--memory MIB] [--vcpus N] [--firmware bios|uefi] [--disk name=N,file=F,format=raw|qcow2"
	 "[,sector=4096][,boot]]... [--nic mac=M,network=N]... [--kernel F --initrd F --append TEXT]",
	 cmd_add_machine},
	{"start", "DIR NAME", cmd_start},
	{"stop", "DIR NAME [--now]", cmd_stop},
	{"pause", "DIR NAME", cmd_pause},
	{"resume", "DIR NAME", cmd_resume},
	{"send", "DIR NAME LINE        type a line at its console", cmd_send},
	{"console", "DIR NAME", cmd_console},
	{"qmp", "DIR NAME COMMAND [JSON]", cmd_qmp},
	{"disk-file", "DIR DISK        path of the disk's image", cmd_disk_file},
	{"list", "DIR", cmd_list},
	{"inventory", "DIR", cmd_inventory},
};

static int run(int argc, char **argv, struct err *e)
{
	for (size_t i = 0; argc > 2 && i < sizeof commands / sizeof commands[0]; i++) {
		struct call c = {.argc = argc - 3, .argv = argv + 3};

		if (strcmp(argv[1], commands[i].name) != 0)
			continue;
		if (commands[i].run == NULL)
			return qemu_cloud_init(argv[2], e);
		if (qemu_cloud_open(argv[2], &c.cloud, e) < 0)
			return -1;
		int rc = commands[i].run(&c, e);

		qemu_cloud_fini(&c.cloud);
		return rc;
	}
	for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
		fprintf(stderr, "qemu-cloud %s %s\n", commands[i].name, commands[i].args);
	return err_set(e, ERR_USAGE, 0, "qemu-cloud: no such command, or the cloud's directory is missing");
}

int main(int argc, char **argv)
{
	struct err e = ERR_INIT;

	if (run(argc, argv, &e) == 0)
		return 0;
	fprintf(stderr, "%s\n", e.msg);
	return err_exit_status(e.kind);
}
