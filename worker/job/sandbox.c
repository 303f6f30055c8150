// SPDX-License-Identifier: Apache-2.0
#include "job/sandbox.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/*
 * A list of what is denied: io_uring and the C library use more calls than a list of what is allowed could name for
 * long. It takes away the ways from a memory bug to another program or into the kernel's darker corners.
 */
static const int denied[] = {
	SYS_execve, SYS_execveat, SYS_ptrace, SYS_process_vm_readv, SYS_process_vm_writev, SYS_bpf, SYS_perf_event_open,
	SYS_userfaultfd, SYS_keyctl, SYS_add_key, SYS_request_key, SYS_mount, SYS_umount2, SYS_pivot_root, SYS_chroot,
	SYS_unshare, SYS_setns, SYS_init_module, SYS_finit_module, SYS_kexec_load, SYS_kexec_file_load, SYS_personality,
	SYS_open_by_handle_at, SYS_name_to_handle_at, SYS_mknod, SYS_mknodat, SYS_swapon, SYS_acct, SYS_syslog,
};

#define DENIED (sizeof denied / sizeof denied[0])
#define X32_BIT 0x40000000u

int sandbox_no_dumps(struct err *e)
{
	const struct rlimit none = {.rlim_cur = 0, .rlim_max = 0};

	if (setrlimit(RLIMIT_CORE, &none) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_set(e, ERR_UNSUPPORTED, errno,
			       "this kernel does not let a process give up core dumps and privileges");
	return 0;
}

int sandbox_filter(struct err *e)
{
	struct sock_filter code[5 + 2 * DENIED + 1] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		/* The same calls under other numbers. */
		BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, X32_BIT, 2 * DENIED - 1, 0),
	};
	size_t n = 5;

	for (size_t i = 0; i < DENIED; i++) {
		code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)denied[i], 0, 1);
		code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
	}
	code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	const struct sock_fprog program = {.len = (unsigned short)n, .filter = code};
	/* TSYNC: threads a library may have started already. */
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program) != 0)
		return err_set(e, ERR_UNSUPPORTED, errno, "this kernel takes no seccomp filter");
	return 0;
}
