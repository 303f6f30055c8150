// SPDX-License-Identifier: Apache-2.0
/*
 * Azure's instance metadata service: the user data of the VM (learn.microsoft.com: "Azure Instance Metadata Service"). Azure
 * is known by the chassis' asset tag, so that no other machine waits for a network here. A Hub has the tag and no user data:
 * it answers so, or nobody does, and the next source is asked.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "boot/bootdata.h"
#include "boot/source_file.h"
#include "net/stream_tcp.h"

#define ASSET_TAG  "7783-7084-3265-9085-8269-3286-77"
#define ADDRESS    "169.254.169.254:80"
#define CALL_NS    (5 * NS_PER_S)
#define PAUSE_NS   (1 * NS_PER_S)
#define PATIENCE   20 /* calls: the service may come up later than the machine */
#define REPLY_MAX  (3 * BOOTDATA_MAX)

static const char request[] = "GET /metadata/instance/compute/userData?api-version=2021-01-01&format=text HTTP/1.1\r\n"
			      "Host: 169.254.169.254\r\nMetadata: true\r\nConnection: close\r\n\r\n";

static bool is_azure(const char *root)
{
	cleanup(buf_fini) struct buf tag = BUF_INIT;
	struct err ignored = ERR_INIT;
	bool found = false;

	return source_file_read(root, "/sys/class/dmi/id/chassis_asset_tag", 256, &tag, &found, &ignored) == 0 && found &&
	       strncmp(buf_str(&tag), ASSET_TAG, strlen(ASSET_TAG)) == 0;
}

static int ask(const char *address, struct buf *reply, struct err *e)
{
	struct stream *s = stream_tcp_dial(address, CALL_NS, e);
	ssize_t n = -1;

	if (s == NULL)
		return -1;
	stream_set_timeout(s, CALL_NS);
	if (stream_write(s, request, sizeof request - 1, e) == 0 && stream_flush(s, e) == 0)
		while (reply->len < REPLY_MAX && (n = stream_read(s, buf_reserve(reply, 4096), 4096, e)) > 0) {
			reply->len += (size_t)n;
			reply->data[reply->len] = '\0';
		}
	stream_close(s);
	return n < 0 ? -1 : 0;
}

int imds_take(const char *reply, struct buf *out, bool *found, struct err *e)
{
	const char *body = strstr(reply, "\r\n\r\n");
	int status = 0;

	*found = false;
	if (sscanf(reply, "HTTP/1.%*d %d", &status) != 1 || body == NULL)
		return err_set(e, ERR_PROTOCOL, 0, "the metadata service answered what is no HTTP");
	if (status == 429 || status / 100 == 5 || status == 410)
		return err_set(e, ERR_NETWORK, 0, "the metadata service is busy (HTTP %d)", status);
	body += 4;
	size_t n = strcspn(body, "\r\n");
	if (status != 200 || n == 0)
		return 0;
	*found = true;
	if (base64_decode(body, n, out) < 0)
		return err_set(e, ERR_CONFIG, 0, "the user data of this VM are not base64");
	return out->len <= BOOTDATA_MAX ? 0 : err_set(e, ERR_CONFIG, 0, "the user data of this VM are longer than %d bytes", BOOTDATA_MAX);
}

static int read_imds(const char *root, struct buf *out, bool *found, struct err *e)
{
	const char *network = getenv("WHERRY_NETWORK");

	*found = false;
	if (!is_azure(root))
		return 0;
	if (network == NULL)
		return BOOT_NEEDS_NETWORK;
	for (int tries = 0; tries < PATIENCE; tries++) {
		cleanup(buf_fini) struct buf reply = BUF_INIT;
		struct err why = ERR_INIT;

		if (ask(ADDRESS, &reply, &why) == 0 && imds_take(buf_str(&reply), out, found, &why) == 0)
			return 0;
		if (why.kind == ERR_CONFIG) {
			*e = why;
			return -1;
		}
		clock_sleep_ns(PAUSE_NS);
	}
	return 0;
}

const struct boot_source boot_source_imds = {
	.name = "the user data of an Azure VM",
	.read = read_imds,
};
