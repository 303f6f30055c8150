// SPDX-License-Identifier: Apache-2.0
#include "power.h"

#include <signal.h>
#include <sys/reboot.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "console.h"
#include "say.h"

enum { SYNC_SECONDS = 20, DRAIN_MILLISECONDS = 1000 };

// A disk that hangs must not keep the machine on: a child syncs, and is waited for only
// so long.
static void finish(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		sync();
		console_drain(DRAIN_MILLISECONDS);
		_exit(0);
	}
	for (int tenths = 0; pid > 0 && tenths < SYNC_SECONDS * 100; tenths++) {
		if (waitpid(pid, NULL, WNOHANG) != 0)
			return;
		nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
	}
}

_Noreturn void power_end(bool restart)
{
	finish();
	reboot(restart ? RB_AUTOBOOT : RB_POWER_OFF);
	// Machines that cannot switch themselves off stop here.
	reboot((int)RB_HALT_SYSTEM);
	for (;;)
		pause();
}

_Noreturn void power_off_after(int seconds)
{
	struct timespec left = { .tv_sec = seconds };

	if (seconds > 0)
		say("power-off in %d s.", seconds);
	while (nanosleep(&left, &left) < 0)
		;
	power_end(false);
}
