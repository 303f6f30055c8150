#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# TIMEOUT: 14400
#
# stuck.sh [WORD]: one service of the cloud stands still (SIGSTOP) in the middle of a step of a sync: it is stopped just before
# a call that needs it. It goes on after a while, and the sync ends well; or it does not, and the sync ends in time by itself
# and says what is stuck. In both cases the cloud's own lists hold nothing but the replica when the service works again
# and `wherry cleanup` was run. WORD picks the cases that have it. LAB: lib.sh.

# shellcheck source=tests/clouds/openstack/lib.sh
. "$(dirname "$0")/lib.sh"
word=${1:-} job=$work/shop.json impatient=$work/impatient.json cases=0
stuck_s=45        # how long a resource may take in the impatient job
still_s=20        # how long the service stands still if it goes on
longest_s=420     # an impatient sync ends before that, clean-up of it included

# service|the call before which it stops|what the sync says of it when it does not go on
table='
cinder-volume|POST /8776/v3/*/volumes wherry-shop-disk0 1|disk wherry-shop-disk0 has been "creating" in openstack project lab .* since 20.* \([0-9]+ s\): raise "resource_timeout_seconds"
cinder-volume|POST /8776/v3/*/snapshots wherry-shop-snap0 1|snapshot wherry-shop-snap0-.* has been "creating" in .* since 20
cinder-volume|POST /8776/v3/*/volumes wherry-shop-clone0 1|disk wherry-shop-clone0-.* has been "creating" in .* since 20
cinder-volume|POST /8774/v2.1/servers wherry-shop-import 1|the target worker did not boot.*: server wherry-shop-import-.* is "ERROR"
cinder-volume|DELETE /8776/v3/*/volumes/* 1|disk wherry-shop-clone0-.* has been "deleting" in .* since 20
cinder-volume|DELETE /8776/v3/*/snapshots/* 1|snapshot wherry-shop-snap0-.* has been "deleting" in .* since 20
nova-compute|POST /8774/v2.1/servers wherry-shop-import 1|worker wherry-shop-import-.* has been "[a-z_]+" in .* since 20
nova-compute|POST /8774/v2.1/servers wherry-shop-export 1|worker wherry-shop-(im|ex)port-.* has been "[a-z_]+" in .* since 20
nova-compute|DELETE /8774/v2.1/servers/* 1|worker wherry-shop-export-.* has been "deleting" in .* since 20'

# Signals to all processes of a service; not those inside the lab that only have its name in their arguments.
signal_to() { echo "pkill -$1 -f '^/usr/bin/python3 /usr/bin/$2 '"; }
go_on() {
	[ -z "${lab:-}" ] || inside bash -c "$(signal_to CONT cinder-volume); $(signal_to CONT nova-compute)"
}
cleanup_fns+=(go_on)

stop_at() { start_proxy before "$2" "$here/lab.sh run $lab $(signal_to STOP "$1")"; }

clean_again() {
	start_proxy
	wherry cleanup >"$work/cleaned" 2>&1 || fail "cleanup: $(tail -n 2 "$work/cleaned")"
	wherry cleanup --discard "$job" >"$work/cleaned" 2>&1 || fail "discard: $(tail -n 2 "$work/cleaned")"
	[ "$(everything)" = "$before" ] || fail "left: $(diff <(echo "$before") <(everything))"
}

goes_on() { # SERVICE CALL
	local pid
	stop_at "$1" "$2"
	wherry_bg sync "$job" >"$work/talk" 2>&1 &
	pid=$!
	wait_for "! $2" cat "$work/calls"
	sleep "$still_s"
	go_on
	wait "$pid" || fail "$1 stood still for $still_s s at $2: $(tail -n 2 "$work/talk")"
	clean_again
	say "$SECONDS s: $1 stood still for $still_s s at $2: the sync ended well, nothing is left"
}

stays() { # SERVICE CALL SAYS
	local rc=0 begin=$SECONDS
	stop_at "$1" "$2"
	wherry sync "$impatient" >"$work/talk" 2>&1 || rc=$?
	[ "$rc" != 0 ] || fail "$1 stood still at $2 and the sync ended as if nothing had happened"
	[ $((SECONDS - begin)) -lt "$longest_s" ] || fail "$1 stood still at $2: the sync took $((SECONDS - begin)) s to end"
	grep -qE "$3" "$work/talk" || fail "$1 stood still at $2, no '$3' in: $(tail -n 8 "$work/talk")"
	go_on
	clean_again
	say "$SECONDS s: $1 stood still at $2: $(tail -n 1 "$work/talk")"
}

stage 'lab'
start_lab
stage 'a server, off'
make_still_server
write_job "$impatient" "$(openstack_block shop)" "$(openstack_block shop-there)" \
	"\"resource_timeout_seconds\": $stuck_s, \"worker_timeout_seconds\": 120"
before=$(everything)
stage ''
while IFS='|' read -r service call says <&3; do
	[[ -n $service && "$service $call" == *"$word"* ]] || continue
	stays "$service" "$call" "$says"
	goes_on "$service" "$call"
	cases=$((cases + 2))
done 3<<<"$table"
[ "$cases" != 0 ] || fail "no case has the word $word"
say "$cases times a service stood still: each sync ended, and nothing is left"
