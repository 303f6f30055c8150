// SPDX-License-Identifier: Apache-2.0
/* Waiting for a cloud that makes or removes something: told while it lasts, and ended with the cloud's own word. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "cloud_try.h"

#define FIRST_DELAY (100 * NS_PER_MS)
#define LONGEST     (2 * NS_PER_S)
#define APPEAR_NS   (30 * NS_PER_S)
#define QUIET_NS    (5 * NS_PER_S) /* most resources are ready by then, and nobody needs to read of them */
#define WORD_TEXT   (sizeof((struct cloud_wait *)0)->word + 8)

struct cloud_wait cloud_wait_begin(const struct cloud *c, const struct res_ref *ref)
{
	int64_t now = clock_mono_ns(), ns = c->resource_ns != 0 ? c->resource_ns : cloud_patience_ns(c);

	return (struct cloud_wait){.ref = ref, .begin = now, .since = now, .deadline = now + ns,
				   .option = c->resource_ns != 0 ? "resource_timeout_seconds" : NULL};
}

/* What somebody who looks there will find. */
static const char *state_of(const struct cloud_wait *w, char out[WORD_TEXT])
{
	snprintf(out, WORD_TEXT, w->word[0] != '\0' ? "\"%s\"" : "on its way%s", w->word);
	return out;
}

void cloud_wait_see(struct cloud *c, struct cloud_wait *w)
{
	int64_t now = clock_mono_ns();
	char text[WORD_TEXT];

	if (strcmp(w->word, c->p->seen) != 0) {
		snprintf(w->word, sizeof w->word, "%s", c->p->seen);
		w->since = now;
		w->told = false;
	}
	if (w->told || c->events == NULL || now - w->begin < QUIET_NS)
		return;
	w->told = true;
	events_step(c->events, "wait", "%s %s is %s in %s", res_kind_name(w->ref->kind), w->ref->name, state_of(w, text),
		    c->p->place);
}

int cloud_wait_over(const struct cloud *c, const struct cloud_wait *w, struct err *e)
{
	static const char mend[] = "let the operator of that cloud mend what holds it up, then run `wherry cleanup`";
	int64_t waited = clock_mono_ns() - w->since;
	char text[WORD_TEXT], since[24];

	clock_format(clock_wall_ns() - waited, since);
	err_set(e, ERR_TIMEOUT, 0, "%s %s has been %s in %s since %s (%lld s): ", res_kind_name(w->ref->kind), w->ref->name,
		state_of(w, text), c->p->place, since, (long long)(waited / NS_PER_S));
	size_t n = strlen(e->msg);
	if (w->option != NULL)
		snprintf(e->msg + n, sizeof e->msg - n, "raise \"%s\" if it is only slow; else %s", w->option, mend);
	else
		snprintf(e->msg + n, sizeof e->msg - n, "%s", mend);
	return -1;
}

static int is_absent(const struct cloud *c, const struct res_ref *r, struct err *e)
{
	return err_set(e, ERR_NOT_FOUND, 0, "%s %s is not in %s: it was removed, or never came to be",
		       res_kind_name(r->kind), r->name, c->p->place);
}

static int has_failed(const struct cloud *c, const struct res_ref *r, struct err *e)
{
	if (e->kind != ERR_NONE)
		return -1;
	return err_set(e, ERR_IO, 0, "%s %s failed in %s, which does not say why", res_kind_name(r->kind), r->name,
		       c->p->place);
}

int cloud_wait_ready(struct cloud *c, const struct res_ref *r, struct err *e)
{
	struct cloud_wait w = cloud_wait_begin(c, r);
	int64_t delay = FIRST_DELAY;
	enum res_state state = RES_PENDING;
	int64_t there = w.begin, late = APPEAR_NS; /* when it was last to be expected, and how long it may be missing */

	for (;; delay = delay * 3 / 2 < LONGEST ? delay * 3 / 2 : LONGEST) {
		struct err why = ERR_INIT;
		int rc = c->p->ops->poll(c->p, r, &state, &why);

		if (rc < 0 && !err_is_retryable(&why)) {
			*e = why;
			return -1;
		}
		if (rc == 0 && state == RES_FAILED) {
			*e = why;
			return has_failed(c, r, e);
		}
		if (rc == 0 && state == RES_READY)
			return 0;
		/* What was just made may appear late; what is not there any more has gone, unless one look was wrong. */
		if (rc == 0 && state == RES_ABSENT && clock_mono_ns() - there > late)
			return is_absent(c, r, e);
		if (rc == 0 && state == RES_PENDING) {
			there = clock_mono_ns();
			late = cloud_patience_ns(c) / 40;
			cloud_wait_see(c, &w);
		}
		if (clock_mono_ns() + delay > w.deadline) {
			*e = why;
			return rc < 0 ? -1 : state == RES_ABSENT ? is_absent(c, r, e) : cloud_wait_over(c, &w, e);
		}
		int64_t asked = c->p->not_before_ns - clock_mono_ns(), left = w.deadline - clock_mono_ns();
		if (!cloud_nap(c, asked > delay && asked < left ? asked : delay, e))
			return -1;
	}
}
