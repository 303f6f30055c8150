// SPDX-License-Identifier: Apache-2.0
/* Bytes of a managed disk that was made to get them (createOption Upload), by a signed URL. learn.microsoft.com: "Put Page". */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "azure.h"
#include "base/cleanup.h"
#include "base/mem.h"

#define PAGE      512u
#define PAGES_MAX (1u << 20) /* of one call; the service takes four times as much */

/* Up to the last byte that is not zero. */
static size_t used(const char *data, size_t n)
{
	static const char zeros[PAGE];

	while (n >= PAGE && memcmp(data + n - PAGE, zeros, PAGE) == 0)
		n -= PAGE;
	return n;
}

/* fd: of memory, which the body is sent from. */
static int put(struct azure *a, const char *sas, int fd, const char *data, size_t n, uint64_t at, struct err *e)
{
	cleanup(cleanup_free) char *url = mem_printf("%s&comp=page", sas);
	cleanup(cleanup_free) char *range = mem_printf("x-ms-range: bytes=%llu-%llu", (unsigned long long)at,
						       (unsigned long long)(at + n - 1));
	const char *const headers[] = {"x-ms-version: 2020-10-02", "x-ms-page-write: update", range, NULL};
	int rc = -1;

	if (fd < 0 || pwrite(fd, data, n, 0) != (ssize_t)n)
		err_set(e, ERR_IO, 0, "%zu bytes for a disk cannot be held in memory", n);
	else
		rc = azure_storage_call(&a->session, "PUT", url, headers, fd, n, NULL, e);
	mem_wipe(url, strlen(url));
	return rc;
}

static int put_all(struct azure *a, const char *sas, const struct image_bytes *bytes, uint64_t *sent, struct err *e)
{
	cleanup(cleanup_fd) int fd = memfd_create("pages", MFD_CLOEXEC);
	cleanup(cleanup_free) char *data = mem_alloc(PAGES_MAX);
	uint64_t disk = bytes->size - AZURE_FOOTER; /* the footer goes by itself, whatever it is behind */

	for (uint64_t at = 0, n; at < bytes->size; at += n) {
		n = at == disk ? AZURE_FOOTER : disk - at < PAGES_MAX ? disk - at : PAGES_MAX;
		if (pread(bytes->fd, data, n, (off_t)at) != (ssize_t)n)
			return err_set(e, ERR_IO, 0, "what goes onto a disk cannot be read at %llu, or ends there", (unsigned long long)at);
		size_t some = used(data, n);
		if (some > 0 && put(a, sas, fd, data, some, at, e) < 0)
			return -1;
		*sent += some;
		if (bytes->sent != NULL && bytes->sent(bytes->ctx, at + n) != 0)
			return err_set(e, ERR_CANCELED, 0, "interrupted");
	}
	return 0;
}

int azure_fill(struct azure *a, const char *id, const struct image_bytes *bytes, uint64_t *sent, struct err *e)
{
	cleanup(cleanup_free) char *sas = NULL;
	struct err ignored = ERR_INIT;

	if (azure_grant(a, AZURE_DISK, id, "Write", &sas, e) < 0)
		return -1;
	int rc = put_all(a, sas, bytes, sent, e);
	mem_wipe(sas, strlen(sas));
	/* A URL that is refused is none any more, and by now the disk may be another's. */
	if (rc < 0 && (e->kind == ERR_DENIED || e->kind == ERR_NOT_FOUND))
		return -1;
	/* While it lives the disk can neither be used nor removed. */
	return azure_revoke(a, AZURE_DISK, id, rc == 0 ? e : &ignored) < 0 ? -1 : rc;
}
