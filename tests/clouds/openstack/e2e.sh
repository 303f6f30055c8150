#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# TIMEOUT: 2700
#
# A running server of a real OpenStack, with a boot volume and a data volume of real files, is replicated inside it,
# changed, replicated again and promoted; then it goes on to a QEMU cloud, is promoted there, and comes back. The oracles are
# qemu-img on the volumes' files, the clouds' own lists, and the consoles of the machines that were promoted. LAB: lib.sh.

# shellcheck source=tests/clouds/openstack/lib.sh
. "$(dirname "$0")/lib.sh"
job=$work/shop.json

# Words for the guest go to its serial port, as from somebody at the console. QEMU looks once a second whether somebody is.
type_to() { # SERVER WORDS
	local domain
	domain=$(inside virsh -q -c qemu:///system list --uuid | grep "$(mover server show "$1" -f value -c id)")
	inside bash -c 'exec 3<>"$(virsh -q -c qemu:///system ttyconsole "$1")"; sleep 3; echo "$2" >&3; sleep 2' \
		type "$domain" "$2"
}

same_volume() { # NAME NAME
	volume_as_raw "$1" "$work/one.raw"
	volume_as_raw "$2" "$work/other.raw"
	qemu-img compare -q -f raw -F raw "$work/one.raw" "$work/other.raw"
}

# The console of the machine in the QEMU cloud; what it is told goes there.
console() { "$BUILD/qemu-cloud" console "$cloud" shop-away; }

replica_is_right() {
	same_volume shop-root wherry-shop-disk0 || fail 'the root volume differs from its replica'
	same_volume shop-data wherry-shop-disk1 || fail 'the data volume differs from its replica'
}

refusals() {
	sed 's/password: mover/password: wrong/' "$work/clouds.yaml" >"$work/wrong.yaml"
	sed "s/clouds.yaml/wrong.yaml/" "$job" >"$work/bad.json"
	expect 6 'does not accept mover: wrong password' wherry validate "$work/bad.json"
	write_job "$work/bad.json" "$(openstack_block shop '"region": "nowhere"')" "$(openstack_block shop-there)"
	expect 3 'in region nowhere: its regions are regionOne' wherry validate "$work/bad.json"
	sed 's/"network": "ext"/"network": "extra"/' "$job" >"$work/bad.json"
	expect 4 'has no network "extra": it has .*net1' wherry validate "$work/bad.json"
	sed 's/"machine": "shop"/"machine": "shed"/' "$job" >"$work/bad.json"
	expect 4 'has no server "shed": it has shop' wherry validate "$work/bad.json"
}

stage 'lab'
start_lab

stage 'a server'
"$top/tests/guest/make-machine.sh" "$work/disks" 60 24
make_volumes "$work"/disks/{root,data}.raw
make_server
wait_for 'GUEST: up, 1 boots' mover console log show shop

stage 'the image of the workers is sent once'
write_clouds "$work/clouds.yaml"
write_job "$job" "$(openstack_block shop)" "$(openstack_block shop-there)"
expect 4 'wherry image upload' wherry validate "$job"
wherry image upload "$job"
wherry image upload "$job" | grep -q 'nothing was sent' || fail 'the same image was sent again'
before=$(everything)

stage 'validate, plan'
wherry validate "$job"
wherry plan "$job" | grep -q 'one after the other' || fail 'the plan does not say that the snapshots are not of one instant'
refusals
[ "$(everything)" = "$before" ] || fail "something was made: $(everything)"

stage 'first sync of the running server'
sync_job "$job"
first=$(result sent)

stage 'the guest changes, and goes off'
type_to shop 'change 16'
wait_for 'GUEST: changed 16' mover console log show shop
type_to shop off
wait_for SHUTOFF mover server show shop -f value -c status

stage 'second sync'
sync_job "$job"
say "sent $first bytes, then $(result sent)"
[ "$(result sent)" -lt $((first / 4)) ] || fail 'the second sync was not incremental'
replica_is_right
only_replica "$before"

stage 'the client is killed when both workers run'
wherry_bg sync "$job" --json >"$work/killed" 2>&1 &
pid=$!
wait_for 'both workers are enrolled' cat "$work/killed"
kill -KILL "$pid"
wait "$pid" 2>/dev/null || :
[ "$(everything | grep -c '^server wherry-.* ACTIVE')" = 2 ] || fail "there are not two workers: $(everything)"
wherry cleanup
only_replica "$before"
sync_job "$job" # what the killed run may have written is sent again
replica_is_right

stage 'promote'
wherry promote "$job"
wait_for 'GUEST: up, 2 boots, 0 file system messages' mover console log show shop-there
wherry cleanup
more=$(more_than "$before" | grep -v '^snapshot wherry-shop-gen' | xargs)
[ "$more" = "attachment - attached attachment - attached port shop-there - server shop-there ACTIVE volume wherry-shop-disk0 in-use \
volume wherry-shop-disk1 in-use" ] || fail "left behind: $more"
say 'the promoted server mounts clean'

stage 'OpenStack to a QEMU cloud'
# The same job but for its name and one block.
new_cloud cloud
cloud=$work/cloud
there="{\"provider\": \"qemu\", \"cloud\": \"$cloud\", \"machine\": \"shop-away\"}"
write_job "$work/away.json" "$(openstack_block shop)" "$there" '' away
before=$(everything)
sync_job "$work/away.json"
[ "$(everything)" = "$before" ] || fail "left in the source: $(everything)"
volume_as_raw shop-root "$work/root.raw"
volume_as_raw shop-data "$work/data.raw"
same_as_replica "$cloud" away 0 "$work/root.raw" || fail 'the root volume differs from its replica in the QEMU cloud'
same_as_replica "$cloud" away 1 "$work/data.raw" || fail 'the data volume differs from its replica in the QEMU cloud'
wherry promote "$work/away.json"
wait_for 'GUEST: up, 2 boots, 0 file system messages' console

stage 'the QEMU cloud to OpenStack'
"$BUILD/qemu-cloud" send "$cloud" shop-away 'change 4'
wait_for 'GUEST: changed 4' console
"$BUILD/qemu-cloud" send "$cloud" shop-away off
wait_for 'GUEST: off' console
write_job "$work/back.json" "$there" "$(openstack_block shop-back)" '' back
inventory_cloud=$(inventory "$cloud")
sync_job "$work/back.json"
[ "$(inventory "$cloud")" = "$inventory_cloud" ] || fail "left in the source: $(inventory "$cloud")"
for i in 0 1; do
	volume_as_raw "wherry-back-disk$i" "$work/back.raw"
	same_as_replica "$cloud" away "$i" "$work/back.raw" || fail "disk $i differs from its replica in OpenStack"
done
wherry promote "$work/back.json"
wait_for 'GUEST: up, 3 boots, 0 file system messages' mover console log show shop-back
stage ''
