// SPDX-License-Identifier: Apache-2.0
/*
 * Azure Resource Manager, of the public cloud or of an Azure Stack Hub: which it is, where it is, and calls of it. What
 * differs between the two is a row of a table (struct azure_cloud). Sources: Microsoft's azure-rest-api-specs; learn.microsoft.com
 * "Track asynchronous Azure operations", "Request limits and throttling", "API version profiles in Azure Stack Hub".
 */
#ifndef WHERRY_CONTROL_AZURE_SESSION_H
#define WHERRY_CONTROL_AZURE_SESSION_H

#include <stdbool.h>
#include <stdint.h>
#include <yyjson.h>

#include "azure_credential.h"
#include "rest.h"

/* What has an API version of its own. */
enum azure_api {
	AZURE_COMPUTE, AZURE_DISKS, AZURE_NETWORK, AZURE_STORAGE, AZURE_GALLERIES, AZURE_RESOURCES, AZURE_LOCKS, AZURE_SKUS,
	AZURE_SCHEDULES, AZURE_PERMISSIONS, AZURE_RESTORE, AZURE_APIS
};

struct azure_cloud {
	const char *name;
	const char *versions[AZURE_APIS]; /* NULL: it has none of these */
	const char *ip_sku;        /* of public addresses */
	bool user_data;            /* bootstrap data by the metadata service; else a small disk brings them */
	bool delete_option;        /* resources may be removed with their VM */
	bool incremental;          /* snapshots, of which it says what changed in between */
	bool if_none_match;        /* a PUT of a VM may ask to make, never to replace */
	bool managed_diagnostics;  /* boot diagnostics without a storage account */
	bool uefi;                 /* generation 2 */
};

struct azure_session {
	const struct azure_cloud *cloud;
	char *arm, *audience;      /* "https://management.azure.com", both without a slash at the end */
	char subscription[64];
	struct azure_credential *credential;
	struct rest *rest;
	int64_t *not_before_ns;    /* where to keep until when the last reply asked to wait (Retry-After), monotonic; 0: it did not */
	char refused[80];          /* the code of the last refusal ("Conflict"), for whom its kind does not tell enough */
	int64_t throttled_until_ns; /* too many calls: nothing is called before that */
	const struct log *log;
};

/* cloud: "public", or the address of a Resource Manager, which is asked what it is. subscription "": $AZURE_SUBSCRIPTION_ID,
 * else what `az` has chosen. Gets a first token. Call azure_session_close also after a failure. */
int azure_session_open(struct azure_session *s, const char *cloud, const char *subscription, int64_t *not_before_ns,
		       const struct log *log, struct err *e);
void azure_session_close(struct azure_session *s);

/* What a call leads to: an asynchronous operation goes on at that address (absolute); NULL: it is done. */
struct azure_operation {
	char *url, *result;        /* result: where what it made is to be had, or NULL */
	bool by_location;          /* answers 202 until it is done; else {"status": ...} */
	int64_t not_before_ns;     /* do not ask before */
};
void azure_operation_fini(struct azure_operation *op);

enum azure_progress { AZURE_RUNS, AZURE_DONE, AZURE_FAILED };

/* One call. path: from "/subscriptions/..." on; the API version is appended. A path that begins with "http" is a link of Resource
 * Manager's own and is called as it is. body, doc, op: may be NULL; *doc is the caller's. An HTTP error is an error whose kind
 * tells what it means, and whose message holds the cloud's code and words and both ids of the request. */
int azure_call(struct azure_session *s, enum azure_api api, const char *method, const char *body, yyjson_doc **doc,
	       struct azure_operation *op, struct err *e, const char *path, ...) __attribute__((format(printf, 8, 9)));
/* Asks once how it goes. FAILED: *e says why. -1: it could not be asked. */
int azure_follow(struct azure_session *s, struct azure_operation *op, enum azure_progress *progress, yyjson_doc **doc,
		 struct err *e);
/* A call to storage, by a URL that is signed already: no token goes with it. headers and raw may be NULL. file > 0: its first
 * `size` bytes are the body. */
int azure_storage_call(struct azure_session *s, const char *method, const char *url, const char *const *headers, int file,
		       uint64_t size, struct buf *raw, struct err *e);

typedef int azure_seen(void *ctx, yyjson_val *object); /* non-zero stops and is returned */
/* All of a list, page by page. */
int azure_list(struct azure_session *s, enum azure_api api, const char *path, azure_seen *cb, void *ctx, struct err *e);

#endif
