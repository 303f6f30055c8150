// SPDX-License-Identifier: Apache-2.0
/* `wherry image upload|list|remove`: the workers' images of one cloud or several, in one region or several. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/hex.h"
#include "base/mem.h"
#include "commands.h"
#include "image.h"
#include "json_doc.h"
#include "json_line.h"

/* ---- Which places ---- */

struct tour;
/* What is done in each; p keeps images. 1 with *e: what is asked for is not there, which is an error if it is nowhere. */
typedef int in_place(struct tour *t, struct provider *p, struct err *e);

struct tour {
	struct cmd *c;
	in_place *act;
	uint64_t kept;               /* bytes that places keep of the images that were shown ... */
	unsigned keeping;            /* ... and how many places do */
	const char *name;            /* of the file, for messages */
	VEC(char *) seen;            /* places that were there already: a job's two may be one */
	unsigned places;             /* that keep images */
	struct buf others;           /* those that keep none */
	struct err first;
	bool done;                   /* in a place at least */
	struct err absent;           /* of the last place without it */
};

static void note(struct tour *t, const struct err *e)
{
	if (t->first.kind == ERR_NONE)
		t->first = *e;
	else if (strcmp(t->first.msg, e->msg) != 0)
		log_warn(t->c->log, "%s", e->msg);
}

static bool was_there(struct tour *t, const struct provider *p)
{
	cleanup(cleanup_free) char *key = mem_printf("%s, %s", p->place, p->identity);

	for (size_t i = 0; i < t->seen.len; i++)
		if (strcmp(t->seen.at[i], key) == 0)
			return true;
	*vec_push(&t->seen) = take_ptr(&key);
	return false;
}

static void act(struct tour *t, struct provider *p)
{
	struct err e = ERR_INIT;
	int rc = t->act(t, p, &e);

	t->done |= rc == 0;
	if (rc > 0)
		t->absent = e;
	else if (rc < 0)
		note(t, &e);
}

/* The block with that region in place of its own. */
static char *with_region(yyjson_val *block, const char *key, const char *region)
{
	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *copy = yyjson_val_mut_copy(doc, block);

	if (region != NULL) {
		yyjson_mut_obj_remove_key(copy, key);
		yyjson_mut_obj_add_str(doc, copy, key, region);
	}
	char *text = yyjson_mut_val_write(copy, 0, NULL);
	yyjson_mut_doc_free(doc);
	return text;
}

static void visit(struct tour *t, yyjson_val *block, const char *key, const char *region)
{
	cleanup(cleanup_free) char *text = with_region(block, key, region);
	struct err e = ERR_INIT, why = ERR_INIT;
	struct json_doc *doc = json_parse(text, strlen(text), t->name, &e);

	if (doc == NULL) {
		note(t, &e);
		return;
	}
	struct json_at at = json_root(doc);
	struct provider *p = provider_open(&at, t->c->log, &why);
	if (json_finish(doc, &e) < 0)
		note(t, &e);
	else if (p == NULL)
		note(t, &why);
	else if (!was_there(t, p))
		act(t, p);
	provider_close(p);
	json_free(doc);
}

static void add_other(struct tour *t, const struct provider_ops *ops)
{
	if (t->others.len != 0)
		buf_adds(&t->others, ", ");
	provider_add_boots(ops, &t->others);
}

/* One block: once in each region that is asked for. */
static void visit_block(struct tour *t, yyjson_val *block)
{
	const char *name = yyjson_get_str(yyjson_obj_get(block, "provider"));
	const struct cmd_texts *regions = &t->c->regions;
	const struct provider_ops *ops = NULL;

	for (size_t i = 0; name != NULL && provider_table[i] != NULL; i++)
		if (strcmp(provider_table[i]->name, name) == 0)
			ops = provider_table[i];
	if (ops != NULL && ops->images == NULL) {
		if (strstr(buf_str(&t->others), ops->name) == NULL)
			add_other(t, ops);
		return;
	}
	t->places++;
	/* An unknown provider is visited, too, to be named among the known ones. */
	if (ops == NULL || regions->n == 0)
		visit(t, block, "", NULL);
	for (unsigned i = 0; ops != NULL && i < regions->n && !atomic_load(t->c->cancel); i++)
		visit(t, block, ops->images->region_key, regions->at[i]);
}

/* The only provider that the environment tells all of; NULL with *e: there are several. */
static const char *only_provider(struct err *e)
{
	cleanup(buf_fini) struct buf names = BUF_INIT;
	const char *only = NULL;
	unsigned n = 0;

	for (size_t i = 0; provider_table[i] != NULL; i++) {
		if (provider_table[i]->images == NULL || !provider_table[i]->images->by_environment)
			continue;
		only = provider_table[i]->name;
		buf_addf(&names, "%s%s", n++ != 0 ? ", " : "", only);
	}
	if (n == 1)
		return only;
	err_set(e, ERR_USAGE, 0, "say which cloud: a job file, a file with a provider block, or one of the providers %s", buf_str(&names));
	return NULL;
}

/* The name of a provider, else a file with its block, or with a job. */
static struct json_doc *read_cloud(const char *cloud, struct err *e)
{
	for (size_t i = 0; provider_table[i] != NULL; i++)
		if (strcmp(provider_table[i]->name, cloud) == 0) {
			cleanup(cleanup_free) char *text = mem_printf("{\"provider\":\"%s\"}", cloud);

			return json_parse(text, strlen(text), cloud, e);
		}
	return json_load(cloud, e);
}

/* What is paid for: the quantity, for prices are the cloud's. */
static void show_storage(const struct tour *t)
{
	char size[16];

	if (t->kept != 0 && !t->c->json)
		printf("kept in %u place%s: %s, which is %.3f GiB-months of storage a month\n", t->keeping, t->keeping == 1 ? "" : "s",
		       num_format_size(t->kept, size), (double)t->kept / (double)(UINT64_C(1) << 30));
}

static int go_round(struct cmd *c, in_place *todo, struct err *e)
{
	const char *cloud = c->args[0] != NULL ? c->args[0] : only_provider(e);
	struct tour t = {.c = c, .act = todo, .name = cloud, .first = ERR_INIT, .absent = ERR_INIT};
	struct json_doc *doc = cloud != NULL ? read_cloud(cloud, e) : NULL;

	if (doc == NULL)
		return -1;
	yyjson_val *root = yyjson_doc_get_root(doc->doc), *source = yyjson_obj_get(root, "source"),
		   *target = yyjson_obj_get(root, "target");
	if (source == NULL && target == NULL)
		visit_block(&t, root);
	if (source != NULL)
		visit_block(&t, source);
	if (target != NULL)
		visit_block(&t, target);
	*e = t.first.kind != ERR_NONE || t.done ? t.first : t.absent;
	if (t.places == 0)
		err_set(e, ERR_UNSUPPORTED, 0, "%s: %s: there is no image to keep there",
			cloud, buf_str(&t.others));
	else if (e->kind == ERR_NONE && atomic_load(c->cancel))
		err_set(e, ERR_CANCELED, 0, "interrupted");
	show_storage(&t);
	for (size_t i = 0; i < t.seen.len; i++)
		free(t.seen.at[i]);
	vec_fini(&t.seen);
	buf_fini(&t.others);
	json_free(doc);
	return e->kind == ERR_NONE ? 0 : -1;
}

/* ---- Upload ---- */

struct display {
	uint64_t size;
	const char *name;
	unsigned percent;
};

static void show_progress(void *ctx, uint64_t sent)
{
	struct display *d = ctx;
	unsigned percent = d->size != 0 ? (unsigned)(sent * 100 / d->size) : 0;

	if (percent != d->percent)
		fprintf(stderr, "\r%s: %u %% sent", d->name, percent);
	d->percent = percent;
}

static void show_upload(const struct cmd *c, const struct provider *p, const struct image_upload *u)
{
	const struct cloud_image *i = &u->made.image;
	char size[16];

	if (c->json)
		json_line(stdout, "event:s place:s name:s id:s sent:u use:s bytes:u", "image", p->place, i->name, i->id, u->sent,
			  image_use_name(u->made.use), i->size);
	else
		printf("%s: image %s (%s) %s%s\n", p->place, i->name, i->id, !u->added ? "is there already, nothing was sent" :
		       u->sent == 0 ? "is there now, the cloud had its bytes: nothing was sent" : "is there now, sent ",
		       u->sent != 0 ? num_format_size(u->sent, size) : "");
	if (u->made.use == IMAGE_OLD)
		log_warn(c->log, "%s has a newer image, which workers boot from: to go back to %s, remove that one (`wherry image list`)",
			 p->place, i->name);
	else if (u->made.use != IMAGE_USED)
		log_warn(c->log, "workers of this client do not boot from %s: it is for newer ones", i->name);
}

static int upload(struct tour *t, struct provider *p, struct err *e)
{
	const struct cmd *c = t->c;
	struct image_file f;

	if (image_file_open(c->file != NULL ? c->file : "", p->ops->images->formats, &f, e) < 0)
		return -1;
	struct display d = {.size = f.size, .name = p->place};
	bool terminal = isatty(STDERR_FILENO) && !c->json && !c->quiet;
	struct image_upload u = {.file = &f, .firmware = c->firmware != NULL ? c->firmware : "any", .cancel = c->cancel,
				 .progress = terminal ? show_progress : NULL, .ctx = &d};
	int rc = image_upload(p, &u, e);

	if (d.percent != 0)
		fputs("\r\033[K", stderr);
	if (rc == 0)
		show_upload(c, p, &u);
	t->kept += rc == 0 ? u.made.image.size : 0;
	t->keeping += rc == 0;
	image_file_close(&f);
	return rc;
}

int cmd_image_upload(struct cmd *c, struct err *e)
{
	if (c->firmware != NULL && strcmp(c->firmware, "bios") != 0 && strcmp(c->firmware, "uefi") != 0)
		return err_set(e, ERR_USAGE, 0, "--firmware is bios or uefi, not \"%s\"", c->firmware);
	return go_round(c, upload, e);
}

/* ---- List and removal ---- */

static struct cloud cloud_of(struct cmd *c, struct provider *p)
{
	return (struct cloud){.p = p, .cancel = c->cancel, .log = c->log};
}

static int list(struct tour *t, struct provider *p, struct err *e)
{
	struct cmd *c = t->c;
	struct cloud cloud = cloud_of(c, p);
	struct image_list l;
	char size[16];

	if (image_list(&cloud, &l, e) < 0)
		return -1;
	if (!c->json)
		printf("%s%s\n", p->place, l.list.len != 0 ? ":" : ": no worker images; `wherry image upload` puts one there");
	for (size_t i = 0; i < l.list.len; i++) {
		const struct image_entry *it = &l.list.at[i];

		t->kept += it->image.size;
		t->keeping += i == 0;
		if (c->json)
			json_line(stdout, "event:s place:s name:s id:s use:s state:s version:s wire:u firmware:s bytes:u made:s sha256:s",
				  "image", p->place, it->image.name, it->image.id, image_use_name(it->use), it->image.word,
				  it->version, (uint64_t)it->wire, it->firmware, it->image.size, it->image.made, it->sha256);
		else
			printf("  %-32s  %-10s  %-8s  wherry/%u  %-4s  %-9s  %s  (id %s)\n", it->image.name, image_use_name(it->use),
			       it->version, it->wire, it->firmware, num_format_size(it->image.size, size), it->image.made,
			       it->image.id);
	}
	image_list_fini(&l);
	return 0;
}

int cmd_image_list(struct cmd *c, struct err *e)
{
	return go_round(c, list, e);
}

static int take_away(struct tour *t, struct provider *p, struct err *e)
{
	struct cmd *c = t->c;
	struct cloud cloud = cloud_of(c, p);
	unsigned removed = 0;
	int rc = image_remove(&cloud, c->args[1], &removed, e);

	if (rc < 0 && e->kind == ERR_NOT_FOUND)
		return 1;
	if (c->json)
		json_line(stdout, "event:s place:s removed:u", "images-removed", p->place, (uint64_t)removed);
	else if (rc == 0 || removed != 0)
		printf("%s: %u worker image%s removed\n", p->place, removed, removed == 1 ? "" : "s");
	return rc;
}

int cmd_image_remove(struct cmd *c, struct err *e)
{
	if (c->old == (c->args[1] != NULL))
		return err_set(e, ERR_USAGE, 0, "say which image goes: its name or id (`wherry image list` shows them), or --old");
	return go_round(c, take_away, e);
}
