// SPDX-License-Identifier: Apache-2.0
/*
 * Provider "openstack": Nova, Cinder, Glance and Neutron of one project in one region. No right beyond that of a project's
 * member is needed.
 *
 *   {"provider":"openstack", "cloud":"NAME of clouds.yaml",     default: $OS_CLOUD, else the OS_* environment
 *    "clouds_file":"PATH", "region":"NAME",
 *    "machine":"NAME or id of a server",
 *    "image":"NAME", "flavor":"NAME", "network":"NAME",         of workers: names or ids; default image: the one that
 *                                                               `wherry image upload` put there for this version
 *    "floating_network":"NAME",                                 workers get a floating IP there and are reached by it
 *    "allow":["192.0.2.7/32"],                                  who may open a connection to a worker; default: all
 *    "availability_zone":"NAME", "volume_type":"NAME",          of new replica volumes, and of workers
 *    "target_flavor":"NAME", "target_network":"NAME",           of a promoted machine; default: the smallest flavor that
 *                                                               is large enough, and "network"
 *    "reset_stuck":false}                                       volumes and snapshots that hang may be reset to "error" to
 *                                                               be removed: an administrator's right
 *
 * Snapshots of several volumes in use are taken one after the other. Cinder's group snapshots are not used: their members
 * can be given neither name nor metadata when they are made, and none can be deleted alone, so that after a crash nobody could
 * tell whose they are.
 *
 * What is made carries its tags (openstack.h). Workers boot from an image in Glance with a config drive; volumes are
 * attached when the server is made, and found by their serial.
 */
#ifndef WHERRY_CONTROL_PROVIDER_OPENSTACK_H
#define WHERRY_CONTROL_PROVIDER_OPENSTACK_H

#include "provider.h"

extern const struct provider_ops provider_openstack_ops;

#endif
