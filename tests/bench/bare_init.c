// SPDX-License-Identifier: Apache-2.0
/*
 * The least a PID 1 can do: switch the machine off. boot.sh measures the appliance against it.
 */
#include <sys/reboot.h>

int main(void)
{
	return reboot(RB_POWER_OFF);
}
