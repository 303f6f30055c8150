// SPDX-License-Identifier: Apache-2.0
/*
 * One request about a page blob (Azure Blob Storage REST API: Get Blob, Get Blob Properties, Put Page, Get Page Ranges)
 * on one libcurl handle, and what its outcome means. Whoever runs the handle is sink_blob.c. Nothing in here logs; the
 * token, a shared access signature, is only ever in the handle's address.
 */
#ifndef WHERRY_COPY_BLOB_CALL_H
#define WHERRY_COPY_BLOB_CALL_H

#include <curl/curl.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/buf.h"
#include "base/err.h"

#define BLOB_VERSION  "2019-07-07" /* of the service: Azure Stack Hub's last one, which Azure speaks, too */
#define BLOB_MAX_PUT  (4u << 20)   /* bytes in one Put Page */
#define BLOB_TEXT_MAX (256u << 10) /* of an answer that is kept: lists, reasons */

enum blob_op { BLOB_LOOK, BLOB_READ, BLOB_PUT, BLOB_CLEAR, BLOB_RANGES };

/* Who asks, and where. */
struct blob_address {
	const char *url;   /* without query */
	const char *token; /* "sv=...&sig=..."; "": none */
	const char *lease; /* to be named when something is changed; "": none */
	const char *ca;    /* certificates that are trusted, PEM; must outlive the call */
};

struct blob_call {
	enum blob_op op;
	uint64_t offset, length; /* READ, PUT: at most BLOB_MAX_PUT; LOOK: neither */
	struct iovec data;       /* READ, PUT: borrowed until the call is done, of `length` ... */
	const struct iovec *parts; /* ... PUT: or these, borrowed as well; NULL: data */
	unsigned part_count;
	void *user;
	struct buf text;         /* RANGES: the list, perhaps cut off at BLOB_TEXT_MAX; failed: what the service said */
	uint64_t size;           /* LOOK: of the blob */
	bool is_page_blob;       /* LOOK */

	/* What came back. */
	CURLcode code;
	int status;              /* 0: no answer */
	int64_t retry_after_s;   /* 0: not asked for */
	char error[64];          /* the service's word, as "LeaseIdMismatchWithBlobOperation"; "" */
	char request_id[64];

	/* sink_blob.c's. */
	enum { CALL_FREE, CALL_RUNNING, CALL_WAITING, CALL_DONE } state;
	bool failed;             /* DONE: for good */
	unsigned tries;
	int64_t again_ns;        /* WAITING: when it is made again */
	unsigned token;          /* the how manieth token it was made with */

	CURL *curl;
	struct curl_slist *headers;
	uint64_t moved;
	char said[CURL_ERROR_SIZE];
};

int blob_call_init(struct blob_call *c, struct err *e);
void blob_call_fini(struct blob_call *c);
/* Sets the handle up for (another try of) the call. */
void blob_call_prepare(struct blob_call *c, const struct blob_address *at);
/* The handle has done its part, with `code`. */
void blob_call_finish(struct blob_call *c, CURLcode code);

enum blob_verdict { BLOB_DONE, BLOB_AGAIN, BLOB_SLOWER, BLOB_FAILED };

/* SLOWER: again, and the service wants all of its clients to hold back. `newer`: a token came since the call was made. */
enum blob_verdict blob_judge(const struct blob_call *c, bool newer);
/* How long to wait before try number tries + 1: doubling to half a minute, or what the service asked for if that is
 * longer. chance: 0 to 255, so that many clients do not come back together. */
int64_t blob_delay_ns(unsigned tries, int64_t retry_after_s, unsigned chance);
/* The sentence for a call that failed; -1. */
int blob_call_error(const struct blob_call *c, const char *url, struct err *e);

#endif
