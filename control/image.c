// SPDX-License-Identifier: Apache-2.0
#include "image.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "cloud_try.h"
#include "net/wire.h"

#define HOUR_NS     (3600 * NS_PER_S)
#define LOOK_NS     (500 * NS_PER_MS)
#define LOOK_MAX_NS (8 * NS_PER_S)

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

static int ask_list(struct provider *p, struct image_list *out, struct err *e)
{
	struct cloud_images all = {{0}};

	*out = (struct image_list){0};
	if (p->ops->images == NULL) {
		cleanup(buf_fini) struct buf why = BUF_INIT;

		provider_add_boots(p->ops, &why);
		return err_set(e, ERR_UNSUPPORTED, 0, "%s keeps no worker images: %s", p->place, buf_str(&why));
	}
	int rc = p->ops->images->list(p, &all, e);
	if (rc == 0)
		take(&all, out);
	vec_fini(&all.list);
	if (out->list.len > 0)
		qsort(out->list.at, out->list.len, sizeof out->list.at[0], newest_first);
	judge(out);
	return rc;
}

int image_list(struct cloud *c, struct image_list *out, struct err *e)
{
	struct backoff b = cloud_backoff(c);

	while (ask_list(c->p, out, e) < 0) {
		image_list_fini(out);
		if (!err_is_retryable(e) || !cloud_again(c, &b, e))
			return -1;
	}
	return 0;
}

void image_list_fini(struct image_list *l)
{
	vec_fini(&l->list);
}

int image_choose(struct provider *p, char id[RES_ID_SIZE], struct err *e)
{
	const char *best = NULL;
	struct image_list l;

	if (ask_list(p, &l, e) < 0)
		return -1;
	for (size_t k = 0; k < l.list.len && best == NULL; k++)
		if (l.list.at[k].use == IMAGE_USED)
			best = l.list.at[k].image.id;
	if (best != NULL)
		snprintf(id, RES_ID_SIZE, "%s", best);
	else
		err_set(e, ERR_NOT_FOUND, 0, "%s has no worker image that speaks wherry/%d, as this client does%s: run `wherry image upload` "
			"with this job file, or name one by \"%s\"", p->place, WIRE_VERSION,
			l.list.len != 0 ? " (`wherry image list` shows those it has)" : "", p->ops->images->image_key);
	image_list_fini(&l);
	return best != NULL ? 0 : -1;
}

/* ---- Upload ---- */

/* One that is under way. */
struct sending {
	struct cloud c;           /* whose patience it has */
	struct image_upload *u;
	struct image_bytes bytes;
	bool ours;                /* this call made the image, or filled it */
	bool cut, filled;         /* the bytes: a try of this call ended in the middle; one came to its end */
};

/* By the cloud's own account of what it holds. */
static bool is_other(const struct cloud_image *i, const struct image_file *f)
{
	return i->state == RES_READY && (i->size != f->size || (i->sha512[0] != '\0' && strcmp(i->sha512, f->sha512) != 0));
}

/* The same bytes for the same firmware; one that is ready before the one this call made before any other. */
static bool find_same(const struct image_list *l, const struct image_file *f, struct image_entry *want)
{
	const struct image_entry *same = NULL;

	for (size_t k = 0; k < l->list.len; k++) {
		const struct image_entry *i = &l->list.at[k];

		if (strcmp(i->sha256, want->sha256) != 0 || strcmp(i->firmware, want->firmware) != 0 || i->use == IMAGE_BROKEN ||
		    is_other(&i->image, f))
			continue;
		if (same == NULL || i->use != IMAGE_UNFINISHED || strcasecmp(i->image.id, want->image.id) == 0)
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

	if (u->progress != NULL)
		u->progress(u->ctx, bytes);
	return u->cancel != NULL && atomic_load(u->cancel);
}

/* Looks first, so that it may be called again whatever became of the call before. */
static int try_once(struct sending *s, struct err *e)
{
	struct provider *p = s->c.p;
	struct image_entry *made = &s->u->made;
	struct image_list there;

	if (ask_list(p, &there, e) < 0)
		return -1;
	bool same = find_same(&there, s->u->file, made);
	image_list_fini(&there);
	if (same && made->use != IMAGE_UNFINISHED)
		return 0;
	if (cloud_canceled(&s->c, e) || (!same && p->ops->images->create(p, &s->bytes, &made->image, e) < 0))
		return -1;
	s->ours |= !same;
	s->u->added = true;
	s->u->sent = 0;
	s->filled = p->ops->images->send(p, &made->image, &s->bytes, &s->u->sent, e) == 0;
	s->ours |= s->filled && s->u->sent > 0;
	s->cut |= err_is_retryable(e);
	return s->filled ? 0 : -1;
}

/* Until it is there. BUSY after a try that was cut may be the cloud still at that one. */
static int keep_trying(struct sending *s, struct err *e)
{
	struct backoff b = {0};

	while (try_once(s, e) < 0) {
		if (b.tries == 0)
			b = cloud_backoff(&s->c);
		if ((!err_is_retryable(e) && !(e->kind == ERR_BUSY && s->cut)) || !cloud_again(&s->c, &b, e))
			return -1;
		*e = (struct err)ERR_INIT;
	}
	return 0;
}

/* What the cloud's own list says of the image by now. */
static int look(struct sending *s, struct err *e)
{
	struct image_entry *made = &s->u->made;
	struct image_list l;

	if (ask_list(s->c.p, &l, e) < 0)
		return -1;
	for (size_t k = 0; k < l.list.len; k++)
		if (strcasecmp(l.list.at[k].image.id, made->image.id) == 0) { /* some clouds spell parts of an id anew */
			*made = l.list.at[k];
			break;
		}
	image_list_fini(&l);
	return 0;
}

/* All of it arrived and is ready. */
static int await(struct sending *s, struct err *e)
{
	const struct cloud_image *i = &s->u->made.image;
	const struct image_file *f = s->u->file;
	struct backoff b = cloud_backoff(&s->c);
	uint32_t ready_s = s->c.p->ops->images->ready_s;

	if (s->u->patience_ns == 0 && ready_s != 0)
		b.deadline = clock_mono_ns() + ready_s * NS_PER_S;
	for (int64_t pause = LOOK_NS;; pause = pause < LOOK_MAX_NS ? pause * 2 : pause) {
		if (look(s, e) < 0) {
			if (!err_is_retryable(e) || !cloud_again(&s->c, &b, e))
				return -1;
			*e = (struct err)ERR_INIT;
			continue;
		}
		if (i->state == RES_FAILED || is_other(i, f))
			return err_set(e, ERR_CORRUPT, 0, "%s made of image %s (%s) one of %" PRIu64 " bytes that it calls \"%s\" instead of %"
				       PRIu64 " bytes%s: try again", s->c.p->place, i->name, i->id, i->size, i->word, f->size,
				       is_other(i, f) && i->size == f->size ? ", and with another SHA-512" : "");
		if (i->state == RES_READY)
			return 0;
		if (clock_mono_ns() > b.deadline)
			return err_set(e, ERR_TIMEOUT, 0, "image %s (%s) was sent, and %s still calls it \"%s\": find out there what holds it "
				       "up", i->name, i->id, s->c.p->place, i->word);
		if (pause == 4 * LOOK_NS && ready_s != 0)
			log_info(s->c.log, "%s calls image %s \"%s\", which may take some minutes", s->c.p->place, i->name, i->word);
		if (!cloud_nap(&s->c, pause, e))
			return -1;
	}
}

/* The image is there, whatever becomes of what its upload needed. */
static int tidy(struct sending *s, struct err *e)
{
	const struct cloud_image *i = &s->u->made.image;
	const struct image_ops *ops = s->c.p->ops->images;
	struct backoff b = cloud_backoff(&s->c);

	while (ops->finish != NULL && ops->finish(s->c.p, i, e) < 0) {
		if ((!err_is_retryable(e) && e->kind != ERR_BUSY) || !cloud_again(&s->c, &b, e))
			return err_wrap(e, "image %s is ready in %s, and what its upload needed stays there until the next upload", i->name,
					s->c.p->place);
		*e = (struct err)ERR_INIT;
	}
	return 0;
}

/* What became of the image of an upload that failed. What was there may be another upload's, and BUSY says that it is by
 * now; what was sent and cannot be looked at is most likely whole. */
static void end_failed(const struct sending *s, struct err *e)
{
	const struct cloud_image *i = &s->u->made.image;
	struct provider *p = s->c.p;
	struct err why = ERR_INIT;

	if (e->kind == ERR_CANCELED)
		err_set(e, ERR_CANCELED, 0, "interrupted");
	if (i->id[0] == '\0')
		return;
	if (e->kind == ERR_BUSY)
		err_wrap(e, "another upload sends image %s: wait for it; if there is none any more, `wherry image remove` with its id %s takes "
			 "it away", i->name, i->id);
	else if (s->filled && err_is_retryable(e))
		err_wrap(e, "image %s (%s) was sent and stays in %s, where `wherry image list` shows it", i->name, i->id, p->place);
	else if (!s->ours || p->ops->images->remove(p, i, &why) < 0)
		err_wrap(e, "image %s (%s) is unfinished and stays in %s until the next upload goes on with it, or `wherry image remove` "
			 "takes it away", i->name, i->id, p->place);
}

/* What the image has to be. */
static void describe(struct image_upload *u)
{
	const struct image_file *f = u->file;
	struct image_entry *made = &u->made;

	*made = (struct image_entry){.wire = f->wire, .bytes = f->size};
	snprintf(made->version, sizeof made->version, "%s", f->version);
	snprintf(made->sha256, sizeof made->sha256, "%s", f->sha256);
	snprintf(made->firmware, sizeof made->firmware, "%s", u->firmware);
	snprintf(made->image.name, sizeof made->image.name, "wherry-%s-%.8s%s%s", f->version, f->sha256,
		 strcmp(u->firmware, "any") == 0 ? "" : "-", strcmp(u->firmware, "any") == 0 ? "" : u->firmware);
	write_about(made, made->image.about);
}

int image_upload(struct provider *p, struct image_upload *u, struct err *e)
{
	const struct image_file *f = u->file;
	struct sending s = {
		.c = {.p = p, .cancel = u->cancel, .log = p->log, .patience_ns = u->patience_ns},
		.u = u,
		.bytes = {.fd = f->fd, .size = f->size, .format = f->format, .firmware = u->firmware, .sent = on_sent, .ctx = u},
	};

	describe(u);
	u->added = false;
	u->sent = 0;
	if (keep_trying(&s, e) == 0 && (!u->added || (image_file_same(f, e) == 0 && await(&s, e) == 0)))
		return tidy(&s, e);
	end_failed(&s, e);
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

static int take_away(struct cloud *c, const struct image_entry *i, unsigned *removed, struct err *e)
{
	struct backoff b = cloud_backoff(c);

	while (c->p->ops->images->remove(c->p, &i->image, e) < 0)
		if (!err_is_retryable(e) || !cloud_again(c, &b, e))
			return -1;
	++*removed;
	return 0;
}

static int remove_named(struct cloud *c, const struct image_list *l, const char *name, unsigned *removed, struct err *e)
{
	const struct image_entry *hit = NULL;
	cleanup(buf_fini) struct buf ids = BUF_INIT;
	unsigned hits = 0;

	for (size_t k = 0; k < l->list.len; k++) {
		const struct image_entry *i = &l->list.at[k];

		if (strcmp(i->image.id, name) == 0)
			return take_away(c, i, removed, e);
		if (strcmp(i->image.name, name) != 0)
			continue;
		hit = i;
		buf_addf(&ids, "%s%s", hits++ != 0 ? ", " : "", i->image.id);
	}
	if (hits > 1)
		return err_set(e, ERR_USAGE, 0, "%s has %u worker images \"%s\": name one by its id, of %s", c->p->place, hits, name, ids.data);
	if (hit == NULL)
		return err_set(e, ERR_NOT_FOUND, 0, "%s has no worker image \"%s\": `wherry image list` shows those it has", c->p->place, name);
	return take_away(c, hit, removed, e);
}

int image_remove(struct cloud *c, const char *name, unsigned *removed, struct err *e)
{
	struct image_list l;

	if (image_list(c, &l, e) < 0)
		return -1;
	int rc = name != NULL ? remove_named(c, &l, name, removed, e) : 0;
	for (size_t k = 0; name == NULL && rc == 0 && k < l.list.len; k++)
		if (is_leftover(c->p, &l.list.at[k]))
			rc = take_away(c, &l.list.at[k], removed, e);
	image_list_fini(&l);
	return rc;
}
