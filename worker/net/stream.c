// SPDX-License-Identifier: Apache-2.0
#include "net/stream.h"

ssize_t stream_read(struct stream *s, void *p, size_t n, struct err *e)
{
	ssize_t got = s->ops->read(s, p, n, e);

	if (got > 0)
		atomic_fetch_add_explicit(&s->bytes_in, (uint64_t)got, memory_order_relaxed);
	return got;
}

int stream_read_full(struct stream *s, void *p, size_t n, struct err *e)
{
	char *to = p;

	for (size_t done = 0; done < n;) {
		ssize_t got = stream_read(s, to + done, n - done, e);

		if (got < 0)
			return -1;
		if (got == 0)
			return err_set(e, ERR_NETWORK, 0,
				"the connection was closed by the peer, %zu of %zu bytes "
				"were still to come",
				n - done, n);
		done += (size_t)got;
	}
	return 0;
}

int stream_write(struct stream *s, const void *p, size_t n, struct err *e)
{
	if (n == 0)
		return 0;
	if (s->ops->write(s, p, n, e) < 0)
		return -1;
	atomic_fetch_add_explicit(&s->bytes_out, n, memory_order_relaxed);
	return 0;
}

int stream_flush(struct stream *s, struct err *e)
{
	return s->ops->flush(s, e);
}

bool stream_ready(struct stream *s)
{
	return s->ops->ready != NULL && s->ops->ready(s);
}

void stream_abort(struct stream *s)
{
	s->ops->abort(s);
}

void stream_set_timeout(struct stream *s, int64_t ns)
{
	s->ops->set_timeout(s, ns);
}

void stream_close(struct stream *s)
{
	if (s != NULL)
		s->ops->close(s);
}
