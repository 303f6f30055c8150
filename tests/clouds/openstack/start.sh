#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Inside the lab, at every start: the services, the physical network, and what a cloud's operator sets up once (flavors,
# networks).

# shellcheck source=tests/clouds/openstack/services.sh
. /run/scripts/services.sh
. /root/admin.rc
chmod 777 "$log"

# cinder and nova each see the share where their NFS code would have mounted it. It is a file system of its own for both
# (the overlay's folders have another device number), which they check.
mount_share() {
	local hash user
	chmod 777 /run/lab/share
	hash=$(printf %s 127.0.0.1:/share | md5sum | cut -d' ' -f1)
	for user in cinder nova; do
		install -d -o "$user" "/var/lib/$user/mnt" "/var/lib/$user/mnt/$hash"
		mount --bind /run/lab/share "/var/lib/$user/mnt/$hash"
	done
}

make_network() {
	ip link add ext-host type veth peer name ext-port
	ip addr add 172.24.4.1/24 dev ext-host
	ip link set ext-host up
	ip link set ext-port up
	ip link add underlay type bridge
	ip addr add 10.78.0.1/24 dev underlay
	ip link set underlay up
	sysctl -q net.bridge.bridge-nf-call-iptables=1 || :
}

start_control() {
	launch_wsgi keystone keystone 5000 /usr/bin/keystone-wsgi-public
	launch_wsgi placement placement 8778 /usr/bin/placement-api
	launch glance glance glance-api --config-file /etc/glance/glance-api.conf
	local s
	for s in api scheduler volume; do launch "cinder-$s" cinder "cinder-$s" --config-file /etc/cinder/cinder.conf; done
	for s in api conductor scheduler; do launch "nova-$s" nova "nova-$s" --config-file /etc/nova/nova.conf; done
	launch neutron neutron neutron-server --config-file /etc/neutron/neutron.conf \
		--config-file /etc/neutron/plugins/ml2/ml2_conf.ini
}

start_compute() {
	mkdir -p /run/libvirt
	virtlogd -d
	libvirtd -d
	until_true libvirt virsh -c qemu:///system list
	launch nova-compute root nova-compute --config-file /etc/nova/nova.conf --config-file /etc/nova/nova-compute.conf
}

agent() { # NAME INI
	launch "$1" neutron "neutron-$1" --config-file /etc/neutron/neutron.conf --config-file "/etc/neutron/$2" \
		--log-file "/run/lab/log/$1.log"
}

computes() { openstack compute service list --service nova-compute -f value | grep -q ' up '; }
volumes() { openstack volume service list --service cinder-volume -f value | grep -q ' up '; }
agents() { [ "$(openstack network agent list -f json | jq 'map(select(.Alive)) | length')" = 4 ]; }

# The flat network is shared: a tenant's worker may stand on it directly, or on its own network with a floating IP.
set_up_cloud() {
	openstack <<-'EOF'
		volume type create files
		flavor create --ram 512 --disk 1 --vcpus 1 worker
		flavor create --ram 256 --disk 1 --vcpus 1 small
		flavor create --ram 512 --disk 0 --vcpus 1 medium
		network create --external --share --provider-network-type flat --provider-physical-network ext ext
		subnet create --network ext --subnet-range 172.24.4.0/24 --gateway 172.24.4.1 --allocation-pool start=172.24.4.10,end=172.24.4.199 ext4
	EOF
	. /root/mover.rc
	openstack <<-'EOF'
		network create net1
		subnet create --network net1 --subnet-range 10.5.0.0/24 sub1
		router create r1
		router set --external-gateway ext r1
		router add subnet r1 sub1
	EOF
	. /root/admin.rc
}

mount_share
make_network
start_ground
start_control
start_compute
until_true keystone answers 5000
until_true neutron answers 9696
# Agents that find no server wait a minute before they ask again.
agent linuxbridge-agent plugins/ml2/linuxbridge_agent.ini
agent dhcp-agent dhcp_agent.ini
agent l3-agent l3_agent.ini
agent metadata-agent metadata_agent.ini
until_true nova computes
sudo -u nova nova-manage cell_v2 discover_hosts
until_true cinder volumes
until_true glance answers 9292
until_true 'the network agents' agents
set_up_cloud
