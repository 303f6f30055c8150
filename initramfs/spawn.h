// SPDX-License-Identifier: Apache-2.0
/*
 * Starting programs from PID 1. A started program has 0 to 2 of PID 1, a clean signal mask
 * and no other descriptor than those named; all else of PID 1 is close-on-exec.
 */
#ifndef WHERRY_INITRAMFS_SPAWN_H
#define WHERRY_INITRAMFS_SPAWN_H

#include <stddef.h>
#include <sys/types.h>

#define SPAWN_NO_FD (-1)

struct spawn {
	const char *const *argv; // argv[0] is the path; ends in NULL
	const char *const *envp; // ends in NULL
	int pass_fd;             // becomes descriptor pass_as, or SPAWN_NO_FD
	int pass_as;             // above 2
	int stdout_fd;           // becomes descriptor 1, or SPAWN_NO_FD
	uid_t uid;               // 0 keeps root; else all privileges are dropped for good
};

// Starts it. Returns the pid, or -1 with errno set. When the exec itself fails the child
// says so and exits 127.
pid_t spawn_start(const struct spawn *what);

// Runs it to its end, collecting at most size bytes of its standard output. Returns the
// wait status, or -1 with errno set: EFBIG more output, ETIMEDOUT after so many seconds
// (the program has been killed).
int spawn_collect(struct spawn what, int seconds, char *output, size_t size, size_t *used);

#endif
