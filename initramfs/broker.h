// SPDX-License-Identifier: Apache-2.0
/*
 * The disk broker: how the unprivileged worker gets at disks, power and the clock.
 *
 * PID 1 stays root and does nothing but answer this protocol; the worker
 * (uid WHERRY_WORKER_UID, no capabilities, no_new_privs) can open no device node itself.
 *
 * Transport
 *   One SOCK_SEQPACKET socket pair. The worker's end is inherited as descriptor
 *   BROKER_FD; the same number stands in the environment as BROKER_FD_ENV and in
 *   argv as `serve --broker-fd 3`. One message is one packet, ASCII, ending in '\n',
 *   at most BROKER_REQUEST_MAX (request) or BROKER_REPLY_MAX (reply) bytes, without a
 *   NUL. Strictly one reply to a request, in order; the worker sends the next request
 *   after it has read the reply (several threads share the socket under one lock).
 *   There is no version: both ends come out of one image.
 *
 * Requests                                   reply on success
 *   "open <serial> ro|rw\n"                  "ok <line>\n" + one descriptor (SCM_RIGHTS)
 *   "list\n"                                 zero or more of "<line>\n" after "ok\n"
 *   "settime <unix-nanoseconds>\n"           "ok\n"
 *   "poweroff\n", "reboot\n"                 "ok\n", then sync and the thing itself
 *
 *   Any failure: "err <errno> <sentence>\n", errno in decimal, no descriptor. The
 *   sentence names the thing and a remedy and runs to the end of the line.
 *
 * <line>
 *   "<name> <size> <logical> <physical> <ro> <serial>", six fields, one space each:
 *     name      kernel name without /dev/ ("vda", "sdb", "nvme0n1")
 *     size      bytes, decimal, a multiple of logical
 *     logical   logical sector size in bytes (512 or 4096 on all real disks)
 *     physical  physical sector size in bytes
 *     ro        open: 1 when the descriptor is read-only, 0 when writable;
 *               list: 1 when the disk cannot be written (the device says so, or this
 *               boot has opened it ro), 0 otherwise
 *     serial    as below; "-" when the disk has none (list only)
 *
 *   In a list reply every disk takes a line of its own, so the whole reply reads
 *     "ok\nvda 1073741824 512 512 0 src-0\nvdb 512000 512 512 1 cfg\n"
 *   All whole disks of /sys/block come, sorted by name; loop, ram, zram, nbd, floppies,
 *   CD drives (sr) and anything of size 0 do not. A list that would overrun
 *   BROKER_REPLY_MAX is answered by err E2BIG.
 *
 * <serial>
 *   What the hypervisor or the disk calls itself, spaces at both ends cut off, every byte
 *   outside [A-Za-z0-9._:+=@,-] replaced by '_', at most BROKER_SERIAL_MAX bytes:
 *     virtio-blk   /sys/block/vdX/serial (20 bytes at most, QEMU's serial=)
 *     SCSI, SATA   VPD page 0x80, /sys/block/sdX/device/vpd_pg80; when there is none, the
 *                  designator of page 0x83 as "naa.<hex>" (Hyper-V and Azure data disks)
 *     NVMe         /sys/block/nvmeXnY/device/serial; a namespace other than 1 has ".nY"
 *                  appended
 *   When a disk has none of these, or two disks have the same one, it is also to be had
 *   under "@<name>" (for instance "@vdb"), which `open` always accepts. A serial that two
 *   disks carry opens neither: err ENOTUNIQ.
 *   Clouds that tell disks apart by a LUN only: "lun:<host>:<channel>:<id>:<lun>" is
 *   accepted by `open` for every SCSI disk ("lun:*:*:*:3" with '*' for any; ENOTUNIQ
 *   when several match).
 *
 * Rules of open
 *   - /sys/block is read anew for every open and list, so a hot-plugged disk needs no
 *     announcement: ask again until it is there (ENODEV until then).
 *   - The descriptor is O_DIRECT|O_CLOEXEC and O_RDONLY (ro; the whole device is also set
 *     read-only by BLKROSET) or O_RDWR (rw). It stays valid after a resize; sizes in the
 *     reply are those of this moment.
 *   - A disk opened ro once in this boot is never given out rw, nor the other way round:
 *     err EROFS or EBUSY. Disks are told apart by device number and by a generation
 *     (/sys/block/<name>/diskseq), so a new disk in an old slot starts afresh.
 *   - rw is exclusive (O_EXCL): EBUSY while the kernel or another open rw holds the disk.
 *     Closing the descriptor allows the next open in the same mode.
 *
 * End of the worker
 *   When the worker exits, PID 1 prints the exit status on the console, syncs and powers
 *   off; when it closes the socket and lives on, it is killed after 15 s. There is no
 *   restart and no shell. When the machine's power button is pressed or the hypervisor asks
 *   for a shutdown, the worker gets SIGTERM and, 15 s later, SIGKILL.
 *
 * What the worker is started with
 *   argv   /bin/wherry-worker serve --broker-fd 3 --boot-data /run/bootdata
 *   env    PATH=/bin, HOME=/, TMPDIR=/run/wherry, WHERRY_BROKER_FD=3,
 *          WHERRY_IMAGE_VERSION=<version>
 *   fds    0 /dev/null, 1 and 2 a pipe that is copied to every console (not a terminal),
 *          3 the broker; nothing else
 *   ids    uid and gid WHERRY_WORKER_UID, no groups, no capability in any set,
 *          no_new_privs, RLIMIT_MEMLOCK and RLIMIT_NOFILE raised, RLIMIT_CORE 0, cwd /
 *   files  /run/bootdata (readable), /run/wherry (mode 0700, its own, tmpfs), /dev/null,
 *          /dev/urandom, /proc, /sys (read-only), /etc/resolv.conf -> /run/resolv.conf
 *
 * What init runs before that, as uid and gid BROKER_BOOTDATA_UID, without privileges, with
 * nothing on descriptor 3; while it runs, that group may read (not write) every disk, CD
 * drive and fw_cfg's opt/wherry/bootdata
 *   wherry-worker boot-data         stdout: lines KEY=VALUE
 *       nic=auto | nic=<mac>        auto: every Ethernet NIC (also when no nic= or addr= is
 *                                   there); <mac> may come several times
 *       addr=<mac> <ip>/<prefix> [<gateway>]   v4 or v6, instead of DHCP on that NIC
 *       dns=<ip>                    beside those of DHCP, may come several times
 *       hostname=<name>             [a-z0-9-], at most 63
 *       debug=0|1                   1: the kernel's messages on the console
 *     Unknown keys are ignored. It opens what it needs by itself (fw_cfg under
 *     /sys/firmware/qemu_fw_cfg, the config drive in /dev/sr* or a whole disk,
 *     /proc/cmdline). Its stderr is on the console.
 *     Exit status: 0 found. BROKER_NEEDS_NETWORK: nothing on this machine itself; init
 *     brings up all NICs by DHCP and asks once more, with WHERRY_NETWORK=1 in the
 *     environment, so that metadata services can be asked. Anything else: init powers off
 *     after 30 s. At most 60 s, with the network 300 s; at most 8 KiB of lines.
 *   wherry-worker boot-data --raw   stdout: the exact bytes, at most 256 KiB, which become
 *     /run/bootdata
 */
#ifndef WHERRY_INITRAMFS_BROKER_H
#define WHERRY_INITRAMFS_BROKER_H

#define BROKER_WORKER_PATH "/bin/wherry-worker"
#define BROKER_BOOTDATA_PATH "/run/bootdata"
#define BROKER_NEEDS_NETWORK 75
#define BROKER_FD 3
#define BROKER_FD_ENV "WHERRY_BROKER_FD"
#define BROKER_REQUEST_MAX 256
#define BROKER_REPLY_MAX 16384
#define BROKER_SERIAL_MAX 128
#define WHERRY_WORKER_UID 990
#define BROKER_BOOTDATA_UID 992

#endif
