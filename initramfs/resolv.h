// SPDX-License-Identifier: Apache-2.0
/*
 * /run/resolv.conf, to which /etc/resolv.conf points.
 */
#ifndef WHERRY_INITRAMFS_RESOLV_H
#define WHERRY_INITRAMFS_RESOLV_H

// Makes these name servers (separated by spaces) those of this source (an interface's
// name, or "static"). The file is written anew from all sources. A server that is no
// address and a domain that is no domain are left out: both come from the network.
void resolv_add(const char *source, const char *servers, const char *domain);

#endif
