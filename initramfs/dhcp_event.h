// SPDX-License-Identifier: Apache-2.0
/*
 * What BusyBox udhcpc runs as its script. It is this program again, under the name
 * dhcp-event, so that the image needs no shell: argv[1] is the event (deconfig, bound,
 * renew, nak, leasefail), the environment holds the lease (interface, ip, mask, router,
 * staticroutes, mtu, dns, domain; BusyBox networking/udhcp/dhcpc.c).
 *
 * After bound and renew it tells PID 1 by one line "bound <interface>\n" on the descriptor
 * numbered in DHCP_EVENT_FD_ENV.
 */
#ifndef WHERRY_INITRAMFS_DHCP_EVENT_H
#define WHERRY_INITRAMFS_DHCP_EVENT_H

#define DHCP_EVENT_NAME "dhcp-event"
#define DHCP_EVENT_FD_ENV "WHERRY_DHCP_FD"

// Returns the exit status.
int dhcp_event_main(int argc, char **argv);

#endif
