// SPDX-License-Identifier: Apache-2.0
#include "resolv.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "say.h"
#include "sysfile.h"

enum { PART_MAX = 1024, WHOLE_MAX = 8192, DOMAIN_MAX = 253 };

static const char parts[] = "/run/resolv";
static const char whole[] = "/run/resolv.conf";

static bool is_address(const char *text)
{
	struct in6_addr any;

	return inet_pton(AF_INET, text, &any) == 1 || inet_pton(AF_INET6, text, &any) == 1;
}

static bool is_domain(const char *text)
{
	size_t length = strlen(text);

	for (const char *c = text; *c; c++)
		if (!isalnum((unsigned char)*c) && *c != '.' && *c != '-')
			return false;
	return length > 0 && length <= DOMAIN_MAX;
}

static void write_part(const char *source, const char *servers, const char *domain)
{
	char text[PART_MAX];
	char list[PART_MAX];
	char path[PATH_MAX];
	char *rest;
	size_t used = 0;

	if (is_domain(domain))
		used = (size_t)snprintf(text, sizeof text, "search %s\n", domain);
	snprintf(list, sizeof list, "%s", servers);
	for (char *one = strtok_r(list, " ", &rest); one; one = strtok_r(NULL, " ", &rest))
		if (is_address(one) && used + strlen(one) + 16 < sizeof text)
			used += (size_t)sprintf(text + used, "nameserver %s\n", one);
	snprintf(path, sizeof path, "%s/%s", parts, source);
	if (sysfile_create(path, text, used, 0644) < 0)
		say("%s cannot be written: %s.", path, strerror(errno));
}

void resolv_add(const char *source, const char *servers, const char *domain)
{
	char text[WHOLE_MAX];
	char path[PATH_MAX];
	size_t used = 0;

	mkdir(parts, 0755);
	write_part(source, servers, domain);
	DIR *dir = opendir(parts);
	if (!dir)
		return;
	for (struct dirent *entry; (entry = readdir(dir));) {
		if (entry->d_name[0] == '.' || strstr(entry->d_name, ".new"))
			continue;
		snprintf(path, sizeof path, "%s/%s", parts, entry->d_name);
		ssize_t n = sysfile_read(path, text + used, sizeof text - used);
		if (n > 0)
			used += (size_t)n;
	}
	closedir(dir);
	if (sysfile_create(whole, text, used, 0644) < 0)
		say("%s cannot be written: %s.", whole, strerror(errno));
}
