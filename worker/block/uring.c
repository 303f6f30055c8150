// SPDX-License-Identifier: Apache-2.0
#include "block/uring.h"

#include <errno.h>
#include <liburing.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"

#define FIXED_FILE_INDEX 0

struct uring {
	struct io_uring ring;
	uint8_t *fixed; /* the registered buffer, index 0 */
	size_t fixed_size;
};

static int allow_only_transfers(struct io_uring *ring)
{
	struct io_uring_restriction only[] = {
		{.opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_READ},
		{.opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_WRITE},
		{.opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_READ_FIXED},
		{.opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_WRITE_FIXED},
		{.opcode = IORING_RESTRICTION_SQE_FLAGS_ALLOWED, .sqe_flags = IOSQE_FIXED_FILE},
		{.opcode = IORING_RESTRICTION_SQE_FLAGS_REQUIRED, .sqe_flags = IOSQE_FIXED_FILE},
		{.opcode = IORING_RESTRICTION_REGISTER_OP, .register_op = IORING_UNREGISTER_FILES},
		{.opcode = IORING_RESTRICTION_REGISTER_OP, .register_op = IORING_REGISTER_BUFFERS},
		{.opcode = IORING_RESTRICTION_REGISTER_OP, .register_op = IORING_UNREGISTER_BUFFERS},
	};

	return io_uring_register_restrictions(ring, only, sizeof only / sizeof only[0]);
}

/* A completion need not interrupt a thread that is at work: it looks when it wants one. Kernels before 5.19 do not know
 * that. */
static int init_ring(struct io_uring *ring, unsigned depth)
{
	unsigned flags = IORING_SETUP_R_DISABLED;
	int rc = io_uring_queue_init(depth, ring, flags | IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG);

	return rc == -EINVAL ? io_uring_queue_init(depth, ring, flags) : rc;
}

struct uring *uring_new(int fd, unsigned depth, struct err *e)
{
	struct uring *u = mem_alloc(sizeof *u);
	int rc = init_ring(&u->ring, depth);

	if (rc < 0)
		goto no_ring;
	/* Without it a timeout would be a request of its own, which the restrictions forbid. */
	rc = u->ring.features & IORING_FEAT_EXT_ARG ? 0 : -EOPNOTSUPP;
	if (rc == 0)
		rc = io_uring_register_files(&u->ring, &fd, 1);
	if (rc >= 0)
		rc = allow_only_transfers(&u->ring);
	if (rc >= 0)
		rc = io_uring_enable_rings(&u->ring);
	if (rc < 0)
		goto no_set_up;
	return u;

no_set_up:
	io_uring_queue_exit(&u->ring);
no_ring:
	free(u);
	err_set(e, ERR_UNSUPPORTED, -rc, "cannot set up io_uring");
	return NULL;
}

void uring_free(struct uring *u)
{
	if (u == NULL)
		return;
	/* A ring is taken apart some time after its end; its hold on the memory, and on the disk with flock and O_EXCL,
	 * must end now. */
	uring_set_buffers(u, NULL, 0);
	io_uring_unregister_files(&u->ring);
	io_uring_queue_exit(&u->ring);
	free(u);
}

void uring_set_buffers(struct uring *u, void *base, size_t size)
{
	struct iovec all = {.iov_base = base, .iov_len = size};

	if (u->fixed != NULL)
		io_uring_unregister_buffers(&u->ring);
	u->fixed = base != NULL && io_uring_register_buffers(&u->ring, &all, 1) == 0 ? base : NULL;
	u->fixed_size = size;
}

static bool is_fixed(const struct uring *u, const uint8_t *p, uint32_t n)
{
	return u->fixed != NULL && p >= u->fixed && (size_t)(p - u->fixed) + n <= u->fixed_size;
}

static void prepare(const struct uring *u, struct io_uring_sqe *sqe, bool write, void *p, uint32_t n, uint64_t offset)
{
	if (is_fixed(u, p, n)) {
		if (write)
			io_uring_prep_write_fixed(sqe, FIXED_FILE_INDEX, p, n, offset, 0);
		else
			io_uring_prep_read_fixed(sqe, FIXED_FILE_INDEX, p, n, offset, 0);
	} else {
		if (write)
			io_uring_prep_write(sqe, FIXED_FILE_INDEX, p, n, offset);
		else
			io_uring_prep_read(sqe, FIXED_FILE_INDEX, p, n, offset);
	}
}

/* What the kernel had no room for stays in the queue and is offered again by the next wait. */
static int hand_over(struct uring *u, struct err *e)
{
	int rc;

	do
		rc = io_uring_submit(&u->ring);
	while (rc == -EINTR);
	if (rc >= 0 || rc == -EAGAIN || rc == -EBUSY || rc == -ENOMEM)
		return 0;
	return err_set(e, ERR_INTERNAL, -rc, "io_uring takes no more requests");
}

int uring_transfer(struct uring *u, bool write, void *p, uint32_t n, uint64_t offset, uint64_t tag, struct err *e)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&u->ring);

	if (sqe == NULL)
		return err_set(e, ERR_INTERNAL, 0, "more requests under way than the ring was made for");
	prepare(u, sqe, write, p, n, offset);
	io_uring_sqe_set_flags(sqe, IOSQE_FIXED_FILE);
	io_uring_sqe_set_data64(sqe, tag);
	return hand_over(u, e);
}

static int wait_once(struct uring *u, int64_t timeout_ns, struct io_uring_cqe **cqe)
{
	struct __kernel_timespec ts = {.tv_sec = timeout_ns / NS_PER_S, .tv_nsec = timeout_ns % NS_PER_S};

	if (timeout_ns == 0)
		return io_uring_peek_cqe(&u->ring, cqe);
	return io_uring_wait_cqe_timeout(&u->ring, cqe, timeout_ns < 0 ? NULL : &ts);
}

/* While something could not be handed over, waiting for ever could be for nothing. */
static int64_t longest_wait(struct uring *u, int64_t deadline)
{
	int64_t left = -1;

	if (deadline >= 0) {
		left = deadline - clock_mono_ns();
		left = left > 0 ? left : 0;
	}
	if (io_uring_sq_ready(&u->ring) > 0 && (left < 0 || left > 10 * NS_PER_MS))
		left = 10 * NS_PER_MS;
	return left;
}

int uring_wait(struct uring *u, int64_t timeout_ns, uint64_t *tag, int32_t *res, struct err *e)
{
	int64_t deadline = timeout_ns < 0 ? -1 : clock_mono_ns() + timeout_ns;
	struct io_uring_cqe *cqe;

	for (;;) {
		if (io_uring_sq_ready(&u->ring) > 0 && hand_over(u, e) < 0)
			return -1;
		int rc = wait_once(u, longest_wait(u, deadline), &cqe);
		if (rc == 0)
			break;
		if (rc != -EINTR && rc != -ETIME && rc != -EAGAIN)
			return err_set(e, ERR_INTERNAL, -rc, "io_uring does not give back requests");
		if (deadline >= 0 && clock_mono_ns() >= deadline)
			return 0;
	}
	*tag = io_uring_cqe_get_data64(cqe);
	*res = cqe->res;
	io_uring_cqe_seen(&u->ring, cqe);
	return 1;
}
