// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>

#include "cmd.h"
#include "host_peer.h"

int cmd_fingerprint(int argc, char **argv, struct err *e)
{
	char pin[HOST_PIN_TEXT];

	if (argc > 1)
		return err_set(e, ERR_USAGE, 0, "fingerprint takes no argument, not \"%s\"", argv[1]);
	if (host_peer_pin(pin, e) != 0)
		return -1;
	puts(pin);
	return 0;
}
