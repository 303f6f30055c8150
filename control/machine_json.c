// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <string.h>
#include <yyjson.h>

#include "base/hex.h"
#include "json_read.h"
#include "replica.h"

static const char *const firmware_names[] = {[FIRMWARE_BIOS] = "bios", [FIRMWARE_UEFI] = "uefi", NULL};

static void add_disks(yyjson_mut_doc *doc, yyjson_mut_val *to, const struct machine *m)
{
	for (size_t i = 0; i < m->disks.len; i++) {
		const struct machine_disk *d = &m->disks.at[i];
		yyjson_mut_val *v = yyjson_mut_arr_add_obj(doc, to);

		yyjson_mut_obj_add_str(doc, v, "id", d->id);
		yyjson_mut_obj_add_str(doc, v, "name", d->name);
		yyjson_mut_obj_add_uint(doc, v, "size", d->size);
		yyjson_mut_obj_add_uint(doc, v, "logical_sector", d->logical_sector);
		yyjson_mut_obj_add_bool(doc, v, "boot", d->boot);
	}
}

/* Flash is mostly erased, which is all ones: only blocks that hold something are kept. */
#define NVRAM_BLOCK 4096
#define NVRAM_MAX   (64 << 20)

static bool is_erased(const char *p, size_t n)
{
	return (unsigned char)p[0] == 0xff && memcmp(p, p + 1, n - 1) == 0;
}

static void add_nvram(yyjson_mut_doc *doc, yyjson_mut_val *root, const struct buf *nvram)
{
	char hex[2 * NVRAM_BLOCK + 1];

	if (nvram->len == 0)
		return;
	yyjson_mut_val *to = yyjson_mut_obj_add_obj(doc, root, "nvram");
	yyjson_mut_obj_add_uint(doc, to, "size", nvram->len);
	yyjson_mut_val *blocks = yyjson_mut_obj_add_arr(doc, to, "blocks");
	for (size_t at = 0; at < nvram->len; at += NVRAM_BLOCK) {
		size_t n = nvram->len - at < NVRAM_BLOCK ? nvram->len - at : NVRAM_BLOCK;

		if (is_erased(nvram->data + at, n))
			continue;
		yyjson_mut_val *v = yyjson_mut_arr_add_obj(doc, blocks);

		yyjson_mut_obj_add_uint(doc, v, "at", at);
		yyjson_mut_obj_add_strcpy(doc, v, "hex", hex_encode(nvram->data + at, n, hex));
	}
}

char *machine_to_json(const struct machine *m)
{
	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *root = yyjson_mut_obj(doc);

	yyjson_mut_doc_set_root(doc, root);
	yyjson_mut_obj_add_str(doc, root, "id", m->id);
	yyjson_mut_obj_add_str(doc, root, "name", m->name);
	yyjson_mut_obj_add_str(doc, root, "firmware", firmware_names[m->firmware]);
	yyjson_mut_obj_add_uint(doc, root, "vcpus", m->vcpus);
	yyjson_mut_obj_add_uint(doc, root, "memory_mib", m->memory_mib);
	add_disks(doc, yyjson_mut_obj_add_arr(doc, root, "disks"), m);
	add_nvram(doc, root, &m->nvram);
	yyjson_mut_val *nics = yyjson_mut_obj_add_arr(doc, root, "nics");
	for (size_t i = 0; i < m->nics.len; i++) {
		yyjson_mut_val *v = yyjson_mut_arr_add_obj(doc, nics);

		yyjson_mut_obj_add_str(doc, v, "mac", m->nics.at[i].mac);
		yyjson_mut_obj_add_str(doc, v, "network", m->nics.at[i].network);
		yyjson_mut_obj_add_str(doc, v, "model", m->nics.at[i].model);
	}
	char *text = yyjson_mut_write(doc, 0, NULL);
	yyjson_mut_doc_free(doc);
	return text;
}

static void read_disk(struct json_at *at, struct machine_disk *d)
{
	snprintf(d->id, sizeof d->id, "%s", json_string(at, "id", JSON_REQUIRED, ""));
	snprintf(d->name, sizeof d->name, "%s", json_string(at, "name", JSON_REQUIRED, ""));
	d->size = json_number(at, "size", JSON_REQUIRED, 1, UINT64_MAX, 0);
	d->logical_sector = (uint32_t)json_number(at, "logical_sector", JSON_REQUIRED, 512, 4096, 512);
	d->boot = json_bool(at, "boot", JSON_OPTIONAL, false);
}

static void read_nvram(struct json_at *root, struct buf *nvram)
{
	struct json_at from = json_object(root, "nvram", JSON_OPTIONAL), list;
	size_t size = (size_t)json_number(&from, "size", JSON_REQUIRED, 1, NVRAM_MAX, 0);
	size_t n = json_array(&from, "blocks", JSON_REQUIRED, &list);

	if (size == 0)
		return;
	memset(buf_reserve(nvram, size), 0xff, size);
	nvram->len = size;
	nvram->data[size] = '\0';
	for (size_t i = 0; i < n; i++) {
		struct json_at v = json_element(&list, i);
		size_t at = (size_t)json_number(&v, "at", JSON_REQUIRED, 0, size - 1, 0);
		const char *hex = json_string(&v, "hex", JSON_REQUIRED, "");
		size_t len = strlen(hex) / 2;

		if (len > size - at || hex_decode(hex, nvram->data + at, len) < 0)
			json_complain(&v, "hex", "expected at most %zu bytes in hexadecimal", size - at);
	}
}

int machine_from_json(const char *json, struct machine *m, struct err *e)
{
	struct json_doc *doc = json_parse(json, strlen(json), "machine description in the journal", e);
	struct json_at list;

	*m = (struct machine){0};
	if (doc == NULL)
		return -1;
	struct json_at root = json_root(doc);
	snprintf(m->id, sizeof m->id, "%s", json_string(&root, "id", JSON_REQUIRED, ""));
	snprintf(m->name, sizeof m->name, "%s", json_string(&root, "name", JSON_REQUIRED, ""));
	m->firmware = (enum firmware)json_choice(&root, "firmware", JSON_REQUIRED, firmware_names, FIRMWARE_BIOS);
	m->vcpus = (unsigned)json_number(&root, "vcpus", JSON_REQUIRED, 1, 4096, 1);
	m->memory_mib = json_number(&root, "memory_mib", JSON_REQUIRED, 1, UINT32_MAX, 1);
	read_nvram(&root, &m->nvram);
	size_t n = json_array(&root, "disks", JSON_REQUIRED, &list);
	for (size_t i = 0; i < n; i++) {
		struct json_at at = json_element(&list, i);

		read_disk(&at, vec_push(&m->disks));
	}
	n = json_array(&root, "nics", JSON_OPTIONAL, &list);
	for (size_t i = 0; i < n; i++) {
		struct json_at at = json_element(&list, i);
		struct machine_nic *nic = vec_push(&m->nics);

		snprintf(nic->mac, sizeof nic->mac, "%s", json_string(&at, "mac", JSON_OPTIONAL, ""));
		snprintf(nic->network, sizeof nic->network, "%s", json_string(&at, "network", JSON_OPTIONAL, ""));
		snprintf(nic->model, sizeof nic->model, "%s", json_string(&at, "model", JSON_OPTIONAL, ""));
	}
	int rc = json_finish(doc, e);
	json_free(doc);
	if (rc < 0)
		machine_fini(m);
	return rc;
}
