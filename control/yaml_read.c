// SPDX-License-Identifier: Apache-2.0
#include "yaml_read.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/cleanup.h"
#include "base/mem.h"

struct yaml_file {
	yaml_document_t doc;
};

static int parse(FILE *in, const char *path, yaml_document_t *doc, struct err *e)
{
	yaml_parser_t parser;
	int rc = 0;

	if (!yaml_parser_initialize(&parser))
		return err_set(e, ERR_INTERNAL, 0, "the YAML parser cannot be set up");
	yaml_parser_set_input_file(&parser, in);
	if (!yaml_parser_load(&parser, doc))
		rc = err_set(e, ERR_CONFIG, 0, "%s:%zu: this is not YAML (%s): correct it there", path,
			     parser.problem_mark.line + 1, parser.problem != NULL ? parser.problem : "it cannot be read");
	yaml_parser_delete(&parser);
	return rc;
}

struct yaml_file *yaml_open(const char *path, struct err *e)
{
	cleanup(cleanup_file) FILE *in = fopen(path, "re");
	struct yaml_file *f;

	if (in == NULL) {
		err_set(e, err_kind_of_errno(errno), errno, "cannot open %s", path);
		return NULL;
	}
	f = mem_alloc(sizeof *f);
	if (parse(in, path, &f->doc, e) < 0) {
		free(f);
		return NULL;
	}
	return f;
}

void yaml_close(struct yaml_file *f)
{
	if (f != NULL)
		yaml_document_delete(&f->doc);
	free(f);
}

static const yaml_node_t *child(yaml_document_t *doc, const yaml_node_t *map, const char *key)
{
	if (map->type != YAML_MAPPING_NODE)
		return NULL;
	for (const yaml_node_pair_t *p = map->data.mapping.pairs.start; p < map->data.mapping.pairs.top; p++) {
		const yaml_node_t *k = yaml_document_get_node(doc, p->key);

		if (k != NULL && k->type == YAML_SCALAR_NODE && strcmp((const char *)k->data.scalar.value, key) == 0)
			return yaml_document_get_node(doc, p->value);
	}
	return NULL;
}

static const yaml_node_t *walk(struct yaml_file *f, const char *const keys[])
{
	const yaml_node_t *at = yaml_document_get_root_node(&f->doc);

	for (; at != NULL && *keys != NULL; keys++)
		at = child(&f->doc, at, *keys);
	return at;
}

const char *yaml_text(struct yaml_file *f, const char *const keys[])
{
	const yaml_node_t *at = walk(f, keys);

	return at != NULL && at->type == YAML_SCALAR_NODE ? (const char *)at->data.scalar.value : NULL;
}

bool yaml_mapping(struct yaml_file *f, const char *const keys[], struct buf *names)
{
	const yaml_node_t *at = walk(f, keys);

	if (at == NULL || at->type != YAML_MAPPING_NODE)
		return false;
	for (const yaml_node_pair_t *p = at->data.mapping.pairs.start; names != NULL && p < at->data.mapping.pairs.top; p++) {
		const yaml_node_t *k = yaml_document_get_node(&f->doc, p->key);

		if (k != NULL && k->type == YAML_SCALAR_NODE)
			buf_addf(names, "%s\"%s\"", names->len == 0 ? "" : ", ", (const char *)k->data.scalar.value);
	}
	return true;
}
