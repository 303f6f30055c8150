// SPDX-License-Identifier: Apache-2.0
/*
 * Where a plain host keeps its keys: $XDG_STATE_HOME/wherry, else /var/lib/wherry for root, else ~/.local/state/wherry.
 */
#ifndef WHERRY_HOST_STATE_H
#define WHERRY_HOST_STATE_H

#include "base/err.h"

/* The path of `name` there; the folder is made, for its owner only. The caller frees it. */
char *host_state_path(const char *name, struct err *e);

#endif
