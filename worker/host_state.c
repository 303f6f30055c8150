// SPDX-License-Identifier: Apache-2.0
#include "host_state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/mem.h"

static char *state_folder(void)
{
	const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");

	if (state != NULL && state[0] == '/')
		return mem_printf("%s/wherry", state);
	if (geteuid() == 0 || home == NULL)
		return mem_strdup("/var/lib/wherry");
	return mem_printf("%s/.local/state/wherry", home);
}

static int make_folders(const char *path, struct err *e)
{
	cleanup(cleanup_free) char *at = mem_strdup(path);

	for (char *slash = strchr(at + 1, '/');; slash = strchr(slash + 1, '/')) {
		if (slash != NULL)
			*slash = '\0';
		if (mkdir(at, 0700) != 0 && errno != EEXIST)
			return err_set(e, err_kind_of_errno(errno), errno,
				       "cannot make the folder %s for this host's keys; set XDG_STATE_HOME to one that you can "
				       "write", at);
		if (slash == NULL)
			return 0;
		*slash = '/';
	}
}

char *host_state_path(const char *name, struct err *e)
{
	cleanup(cleanup_free) char *folder = state_folder();

	return make_folders(folder, e) == 0 ? mem_printf("%s/%s", folder, name) : NULL;
}
