# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# What the scripts that run against the OpenStack lab share; sourced. LAB names a lab that is up already; else one is made
# below the scratch folder and ended with the script. The oracles are qemu-img on the volumes' files, the cloud's own
# lists and the consoles of its servers.

# shellcheck source=tests/e2e/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../e2e/lib.sh"
requires jq qemu-img mmdebstrap unshare nsenter
here=$top/tests/clouds/openstack

# stage NAME: ends the stage before with its time, and the script's own so far
stage_name='' stage_begin=$SECONDS
stage() {
	[ -z "$stage_name" ] || say "$stage_name: $((SECONDS - stage_begin)) s, $SECONDS s in all"
	stage_name=$1 stage_begin=$SECONDS
	[ -z "$1" ] || say "$1 ..."
}

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
# In the background, so that $! is wherry itself and not a shell around it: `wherry_bg sync JOB >OUT & pid=$!`
wherry_bg() { exec "$here/lab.sh" net "$lab" "$BUILD/wherry" --state-dir "$work/state" "$@"; }

# wait_for WANTED COMMAND...: until it prints WANTED, longer than the slowest machine needs. Seconds in which this script
# stood still do not count.
wait_for() {
	local waited want=$1 got=''
	shift
	for ((waited = 0; waited < 600; waited += 2)); do
		! got=$("$@" 2>/dev/null) || [[ $got != *"$want"* ]] || return 0
		sleep 2
	done
	fail "no '$want' from: $* -- $(tail -c 300 <<<"$got")"
}

# Two volumes of one GiB with what the two files hold, as anybody would make them.
make_volumes() { # ROOT.raw DATA.raw
	mv "$1" "$lab/root.raw"
	mv "$2" "$lab/data.raw"
	mover >/dev/null <<-'END'
		image create --disk-format raw --container-format bare --file /run/lab/root.raw shop-root
		image create --disk-format raw --container-format bare --file /run/lab/data.raw shop-data
		volume create --size 1 --image shop-root --bootable shop-root
		volume create --size 1 --image shop-data shop-data
	END
	rm "$lab"/{root,data}.raw
	wait_for available mover volume show shop-root -f value -c status
	wait_for available mover volume show shop-data -f value -c status
}

# Server "shop" on them.
make_server() {
	mover server create --flavor small --volume shop-root --network net1 --wait --block-device \
		"uuid=$(mover volume show shop-data -f value -c id),source_type=volume,destination_type=volume,boot_index=-1" \
		shop >/dev/null
}

# A proxy in front of the cloud (record.py), on the lab's loopback.
proxied=http://127.0.0.1:8900/5000 proxy=''
end_proxy() { [ -z "$proxy" ] || { kill "$proxy" && wait "$proxy" || :; } 2>/dev/null; proxy=''; }
cleanup_fns+=(end_proxy)
start_proxy() { # [before|after CALL COMMAND]: its record is $work/calls
	end_proxy
	"$here/lab.sh" net "$lab" "$here/record.py" 8900 "$work/calls" "$@" &
	proxy=$!
	wait_for '' "$here/lab.sh" net "$lab" curl -s -o "$work/hello" "$proxied/"
}

# write_clouds FILE [KEYSTONE]: the clouds.yaml of the tests' user
write_clouds() {
	cat >"$1" <<-END
		clouds:
		  lab:
		    region_name: regionOne
		    auth:
		      auth_url: ${2:-http://127.0.0.1:5000}
		      username: mover
		      password: mover
		      project_name: lab
		      project_domain_name: Default
		      user_domain_name: Default
	END
}

# openstack_block MACHINE [MORE KEYS]: a provider block of a job
openstack_block() {
	echo "{\"provider\": \"openstack\", \"cloud\": \"lab\", \"clouds_file\": \"$work/clouds.yaml\", \"flavor\": \"worker\"," \
		"\"network\": \"ext\", \"allow\": [\"172.24.4.0/24\"], \"machine\": \"$1\"${2:+, $2}}"
}

# write_job FILE SOURCE-BLOCK TARGET-BLOCK [OPTIONS [NAME]]
write_job() {
	cat >"$1" <<-END
		{ "job": "${5:-shop}",
		  "source": $2,
		  "target": $3,
		  "options": {${4:-"\"worker_timeout_seconds\": 900"}} }
	END
}

# The server, off, with little on its volumes, for tests that never start a guest, and the image of the workers; $job
# replicates it through the proxy.
make_still_server() {
	filled "$work/root.raw" 8 root
	filled "$work/data.raw" 4 data
	make_volumes "$work"/{root,data}.raw
	make_server
	mover server stop shop
	write_job "$job" "$(openstack_block shop)" "$(openstack_block shop-there)"
	write_clouds "$work/clouds.yaml"
	wherry image upload "$job"
	write_clouds "$work/clouds.yaml" "$proxied"
	wait_for SHUTOFF mover server show shop -f value -c status
}

# Everything the project has, one line each (lists.py).
everything() { inside bash -c '. /root/mover.rc; exec /run/scripts/lists.py'; }
# more_than BEFORE: what there is more, or less, without ids; servers that were on may be off
more_than() {
	{ diff <(sed 's/\(^server .*\) ACTIVE/\1 SHUTOFF/' <<<"$1") <(everything) || :; } | sed -n 's/^[<>] //p' |
		sed 's/ [^ ]*$//' | sort
}

# What there is more than $1 says is the replica of the job, with kept generations.
only_replica() { # BEFORE
	local more
	more=$(more_than "$1" | grep -v '^snapshot wherry-shop-gen[0-9]*-disk[01] available$' | xargs)
	[ "$more" = 'volume wherry-shop-disk0 available volume wherry-shop-disk1 available' ] || fail "left behind: $more"
}

# volume_as_raw NAME OUT: what a volume holds, by qemu-img on the file that holds it now (snapshots move it on)
volume_as_raw() {
	inside bash -c '. /root/mover.rc; cd /run/lab/share
		v=volume-$(openstack volume show "$1" -f value -c id)
		[ ! -e "$v.info" ] || v=$(jq -r .active "$v.info")
		format=$(qemu-img info -U --output=json "$v" | jq -r .format)
		qemu-img convert -U -f "$format" -O raw "$v" /run/lab/volume.raw' volume "$1"
	mv "$lab/volume.raw" "$2"
}
