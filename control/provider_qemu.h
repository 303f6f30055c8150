// SPDX-License-Identifier: Apache-2.0
/*
 * Provider "qemu": a cloud in a folder. Machines, disks, snapshots and workers are files; what runs is a QEMU process.
 * No privilege is needed, no daemon, no network beyond 127.0.0.1.
 *
 *   {"provider":"qemu", "cloud":"DIR", "machine":"NAME",
 *    "image":"DIR with vmlinuz and initramfs.img, or a disk image FILE",   default: $WHERRY_IMAGE, image/ beside the
 *                                                                          program, /usr/share/wherry/image
 *    "boot":"kernel"|"disk", "worker_memory_mib":256, "worker_vcpus":2, "acceleration":"auto"|"kvm"|"tcg",
 *    "hotplug":false,               workers get their disks only after they were started
 *    "format":"qcow2"|"raw"}        of new replica disks
 *
 * The folder:
 *
 *   cloud.json                      {"wherry_cloud":1, "note":"..."}: this is a cloud
 *   lock                            flock while records change; holds who
 *   machines/<name>.json            a machine, written by hand or by `promote`:
 *                                     {"memory_mib":512, "vcpus":1, "firmware":"bios"|"uefi",
 *                                      "disks":[{"name":"root", "file":"images/root.qcow2", "format":"raw"|"qcow2",
 *                                                "logical_sector":512|4096, "boot":true}, ...],
 *                                      "nics":[{"mac":"52:54:00:00:00:01", "network":"lan", "model":"virtio-net-pci"}],
 *                                      "kernel":..., "initrd":..., "append":...}       direct boot, optional
 *                                     files: absolute, or relative to the cloud; {"disk":"NAME"} instead of file and
 *                                     format is a disk of this cloud; network "none": no cable, else QEMU's user net
 *   machines/<name>.efivars         its UEFI variables; made of OVMF's template at the first start, if not there
 *   disks/<name>/                   disk.json, data.qcow2 or data.raw, lock (held by who writes the replica)
 *   snapshots/<name>/               snapshot.json; fleece.qcow2 of a running machine's
 *   run/<name>/                     of a running machine or a worker: qmp.sock, serial.log (its console), qemu.log,
 *                                   process.json (who it is); a machine's serial.sock (its console's keyboard) and
 *                                   nbd.sock; a worker's worker.json, bootdata.json, boot.qcow2
 *
 * A snapshot of a stopped machine or of a replica adds <file>.<id>.qcow2 beside the disk's file (qemu_chain.h); of a
 * running machine see qemu_live.h. Every record carries the tags of who made it. Records are written by temporary file,
 * fsync and rename; directories appear and vanish by rename.
 */
#ifndef WHERRY_CONTROL_PROVIDER_QEMU_H
#define WHERRY_CONTROL_PROVIDER_QEMU_H

#include "provider.h"

extern const struct provider_ops provider_qemu_ops;

#endif
