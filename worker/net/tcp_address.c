// SPDX-License-Identifier: Apache-2.0
#include "net/tcp_address.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int wrong(const char *text, struct err *e)
{
	return err_set(e, ERR_CONFIG, 0,
		"'%.80s' is not a TCP address: expected host:port or [IPv6 address]:port with "
		"a port from 0 to 65535",
		text);
}

static int parse_port(const char *at, char port[6])
{
	size_t len = strlen(at);

	if (len == 0 || len > 5 || strspn(at, "0123456789") != len || strtoul(at, NULL, 10) > 65535)
		return -1;
	memcpy(port, at, len + 1);
	return 0;
}

int tcp_address_parse(const char *text, struct tcp_address *out, struct err *e)
{
	const char *colon = strrchr(text, ':'), *host = text;

	if (colon == NULL || parse_port(colon + 1, out->port) < 0)
		return wrong(text, e);
	size_t len = (size_t)(colon - text);
	if (len >= 2 && host[0] == '[' && host[len - 1] == ']') {
		host++;
		len -= 2;
		if (len == 0)
			return wrong(text, e);
	} else if (memchr(host, ':', len) != NULL) {
		return wrong(text, e);
	}
	if (len >= sizeof out->host || strcspn(host, "[] \t\r\n") < len)
		return wrong(text, e);
	memcpy(out->host, host, len);
	out->host[len] = '\0';
	return 0;
}

struct addrinfo *tcp_address_resolve(const struct tcp_address *a, int flags, struct err *e)
{
	struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = flags};
	struct addrinfo *list = NULL;
	int rc = getaddrinfo(a->host[0] != '\0' ? a->host : NULL, a->port, &hints, &list);

	if (rc == 0 && list != NULL)
		return list;
	err_set(e, ERR_NETWORK, rc == EAI_SYSTEM ? errno : 0,
		"the name '%.100s' has no address (%s): check its spelling, or the DNS of this machine",
		a->host, rc == 0 ? "empty answer" : gai_strerror(rc));
	return NULL;
}

char *tcp_address_format(const struct sockaddr *sa, socklen_t len, char out[TCP_ADDRESS_TEXT])
{
	char host[TCP_ADDRESS_TEXT - 9], port[6];

	if (getnameinfo(sa, len, host, sizeof host, port, sizeof port, NI_NUMERICHOST | NI_NUMERICSERV) != 0)
		snprintf(out, TCP_ADDRESS_TEXT, "the peer");
	else
		snprintf(out, TCP_ADDRESS_TEXT, strchr(host, ':') != NULL ? "[%s]:%s" : "%s:%s", host, port);
	return out;
}
