#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Inside the lab, once: configuration files, empty databases, users and the catalogue. What it leaves is kept as a layer
# of the cache and is the beginning of every lab.

# shellcheck source=tests/clouds/openstack/services.sh
. /run/scripts/services.sh
echo '127.0.0.1 localhost oslab' >/etc/hosts

put() { # FILE: stdin, readable for the services only
	mkdir -p "$(dirname "$1")"
	cat >"$1"
}
as_service() { # USER: how a service names itself to keystone
	cat <<EOF
auth_type = password
auth_url = http://127.0.0.1:5000
project_domain_name = Default
user_domain_name = Default
project_name = service
username = $1
password = lab
EOF
}
checks_tokens() { # USER
	printf '[keystone_authtoken]\nwww_authenticate_uri = http://127.0.0.1:5000\nmemcached_servers = 127.0.0.1:11211\n'
	as_service "$1"
}
db() { echo "connection = mysql+pymysql://lab:lab@127.0.0.1/$1"; }
queue='transport_url = rabbit://lab:lab@127.0.0.1:5672/'

configure_keystone() {
	put /etc/keystone/keystone.conf <<EOF
[DEFAULT]
log_dir = /run/lab/log
[database]
$(db keystone)
[token]
provider = fernet
[cache]
enabled = true
backend = dogpile.cache.memcached
memcache_servers = 127.0.0.1:11211
EOF
}

# Volumes are files on an "NFS share" that is a mounted folder: of cinder's drivers without a kernel target the one that
# takes snapshots of volumes in use.
configure_cinder() {
	echo '127.0.0.1:/share' | put /etc/cinder/nfs_shares
	put /etc/cinder/cinder.conf <<EOF
[DEFAULT]
$queue
auth_strategy = keystone
my_ip = 127.0.0.1
glance_api_servers = http://127.0.0.1:9292
enabled_backends = files
default_volume_type = files
state_path = /var/lib/cinder
rootwrap_config = /etc/cinder/rootwrap.conf
log_dir = /run/lab/log
osapi_volume_workers = 1
[files]
volume_driver = cinder.volume.drivers.nfs.NfsDriver
volume_backend_name = files
nfs_shares_config = /etc/cinder/nfs_shares
nfs_mount_point_base = /var/lib/cinder/mnt
nfs_snapshot_support = true
nfs_qcow2_volumes = false
nas_secure_file_operations = false
nas_secure_file_permissions = false
[database]
$(db cinder)
[oslo_concurrency]
lock_path = /var/lib/cinder/tmp
[nova]
region_name = regionOne
$(as_service nova)
$(checks_tokens cinder)
service_token_roles = service
service_token_roles_required = true
EOF
}

configure_glance() {
	put /etc/glance/glance-api.conf <<EOF
[DEFAULT]
bind_host = 127.0.0.1
workers = 1
enabled_backends = fs:file
log_dir = /run/lab/log
[glance_store]
default_backend = fs
[fs]
filesystem_store_datadir = /var/lib/glance/images
[database]
$(db glance)
[paste_deploy]
flavor = keystone
$(checks_tokens glance)
EOF
}

configure_placement() {
	put /etc/placement/placement.conf <<EOF
[placement_database]
$(db placement)
[api]
auth_strategy = keystone
$(checks_tokens placement)
EOF
}

configure_nova() {
	put /etc/nova/nova.conf <<EOF
[DEFAULT]
$queue
my_ip = 127.0.0.1
state_path = /var/lib/nova
log_dir = /run/lab/log
osapi_compute_workers = 1
metadata_workers = 1
osapi_compute_listen = 127.0.0.1
metadata_listen = 127.0.0.1
compute_driver = libvirt.LibvirtDriver
vif_plugging_timeout = 120
rootwrap_config = /etc/nova/rootwrap.conf
[api]
auth_strategy = keystone
[api_database]
$(db nova_api)
[database]
$(db nova)
[glance]
api_servers = http://127.0.0.1:9292
[placement]
region_name = regionOne
$(as_service placement)
[neutron]
region_name = regionOne
service_metadata_proxy = true
metadata_proxy_shared_secret = lab
$(as_service neutron)
[cinder]
os_region_name = regionOne
$(as_service cinder)
[service_user]
send_service_user_token = true
$(as_service nova)
[conductor]
workers = 1
[scheduler]
workers = 1
[oslo_concurrency]
lock_path = /var/lib/nova/tmp
[libvirt]
virt_type = qemu
cpu_mode = none
[vnc]
enabled = false
$(checks_tokens nova)
EOF
	printf '[libvirt]\nvirt_type = qemu\n' | put /etc/nova/nova-compute.conf
	# libvirt without a host to manage: no cgroups, no namespaces inside ours, no other users.
	put /etc/libvirt/qemu.conf <<EOF
namespaces = []
cgroup_controllers = []
security_driver = "none"
user = "root"
group = "root"
EOF
}

configure_neutron() {
	put /etc/neutron/neutron.conf <<EOF
[DEFAULT]
$queue
bind_host = 127.0.0.1
core_plugin = ml2
service_plugins = router
auth_strategy = keystone
api_workers = 1
rpc_workers = 1
log_dir = /run/lab/log
[experimental]
linuxbridge = true
[database]
$(db neutron)
[nova]
region_name = regionOne
$(as_service nova)
[agent]
root_helper = sudo /usr/bin/neutron-rootwrap /etc/neutron/rootwrap.conf
root_helper_daemon = sudo /usr/bin/neutron-rootwrap-daemon /etc/neutron/rootwrap.conf
[oslo_concurrency]
lock_path = /var/lib/neutron/tmp
$(checks_tokens neutron)
EOF
	put /etc/neutron/plugins/ml2/ml2_conf.ini <<EOF
[ml2]
type_drivers = flat,vxlan
tenant_network_types = vxlan
mechanism_drivers = linuxbridge
extension_drivers = port_security
[ml2_type_flat]
flat_networks = ext
[ml2_type_vxlan]
vni_ranges = 1:1000
EOF
	# nova plugs servers into brq<network> whatever bridge_mappings says: the physical network has to be an interface.
	put /etc/neutron/plugins/ml2/linuxbridge_agent.ini <<EOF
[linux_bridge]
physical_interface_mappings = ext:ext-port
[vxlan]
enable_vxlan = true
local_ip = 10.78.0.1
[securitygroup]
enable_security_group = true
firewall_driver = iptables
EOF
	printf '[DEFAULT]\ninterface_driver = linuxbridge\n' | put /etc/neutron/l3_agent.ini
	printf '[DEFAULT]\ninterface_driver = linuxbridge\nenable_isolated_metadata = true\n' | put /etc/neutron/dhcp_agent.ini
	printf '[DEFAULT]\nnova_metadata_host = 127.0.0.1\nmetadata_proxy_shared_secret = lab\nmetadata_workers = 1\n' |
		put /etc/neutron/metadata_agent.ini
	# The linuxbridge agent deletes a rule with --among-src by its text, which ebtables-nft refuses; it then retries for
	# ever and does nothing else. The rule is the first of its chain.
	put /usr/local/sbin/ebtables <<'EOF'
#!/bin/sh
case "$*" in
*" -D neutronMAC-"*--among-src*) exec /usr/sbin/ebtables -t nat -D "$5" 1 ;;
esac
exec /usr/sbin/ebtables "$@"
EOF
	chmod 755 /usr/local/sbin/ebtables
}

# sudo becomes the command instead of watching it: a watcher stops itself when its command is stopped, and who goes on
# then is a matter of luck.
configure_sudo() {
	printf 'Defaults !pam_session, !pam_setcred, !use_pty\n' >/etc/sudoers.d/wherry
	chmod 440 /etc/sudoers.d/wherry
	# An interpreter for each of the dozens of small commands of a volume costs more than the commands, and here nobody
	# has to be kept from being root.
	printf '#!/bin/sh\nshift\nexec "$@"\n' >/usr/bin/cinder-rootwrap
}

make_databases() {
	local d
	for d in keystone cinder glance nova nova_api nova_cell0 placement neutron; do
		mysql -e "create database $d; grant all on $d.* to 'lab'@'127.0.0.1' identified by 'lab';
			grant all on $d.* to 'lab'@'localhost' identified by 'lab'"
	done
	rabbitmqctl -q -n rabbit@oslab add_user lab lab
	rabbitmqctl -q -n rabbit@oslab set_permissions lab '.*' '.*' '.*'
}

fill_databases() {
	local pids=() p
	(
		cd /
		sudo -u keystone keystone-manage fernet_setup --keystone-user keystone --keystone-group keystone
		sudo -u keystone keystone-manage db_sync
		keystone-manage bootstrap --bootstrap-password admin --bootstrap-region-id regionOne \
			--bootstrap-{admin,internal,public}-url=http://127.0.0.1:5000/v3
	) & pids+=($!)
	(
		sudo -u glance glance-manage db_sync
		sudo -u placement placement-manage db sync
		sudo -u cinder cinder-manage db sync
	) & pids+=($!)
	(
		sudo -u nova nova-manage api_db sync
		sudo -u nova nova-manage cell_v2 map_cell0
		sudo -u nova nova-manage cell_v2 create_cell --name cell1
		sudo -u nova nova-manage db sync
	) & pids+=($!)
	sudo -u neutron neutron-db-manage --config-file /etc/neutron/neutron.conf \
		--config-file /etc/neutron/plugins/ml2/ml2_conf.ini upgrade head
	for p in "${pids[@]}"; do wait "$p"; done
}

rc() { # USER PASSWORD PROJECT
	cat <<EOF
export OS_AUTH_URL=http://127.0.0.1:5000/v3 OS_USERNAME=$1 OS_PASSWORD=$2 OS_PROJECT_NAME=$3
export OS_USER_DOMAIN_NAME=Default OS_PROJECT_DOMAIN_NAME=Default OS_IDENTITY_API_VERSION=3 OS_REGION_NAME=regionOne
export OS_COMPUTE_API_VERSION=2.79
EOF
}

fill_catalogue() {
	local s i
	rc admin admin admin >/root/admin.rc
	rc mover mover lab >/root/mover.rc
	. /root/admin.rc
	launch_wsgi keystone keystone 5000 /usr/bin/keystone-wsgi-public
	until_true keystone answers 5000
	# One interpreter for all of it: each start of the client costs seconds.
	{
		echo 'project create service'
		echo 'project create lab'
		echo 'role create service'
		for s in cinder glance nova placement neutron; do
			echo "user create --project service --password lab $s"
			echo "role add --project service --user $s admin"
			echo "role add --project service --user $s service"
		done
		echo 'user create --project lab --password mover mover'
		echo 'role add --project lab --user mover member'
		while read -r s i url; do
			echo "service create --name $s $i"
			for interface in public internal admin; do
				echo "endpoint create --region regionOne $i $interface $url"
			done
		done <<-'EOF'
			cinderv3 volumev3 http://127.0.0.1:8776/v3/%(project_id)s
			glance image http://127.0.0.1:9292
			nova compute http://127.0.0.1:8774/v2.1
			placement placement http://127.0.0.1:8778
			neutron network http://127.0.0.1:9696
		EOF
	} >/root/catalogue
	openstack </root/catalogue
	openstack endpoint list
}

end_ground() {
	pkill -x uwsgi_python3 || :
	mysqladmin shutdown
	rabbitmqctl -q -n rabbit@oslab stop
	until_true 'the end of the message queue' sh -c '! pgrep beam.smp'
}

for s in keystone cinder glance placement nova neutron sudo; do "configure_$s"; done
for s in keystone cinder glance placement nova neutron; do
	install -d -o "$s" "/var/lib/$s" "/var/lib/$s/tmp"
	chgrp "$s" "/etc/$s"/*.conf
done
chmod 777 "$log"
start_ground
make_databases
fill_databases
fill_catalogue
end_ground
