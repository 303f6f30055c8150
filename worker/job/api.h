// SPDX-License-Identifier: Apache-2.0
/*
 * The control API of net/api_names.h: a table of routes, who may call them when, and how errors look. It knows nothing
 * of connections but whom TLS has found at the other end. Any thread.
 */
#ifndef WHERRY_JOB_API_H
#define WHERRY_JOB_API_H

#include "base/log.h"
#include "block/disk_source.h"
#include "job/identity.h"
#include "job/lease.h"
#include "job/runner.h"
#include "net/http.h"

struct api {
	const struct bootdata *boot; /* all borrowed */
	struct identity *identity;
	struct lease *lease;
	struct runner *runner;
	struct disk_source *disks;
	const struct log *log;
	void (*enrolled)(void *ctx);     /* called once the new identity is in force */
	void (*poweroff)(void *ctx);     /* asks for the end; returns at once */
	void *ctx;
};

/* One connection: the controller is at the other end, known by its pinned key or by its certificate. */
struct api_conn {
	const struct api *api;
	bool pinned;
};

/* An http_handler; ctx is a struct api_conn. */
void api_handle(void *conn, const struct http_request *req, struct http_response *res);

#endif
