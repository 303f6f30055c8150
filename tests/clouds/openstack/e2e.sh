#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# TIMEOUT: 3600
#
# A running server of a real OpenStack is replicated inside it, changed, replicated again and promoted. The oracles are
# qemu-img on the volumes' files, the cloud's own lists, and the console of the machine that was promoted.
#
# LAB names a lab that is up already; else one is made and ended (lab.sh).

# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/../../e2e/lib.sh"
requires jq qemu-img mmdebstrap
[ "$(id -u)" = 0 ] || { echo 'the OpenStack lab needs root for its namespaces'; exit 77; }
here=$top/tests/clouds/openstack
job=$work/shop.json

start_lab() {
	lab=${LAB:-$work/lab}
	[ -z "${LAB:-}" ] || return 0
	cleanup_fns+=(end_lab)
	"$here/lab.sh" up "$lab"
}
end_lab() { [ ! -e "$lab/init.pid" ] || "$here/lab.sh" down "$lab"; }

inside() { "$here/lab.sh" run "$lab" "$@"; }
# The tests' user, by the cloud's own client; commands on stdin share one start of it.
mover() { inside bash -c '. /root/mover.rc; exec openstack "$@"' mover "$@"; }
wherry() { "$here/lab.sh" net "$lab" "$BUILD/wherry" --state-dir "$work/state" "$@"; }

# wait_for SECONDS WANTED COMMAND...: until it prints WANTED
wait_for() {
	local end=$((SECONDS + $1)) want=$2 got
	shift 2
	until got=$("$@" 2>/dev/null) && [[ $got == *"$want"* ]]; do
		[ "$SECONDS" -lt "$end" ] || fail "no '$want' from: $* -- $(tail -c 300 <<<"$got")"
		sleep 2
	done
}

# Words for the guest go to its serial port, as from somebody at the console. QEMU looks once a second whether somebody is.
type_to() { # SERVER WORDS
	local domain
	domain=$(inside virsh -q -c qemu:///system list --uuid | grep "$(mover server show "$1" -f value -c id)")
	inside bash -c 'exec 3<>"$(virsh -q -c qemu:///system ttyconsole "$1")"; sleep 3; echo "$2" >&3; sleep 2' \
		type "$domain" "$2"
}

# A server with a boot volume and a data volume with real files, made from images as anybody would.
make_server() {
	"$top/tests/guest/make-machine.sh" "$work/disks" 60 24
	mv "$work"/disks/*.raw "$lab/"
	mover >/dev/null <<-'EOF'
		image create --disk-format raw --container-format bare --file /run/lab/root.raw shop-root
		image create --disk-format raw --container-format bare --file /run/lab/data.raw shop-data
		volume create --size 1 --image shop-root --bootable shop-root
		volume create --size 1 --image shop-data shop-data
	EOF
	rm "$lab"/{root,data}.raw
	wait_for 300 available mover volume show shop-root -f value -c status
	wait_for 300 available mover volume show shop-data -f value -c status
	mover server create --flavor small --volume shop-root --network net1 --wait --block-device \
		"uuid=$(mover volume show shop-data -f value -c id),source_type=volume,destination_type=volume,boot_index=-1" \
		shop >/dev/null
	wait_for 180 'GUEST: up, 1 boots' mover console log show shop
}

# write_openstack_job FILE [MORE KEYS OF THE SOURCE]
write_openstack_job() {
	cat >"$work/clouds.yaml" <<-'EOF'
		clouds:
		  lab:
		    region_name: regionOne
		    auth:
		      auth_url: http://127.0.0.1:5000
		      username: mover
		      password: mover
		      project_name: lab
		      project_domain_name: Default
		      user_domain_name: Default
	EOF
	sed 's/password: mover/password: wrong/' "$work/clouds.yaml" >"$work/wrong.yaml"
	local place='"provider": "openstack", "cloud": "lab", "flavor": "worker", "network": "ext", "allow": ["172.24.4.0/24"]'
	cat >"$1" <<-EOF
		{ "job": "shop",
		  "source": {$place, "clouds_file": "$work/clouds.yaml", "machine": "shop"${2:+, $2}},
		  "target": {$place, "clouds_file": "$work/clouds.yaml", "machine": "shop-there"},
		  "options": {"worker_timeout_seconds": 900} }
	EOF
}

# Everything the project has, one line each; volumes and servers with their state.
everything() {
	printf '%s\n' 'server list -f value -c Name -c Status' 'volume list -f value -c Name -c Status' \
		'volume snapshot list -f value -c Name' 'port list -f value -c ID' 'security group list -f value -c Name' \
		'floating ip list -f value -c ID' 'image list -f value -c Name' | mover | sed '/^$/d' | sort
}

# What there is more than before, besides that the machine is off by now, is the replica (with kept generations).
only_replica() {
	local more
	more=$({ diff <(sed 's/shop ACTIVE/shop SHUTOFF/' <<<"$before") <(everything) || :; } |
		sed -n '/wherry-shop-gen/d; s/^[<>] //p' | xargs)
	[ "$more" = 'wherry-shop-disk0 available wherry-shop-disk1 available' ] || fail "left behind: $more"
}

# The file that holds a volume now: snapshots move it on.
same_volume() { # NAME NAME
	inside bash -c '. /root/mover.rc; cd /run/lab/share
		file() { local v; v=volume-$(openstack volume show "$1" -f value -c id)
			if [ -e "$v.info" ]; then jq -r .active "$v.info"; else echo "$v"; fi; }
		format() { qemu-img info -U --output=json "$1" | jq -r .format; }
		a=$(file "$1") b=$(file "$2")
		qemu-img compare -q -U -f "$(format "$a")" -F "$(format "$b")" "$a" "$b"' same "$1" "$2"
}

replica_is_right() {
	same_volume shop-root wherry-shop-disk0 || fail 'the root volume differs from its replica'
	same_volume shop-data wherry-shop-disk1 || fail 'the data volume differs from its replica'
}

refusals() {
	sed "s/clouds.yaml/wrong.yaml/" "$job" >"$work/bad.json"
	expect 6 'does not accept mover: wrong password' wherry validate "$work/bad.json"
	write_openstack_job "$work/bad.json" '"region": "nowhere"'
	expect 3 'in region nowhere: its regions are regionOne' wherry validate "$work/bad.json"
	sed 's/"network": "ext"/"network": "extra"/' "$job" >"$work/bad.json"
	expect 4 'has no network "extra": it has .*net1' wherry validate "$work/bad.json"
	sed 's/"machine": "shop"/"machine": "shed"/' "$job" >"$work/bad.json"
	expect 4 'has no server "shed": it has shop' wherry validate "$work/bad.json"
}

say 'lab'
start_lab
make_server
write_openstack_job "$job"

say 'the image of the workers is sent once'
expect 4 'wherry image upload' wherry validate "$job"
wherry image upload "$job"
wherry image upload "$job" | grep -q 'nothing was sent' || fail 'the same image was sent again'
before=$(everything)

say 'validate, plan'
wherry validate "$job"
wherry plan "$job" | grep -q 'one after the other' || fail 'the plan does not say that the snapshots are not of one instant'
refusals
[ "$(everything)" = "$before" ] || fail "something was made: $(everything)"

say 'first sync of the running server'
sync_job "$job"
first=$(result sent)
say "the guest changes, and goes off"
type_to shop 'change 16'
wait_for 60 'GUEST: changed 16' mover console log show shop
type_to shop off
wait_for 120 SHUTOFF mover server show shop -f value -c status

say 'second sync'
sync_job "$job"
say "sent $first bytes, then $(result sent)"
[ "$(result sent)" -lt $((first / 4)) ] || fail 'the second sync was not incremental'
replica_is_right
only_replica

say 'the client is killed when both workers run'
"$here/lab.sh" net "$lab" "$BUILD/wherry" --state-dir "$work/state" sync "$job" --json >"$work/killed" 2>&1 &
pid=$!
wait_for 600 'both workers are enrolled' cat "$work/killed"
kill -KILL "$pid"
wait "$pid" 2>/dev/null || :
[ "$(everything | grep -c ACTIVE)" = 2 ] || fail "there are not two workers: $(everything)"
wherry cleanup
only_replica
sync_job "$job" # what the killed run may have written is sent again
replica_is_right

say 'promote'
wherry promote "$job"
wait_for 180 'GUEST: up, 2 boots, 0 file system messages' mover console log show shop-there
wherry cleanup
say 'the promoted server mounts clean'
