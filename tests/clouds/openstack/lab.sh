#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# A whole OpenStack on this host, for the end-to-end tests of the driver: keystone, glance, cinder, placement, nova with
# libvirt and emulated CPUs, neutron with DHCP, routers, metadata and floating IPs.
#
#   lab.sh can DIR            whether this host can hold one below DIR: else exit status 77, with the reason
#   lab.sh up DIR             start it, with its data below DIR; returns when every service is up, or as `can`
#   lab.sh run DIR COMMAND... run a command inside, as root of the lab: `lab.sh run DIR openstack server list`
#   lab.sh net DIR COMMAND... run a command of the host in the lab's network: there the clouds' APIs and workers are
#   lab.sh down DIR           end it; nothing is left but DIR/log
#
# It lives in namespaces of its own (processes, mounts, network, host name, IPC) on an overlay over a cached root: no
# process, mount, device, bridge or cgroup of it is seen outside, and the kernel takes all of it away with its first
# process. The cached root (root.sh) is Debian's packages; over it lies a second cached layer with configuration and
# empty databases (prepare.sh), so that a start is only the services' own (start.sh).
#
# Inside, the host stands on the flat network "ext" as 172.24.4.1; the APIs are on 127.0.0.1. The user "mover" (password
# "mover", project "lab", role member) is whom the tests are; "admin" (password "admin") is for the oracle.

set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/wherry/openstack
name=oslab
namespaces=(unshare --mount --net --uts --ipc --pid --cgroup --fork)

die() { printf 'lab: %s\n' "$*" >&2; exit 1; }
cannot() { printf 'this host cannot hold an OpenStack: %s\n' "$*" >&2; exit 77; }
sum() { cat "$@" | sha256sum | cut -c1-12; }

# box INIT-PID COMMAND...: inside
box() { local pid=$1; shift; nsenter --target "$pid" --mount --net --uts --ipc --pid --root --wd -- "$@"; }
# A number from before a restart of the host may be another process's by now: only a lab's first is on a host of its name.
is_box() { [ "$(nsenter --target "$1" --uts hostname 2>/dev/null)" = "$name" ]; }
pid_of() {
	local pid
	pid=$(cat "$1/init.pid" 2>/dev/null) || die "there is no lab in $1; start it with \`lab.sh up $1\`"
	is_box "$pid" || die "the lab in $1 has died (the logs are in $1/log); remove $1/init.pid to start another there"
	echo "$pid"
}

# can DIR: the memory and room are what a whole test takes at most, and some more.
can() {
	local dir why gib
	[ "$(id -u)" = 0 ] || cannot 'its namespaces need root'
	gib=$(awk '$1 == "MemAvailable:" { print int($2 / 1048576) }' /proc/meminfo)
	[ "$gib" -ge 10 ] || cannot "it needs 10 GiB of free memory, and there are $gib"
	for dir in "$cache" "$1"; do
		mkdir -p "$dir"
		gib=$(($(stat -f -c '%a * %S' "$dir") >> 30))
		[ "$gib" -ge 10 ] || cannot "it needs 10 GiB of free room in $dir, and there are $gib"
		dir=$(mktemp -d "$dir/try.XXXXXX")
		why=$("${namespaces[@]}" bash "$here/lab.sh" try "$dir" 2>&1) || why="its namespaces lack something: ${why##*$'\n'}"
		rm -rf "$dir"
		[ -z "$why" ] || cannot "$why"
	done
}

# try DIR: makes what the kernel has to have for a lab, silently; runs inside the new namespaces.
try() {
	mount --make-rprivate /
	mkdir "$1"/{lower,upper,work,root}
	mount -t overlay overlay -o "lowerdir=$1/lower,upperdir=$1/upper,workdir=$1/work" "$1/root"
	mount -t proc proc "$1/lower"
	ip link add t-veth type veth peer name t-peer
	ip link add t-bridge type bridge
	ip link add t-vxlan type vxlan id 1 dstport 4789 dev lo
	ip tuntap add dev t-tap mode tap
}

# enter LOWER UPPER: becomes the first process of a lab on an overlay; runs inside the new namespaces.
enter() {
	local lower=$1 upper=$2 root=$2/root d
	mount --make-rprivate /
	mkdir -p "$upper/data" "$upper/work" "$root"
	mount -t overlay overlay -o "lowerdir=$lower,upperdir=$upper/data,workdir=$upper/work" "$root"
	mount -t proc proc "$root/proc"
	mount -t sysfs sysfs "$root/sys"
	mount -t tmpfs tmpfs "$root/run"
	mount -t tmpfs -o mode=755 tmpfs "$root/dev"
	mkdir -p "$root"/dev/{net,pts,shm} "$root"/run/{lock,lab,scripts,netns} "$upper/log" "$upper/share"
	for d in null zero full random urandom tty net/tun; do
		: >"$root/dev/$d"
		mount --bind "/dev/$d" "$root/dev/$d"
	done
	mount -t devpts -o newinstance,ptmxmode=666 devpts "$root/dev/pts"
	ln -s pts/ptmx "$root/dev/ptmx"
	mount -t tmpfs tmpfs "$root/dev/shm"
	mount --bind "$here" "$root/run/scripts"
	mount --bind "$upper" "$root/run/lab"
	hostname "$name"
	ip link set lo up
	exec chroot "$root" /bin/sh -c 'trap : CHLD; while :; do sleep 3600; done'
}

# start_box LOWER UPPER: prints the first process's id
start_box() {
	local outer inner='' i
	setsid nice -n 10 "${namespaces[@]}" --kill-child=KILL bash "$here/lab.sh" enter "$1" "$2" >"$2/box.log" 2>&1 </dev/null &
	outer=$!
	for ((i = 0; i < 100; i++)); do
		inner=$(pgrep -P "$outer" || true)
		[ -n "$inner" ] && [ "$(cat "/proc/$inner/comm")" = sh ] && break
		kill -0 "$outer" 2>/dev/null || die "the namespaces could not be made: $(tail -n 1 "$2/box.log")"
		sleep 0.1
	done
	echo "$inner"
}

# kill_box INIT-PID: ends a lab's first process, and with it the kernel ends all others; returns when they are gone
kill_box() {
	local end=$((SECONDS + 30))
	kill -KILL "$1" 2>/dev/null || [ ! -d "/proc/$1" ] || die "process $1, a lab's first, cannot be killed: be root"
	while [ -d "/proc/$1" ]; do
		[ "$SECONDS" -lt "$end" ] || die "the lab of process $1 still has a process 30 s after it was killed: see what" \
			"holds it (\`ps -ef --forest\`, state D), then end the lab again"
		sleep 0.1
	done
}

# remove_box UPPER: what a lab leaves in its folder but the logs
remove_box() { rm -rf "${1:?}/data" "$1/work" "$1/root" "$1/share" "$1/init.pid" "$1/box.log"; }

# layers: makes what is missing in the cache; prints the overlay's lower directories
layers() {
	local root ready pid old why
	root=$cache/root-$(sum "$here/packages.list" "$here/root.sh")
	ready=$cache/ready-$(sum "$here/packages.list" "$here"/{root,prepare,services}.sh)
	mkdir -p "$cache"
	exec 9>"$cache/lock"
	flock 9
	[ -d "$root" ] || "$here/root.sh" "$root" >&2 || exit 77
	why=$(unshare --net chroot "$root" sh -c 'iptables -t nat -A POSTROUTING -j MASQUERADE && ebtables -t nat -N x' 2>&1) ||
		cannot "its kernel lacks packet filters: ${why##*$'\n'}"
	if [ ! -d "$ready" ]; then
		for old in "$cache"/ready-*; do # not from under a lab of another checkout that runs on it
			grep -qsF "$old:" /proc/[0-9]*/mountinfo || rm -rf "$old"
		done
		rm -rf "$cache/.new"
		mkdir "$cache/.new"
		pid=$(start_box "$root" "$cache/.new")
		trap 'kill_box "$pid"' EXIT
		if ! box "$pid" bash /run/scripts/prepare.sh >"$cache/prepare.log" 2>&1 9>&-; then
			die "preparing the databases failed: $(tail -n 3 "$cache/prepare.log"); the whole log is $cache/prepare.log"
		fi
		trap - EXIT
		kill_box "$pid"
		mv "$cache/.new/data" "$ready"
		rm -rf "$cache/.new"
	fi
	echo "$ready:$root"
}

up() {
	local dir=$1 lower pid begin=$SECONDS
	can "$dir"
	dir=$(cd "$dir" && pwd)
	[ ! -e "$dir/init.pid" ] || die "a lab runs in $dir already; end it with \`lab.sh down $dir\`"
	lower=$(layers)
	pid=$(start_box "$lower" "$dir")
	echo "$pid" >"$dir/init.pid"
	if ! box "$pid" bash /run/scripts/start.sh >"$dir/log/start" 2>&1; then
		tail -n 5 "$dir/log/start" >&2
		down "$dir"
		die "a service did not come up; the logs are in $dir/log"
	fi
	echo "the OpenStack lab is up after $((SECONDS - begin)) s"
}

down() {
	local pid
	pid=$(pid_of "$1")
	kill_box "$pid"
	remove_box "$1"
}

command=${1:-} dir=${2:-}
[ -n "$dir" ] || die 'usage: lab.sh can|up|run|net|down DIR [COMMAND...]'
shift 2
trap 'exit 130' INT TERM
case $command in
can) can "$dir" ;;
try) try "$dir" ;;
up) up "$dir" ;;
run) box "$(pid_of "$dir")" env -i PATH=/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 HOME=/root \
	bash -c '. /root/admin.rc; exec "$@"' run "$@" ;;
net) exec nsenter --target "$(pid_of "$dir")" --net -- "$@" ;;
down) down "$dir" ;;
enter) enter "$dir" "$@" ;;
*) die "there is no command \"$command\": up, run, net or down" ;;
esac
