// SPDX-License-Identifier: Apache-2.0
/*
 * Stands in for wherry-worker in test-image-disks.sh: does what the test wrote into its bootstrap data, one step a
 * line, and tells on the console what came back as "probe: <step> -> <result>".
 *
 *   rights            what this process may do
 *   await SERIAL      waits until the broker's list has this serial
 *   write             tries to write one block to the descriptor that came last
 *   close             closes all descriptors that came
 *   anything else     goes to the broker as it is
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "broker.h"

enum { BLOCK = 4096, FDS_MAX = 64 };

static const char fw_cfg[] = "/sys/firmware/qemu_fw_cfg/by_name/opt/wherry/bootdata/raw";

struct probe {
	int nfds;
	int fds[FDS_MAX];
	char reply[BROKER_REPLY_MAX + 1];
};

/* Sends one request and waits for its reply. True when a descriptor came with it. */
static bool ask(struct probe *probe, const char *request)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {0};
	char line[BROKER_REQUEST_MAX + 2];
	struct iovec part = {.iov_base = probe->reply, .iov_len = BROKER_REPLY_MAX};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control.space,
				 .msg_controllen = sizeof control.space};

	snprintf(line, sizeof line, "%s\n", request);
	if (send(BROKER_FD, line, strlen(line), 0) < 0)
		exit(4);
	ssize_t size = recvmsg(BROKER_FD, &message, 0);
	if (size <= 0)
		exit(5);
	probe->reply[size] = '\0';
	if (!CMSG_FIRSTHDR(&message) || probe->nfds == FDS_MAX)
		return false;
	memcpy(&probe->fds[probe->nfds++], CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(int));
	return true;
}

static const char *answer(struct probe *probe, const char *request)
{
	static char text[BROKER_REPLY_MAX + 64];

	if (ask(probe, request)) {
		int flags = fcntl(probe->fds[probe->nfds - 1], F_GETFL);
		snprintf(text, sizeof text, "[%s%s] %s", flags & O_DIRECT ? "direct " : "",
			(flags & O_ACCMODE) == O_RDWR ? "rw" : "ro", probe->reply);
		return text;
	}
	return probe->reply;
}

static const char *await(struct probe *probe, const char *serial)
{
	char wanted[BROKER_SERIAL_MAX + 8];

	snprintf(wanted, sizeof wanted, " %s\n", serial);
	for (int tenths = 0; tenths < 300; tenths++) {
		ask(probe, "list");
		if (strstr(probe->reply, wanted))
			return "there\n";
		usleep(100000);
	}
	return "not there\n";
}

static const char *try_write(struct probe *probe)
{
	static _Alignas(BLOCK) char block[BLOCK];
	int fd = probe->nfds > 0 ? probe->fds[probe->nfds - 1] : -1;

	memset(block, 'W', sizeof block);
	return pwrite(fd, block, sizeof block, 0) == BLOCK ? "written\n" : strerror(errno);
}

static const char *close_all(struct probe *probe)
{
	while (probe->nfds > 0)
		close(probe->fds[--probe->nfds]);
	return "closed\n";
}

static const char *rights(void)
{
	static char text[256];
	char line[256], caps[64] = "";
	FILE *status = fopen("/proc/self/status", "r");

	while (status && fgets(line, sizeof line, status))
		if (strncmp(line, "CapPrm:", 7) == 0 || strncmp(line, "CapBnd:", 7) == 0)
			strcat(caps, strspn(line + 8, "0\n") == strlen(line + 8) ? " none" : " some");
	snprintf(text, sizeof text, "uid %u gid %u caps%s no_new_privs %d disk %s fw_cfg %s\n", getuid(), getgid(),
		caps, prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 
		open("/dev/vda", O_RDONLY) < 0 ? "denied" : "open",
		open(fw_cfg, O_RDONLY) < 0 ? "denied" : "open");
	return text;
}

static int serve(void)
{
	static struct probe probe;
	static char steps[8192];
	FILE *file = fopen(BROKER_BOOTDATA_PATH, "r");
	char *rest;

	if (!file)
		return 3;
	steps[fread(steps, 1, sizeof steps - 1, file)] = '\0';
	for (char *step = strtok_r(steps, "\n", &rest); step; step = strtok_r(NULL, "\n", &rest)) {
		const char *result = strcmp(step, "rights") == 0	 ? rights() :
				     strcmp(step, "write") == 0		 ? try_write(&probe) :
				     strcmp(step, "close") == 0		 ? close_all(&probe) :
				     strncmp(step, "await ", 6) == 0 ? await(&probe, step + 6) :
								       answer(&probe, step);
		printf("probe: %s -> %.*s\n", step, (int)strcspn(result, "\n"), result);
		fflush(stdout);
	}
	puts("probe: done");
	fflush(stdout);
	return 7;
}

static int boot_data(bool raw)
{
	char bytes[8192];
	int fd = open(fw_cfg, O_RDONLY);
	ssize_t size = fd < 0 ? -1 : read(fd, bytes, sizeof bytes);

	if (size < 0) {
		perror(fw_cfg);
		return 1;
	}
	if (!raw)
		return printf("nic=auto\n") < 0;
	return fwrite(bytes, 1, (size_t)size, stdout) != (size_t)size;
}

int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "boot-data") == 0)
		return boot_data(argc > 2);
	return serve();
}
