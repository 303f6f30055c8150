// SPDX-License-Identifier: Apache-2.0
#include "image.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "net/wire.h"

#define PATIENCE_NS (120 * NS_PER_S)
#define HOUR_NS     (3600 * NS_PER_S)
#define LOOK_NS     (500 * NS_PER_MS)

static const char *const uses[] = {
	[IMAGE_USED] = "used", [IMAGE_OLD] = "old", [IMAGE_NEWER] = "newer", [IMAGE_UNFINISHED] = "unfinished",
	[IMAGE_BROKEN] = "broken",
};

const char *image_use_name(enum image_use u)
{
	return uses[u];
}

/* ---- What there is ---- */

static void write_about(const struct image_entry *i, char out[256])
{
	snprintf(out, 256, "wherry1 v=%s w=%u s=%s f=%s n=%" PRIu64, i->version, i->wire, i->sha256, i->firmware, i->bytes);
}

static void take(const struct cloud_images *all, struct image_list *out)
{
	for (size_t k = 0; k < all->list.len; k++) {
		struct image_entry i = {.image = all->list.at[k]};

		if (sscanf(i.image.about, "wherry1 v=%31s w=%u s=%64s f=%7s n=%" SCNu64, i.version, &i.wire, i.sha256, i.firmware,
			   &i.bytes) == 5)
			*vec_push(&out->list) = i;
	}
}

static int newest_first(const void *a, const void *b)
{
	const struct image_entry *x = a, *y = b;
	int made = strcmp(y->image.made, x->image.made);

	return made != 0 ? made : strcmp(x->image.id, y->image.id);
}

static void judge(struct image_list *l)
{
	bool used = false;

	for (size_t k = 0; k < l->list.len; k++) {
		struct image_entry *i = &l->list.at[k];

		bool whole = i->image.state == RES_READY && i->image.size == i->bytes;

		i->use = i->image.state == RES_PENDING ? IMAGE_UNFINISHED : !whole ? IMAGE_BROKEN
			 : i->wire > WIRE_VERSION ? IMAGE_NEWER : i->wire < WIRE_VERSION || used ? IMAGE_OLD : IMAGE_USED;
		used |= i->use == IMAGE_USED;
	}
}

int image_list(struct provider *p, struct image_list *out, struct err *e)
{
	struct cloud_images all = {{0}};

	*out = (struct image_list){0};
	if (p->ops->images == NULL)
		return err_set(e, ERR_UNSUPPORTED, 0, "%s keeps no worker images: its workers boot from files of this host", p->place);
	int rc = p->ops->images->list(p, &all, e);
	if (rc == 0)
		take(&all, out);
	vec_fini(&all.list);
	if (out->list.len > 0)
		qsort(out->list.at, out->list.len, sizeof out->list.at[0], newest_first);
	judge(out);
	return rc;
}

void image_list_fini(struct image_list *l)
{
	vec_fini(&l->list);
}

int image_choose(struct provider *p, char id[RES_ID_SIZE], struct err *e)
{
	const char *best = NULL;
	struct image_list l;

	if (image_list(p, &l, e) < 0)
		return -1;
	for (size_t k = 0; k < l.list.len && best == NULL; k++)
		if (l.list.at[k].use == IMAGE_USED)
			best = l.list.at[k].image.id;
	if (best != NULL)
		snprintf(id, RES_ID_SIZE, "%s", best);
	else
		err_set(e, ERR_NOT_FOUND, 0, "%s has no worker image that speaks wherry/%d, as this client does%s: run `wherry image upload` "
			"with this job file, or name one by \"image\"", p->place, WIRE_VERSION,
			l.list.len != 0 ? " (`wherry image list` shows those it has)" : "");
	image_list_fini(&l);
	return best != NULL ? 0 : -1;
}

/* ---- Upload ---- */

static int canceled(const struct image_upload *u, struct err *e)
{
	return u->cancel != NULL && atomic_load(u->cancel) ? err_set(e, ERR_CANCELED, 0, "interrupted") : 0;
}

/* The same bytes for the same firmware; one that is ready before one that is not. */
static bool find_same(const struct image_list *l, struct image_entry *want)
{
	const struct image_entry *same = NULL;

	for (size_t k = 0; k < l->list.len; k++) {
		const struct image_entry *i = &l->list.at[k];

		if (strcmp(i->sha256, want->sha256) != 0 || strcmp(i->firmware, want->firmware) != 0 || i->use == IMAGE_BROKEN)
			continue;
		if (same == NULL || i->use != IMAGE_UNFINISHED)
			same = i;
		if (i->use != IMAGE_UNFINISHED)
			break;
	}
	if (same != NULL)
		*want = *same;
	return same != NULL;
}

static int on_sent(void *ctx, uint64_t bytes)
{
	const struct image_upload *u = ctx;
	struct err ignored = ERR_INIT;

	if (u->progress != NULL)
		u->progress(u->ctx, bytes);
	return canceled(u, &ignored);
}

/* The cloud's own list says that all of it arrived and is ready; *made becomes what it says. */
static int await(struct provider *p, struct image_upload *u, struct err *e)
{
	int64_t end = clock_mono_ns() + (u->patience_ns != 0 ? u->patience_ns : PATIENCE_NS);
	char id[RES_ID_SIZE];

	snprintf(id, sizeof id, "%s", u->made.image.id);
	for (;; clock_sleep_ns(LOOK_NS)) {
		struct image_list l;

		if (image_list(p, &l, e) < 0)
			return -1;
		for (size_t k = 0; k < l.list.len; k++)
			if (strcmp(l.list.at[k].image.id, id) == 0)
				u->made = l.list.at[k];
		image_list_fini(&l);
		const struct cloud_image *i = &u->made.image;
		if (i->state == RES_FAILED || (i->state == RES_READY && i->size != u->file->size))
			return err_set(e, ERR_CORRUPT, 0, "%s made of image %s (%s) one of %llu bytes that it calls \"%s\" instead of %llu bytes: "
				       "try again", p->place, i->name, i->id, (unsigned long long)i->size, i->word,
				       (unsigned long long)u->file->size);
		if (i->state == RES_READY)
			return 0;
		if (canceled(u, e) < 0)
			return -1;
		if (clock_mono_ns() > end)
			return err_set(e, ERR_TIMEOUT, 0, "image %s (%s) was sent, and %s still calls it \"%s\": find out there what holds it "
				       "up", i->name, i->id, p->place, i->word);
	}
}

/* ours: made or filled by this call; else it may be another upload's, and BUSY says that it is by now. */
static void take_back(struct provider *p, const struct cloud_image *image, bool ours, struct err *e)
{
	struct err why = ERR_INIT;

	if (e->kind == ERR_BUSY)
		return;
	if (!ours || p->ops->images->remove(p, image, &why) < 0)
		err_wrap(e, "image %s (%s) is unfinished and stays in %s until the next upload goes on with it, or `wherry image remove` "
			 "takes it away", image->name, image->id, p->place);
}

int image_upload(struct provider *p, struct image_upload *u, struct err *e)
{
	const struct image_file *f = u->file;
	struct image_bytes bytes = {.fd = f->fd, .size = f->size, .format = f->format, .firmware = u->firmware, .sent = on_sent,
				    .ctx = u};
	struct image_entry *made = &u->made;
	struct image_list there;

	*made = (struct image_entry){.wire = f->wire, .bytes = f->size};
	snprintf(made->version, sizeof made->version, "%s", f->version);
	snprintf(made->sha256, sizeof made->sha256, "%s", f->sha256);
	snprintf(made->firmware, sizeof made->firmware, "%s", u->firmware);
	snprintf(made->image.name, sizeof made->image.name, "wherry-%s-%.8s%s%s", f->version, f->sha256,
		 strcmp(u->firmware, "any") == 0 ? "" : "-", strcmp(u->firmware, "any") == 0 ? "" : u->firmware);
	write_about(made, made->image.about);
	if (image_list(p, &there, e) < 0)
		return -1;
	bool same = find_same(&there, made);
	image_list_fini(&there);
	u->sent = !same || made->use == IMAGE_UNFINISHED;
	if (!u->sent)
		return 0;
	if (canceled(u, e) < 0 || (!same && p->ops->images->create(p, &bytes, &made->image, e) < 0))
		return -1;
	int rc = p->ops->images->send(p, &made->image, &bytes, e);
	bool filled = rc == 0;

	if (rc == 0)
		rc = image_file_same(f, e);
	if (rc == 0)
		rc = await(p, u, e);
	if (rc == 0)
		return 0;
	take_back(p, &made->image, !same || filled, e);
	return -1;
}

/* ---- Removal ---- */

/* What began an hour ago and is not there is not being sent any more. */
static bool is_leftover(const struct provider *p, const struct image_entry *i)
{
	char then[24];

	clock_format(clock_wall_ns() + p->ahead_ns - HOUR_NS, then);
	return i->use == IMAGE_OLD || i->use == IMAGE_BROKEN ||
	       (i->use == IMAGE_UNFINISHED && strcmp(i->image.made, then) < 0);
}

int image_remove(struct provider *p, const char *name, unsigned *removed, struct err *e)
{
	struct image_list l;
	bool hit = false;
	int rc = image_list(p, &l, e);

	for (size_t k = 0; rc == 0 && k < l.list.len; k++) {
		const struct image_entry *i = &l.list.at[k];

		if (name != NULL ? strcmp(i->image.name, name) != 0 && strcmp(i->image.id, name) != 0
				 : !is_leftover(p, i))
			continue;
		hit = true;
		rc = p->ops->images->remove(p, &i->image, e);
		*removed += rc == 0;
	}
	if (rc == 0 && name != NULL && !hit)
		rc = err_set(e, ERR_NOT_FOUND, 0, "%s has no worker image \"%s\": `wherry image list` shows those it has", p->place, name);
	image_list_fini(&l);
	return rc;
}
