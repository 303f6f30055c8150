#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# TIMEOUT: 14400
#
# SIGKILL of wherry after a call that changes the cloud, when the cloud has done it and wherry has not heard of it, for every
# such call of a first sync, of a second one and of a promotion. PARTS="first second promotion": only those; POINTS=N: only N
# calls of each, spread evenly. A proxy in front of the cloud names the calls and kills (record.py). After each, `wherry
# cleanup` must leave nothing but the replica by the cloud's own lists, and `wherry cleanup --discard` what was there before
# the job; what only looks like ours is there the whole time and stays as it is. LAB: lib.sh.

# shellcheck source=tests/clouds/openstack/lib.sh
. "$(dirname "$0")/lib.sh"
points=${POINTS:-} job=$work/shop.json killed=0

# changes_of COMMAND...: the names of all calls that change something in a run that is left alone, in $work/points
changes_of() {
	start_proxy
	wherry "$@" >"$work/whole" 2>&1 || fail "wherry $* failed: $(tail -n 2 "$work/whole")"
	sed -n 's/^! //p' "$work/calls" | awk -v most="$points" '{ all[NR] = $0 }
		END { if (!most || most > NR) most = NR; for (i = 1; i <= most; i++) print all[int(i * NR / most)] }' >"$work/points"
	say "$(grep -c '^!' "$work/calls") calls change something in wherry $1; killed after $(wc -l <"$work/points")"
}

# kill_after CALL COMMAND...: then cleans up
kill_after() {
	local rc=0 call=$1
	shift
	start_proxy after "$call" "kill -KILL \$(cat $work/pid)"
	wherry_bg "$@" >"$work/killed" 2>&1 &
	echo "$!" >"$work/pid"
	wait "$!" 2>/dev/null || rc=$?
	[ "$rc" = 137 ] || fail "wherry $1 was not killed after $call: exit status $rc, $(tail -n 2 "$work/killed")"
	killed=$((killed + 1))
	start_proxy
	wherry cleanup >"$work/cleaned" 2>&1 || fail "cleanup after $call: $(tail -n 2 "$work/cleaned")"
}

unchanged() { # WHAT BEFORE
	[ "$(everything)" = "$2" ] || fail "$1 left: $(diff <(echo "$2") <(everything))"
}

# at_most_replica BEFORE: a run that died early has made none of it, or one disk
at_most_replica() {
	local more
	more=$(more_than "$1" | grep -vE '^(volume wherry-shop-disk[01] available|snapshot wherry-shop-gen[0-9]*-disk[01] available)$' || :)
	[ -z "$more" ] || fail "after $point is left: $more"
}

without_ids() { everything | sed 's/ [^ ]*$//; s/-gen[0-9]*-/-gen-/'; }

# A promotion that nobody heard of has ended well. And the machine may have been asked for when the replica was handed over: then
# a sync says what it holds.
promote_again() {
	wherry promote "$job" >"$work/whole" 2>&1 || grep -q 'was promoted already' "$work/whole" ||
		{ grep -q 'is DIRTY' "$work/whole" && sync_job "$job" && wherry promote "$job" >"$work/whole" 2>&1; }
}

# What has our names but other tags, or none: of nobody, and of another state directory.
decoys() {
	local tags='wherry1 o=somebody-else j=shop r=20260101-000000-0000 e=1 p=scaffold x=0 g=0 d=0'
	{
		mover volume create --size 1 wherry-shop-clone0-0000
		mover volume create --size 1 --property "wherry=$tags n=wherry-shop-clone1-0000" wherry-shop-clone1-0000
		mover security group create --description "$tags n=wherry-shop-import-0000" wherry-shop-import-0000
		mover port create --network net1 --description "$tags n=wherry-shop-export-0000" wherry-shop-export-0000
	} >/dev/null
	wait_for available mover volume show wherry-shop-clone0-0000 -f value -c status
	wait_for available mover volume show wherry-shop-clone1-0000 -f value -c status
}

kill_first() {
	stage 'first sync'
	changes_of sync "$job"
	only_replica "$before"
	wherry cleanup --discard "$job" >/dev/null
	unchanged 'discarding' "$before"
	while read -r point <&3; do
		kill_after "$point" sync "$job"
		at_most_replica "$before"
		wherry cleanup --discard "$job" >"$work/cleaned" 2>&1 || fail "discarding after $point: $(tail -n 2 "$work/cleaned")"
		unchanged "discarding after $point" "$before"
		say "$SECONDS s: killed after $point: nothing is left"
	done 3<"$work/points"
}

kill_second() {
	stage 'second sync'
	start_proxy
	sync_job "$job"
	changes_of sync "$job"
	while read -r point <&3; do
		kill_after "$point" sync "$job"
		only_replica "$before"
		say "$SECONDS s: killed after $point: only the replica is left"
	done 3<"$work/points"
}

kill_promotion() {
	stage 'promotion'
	start_proxy
	# Their generations are counted from the first one, as after each kill.
	[ "$(everything)" = "$before" ] || wherry cleanup --discard "$job" >/dev/null
	sync_job "$job"
	changes_of promote "$job"
	replica=$(without_ids)
	mover server delete --wait shop-there
	wherry cleanup --discard "$job" >/dev/null
	unchanged 'discarding' "$before"
	start_proxy
	sync_job "$job"
	while read -r point <&3; do
		kill_after "$point" promote "$job"
		say "$SECONDS s: killed after $point: $(more_than "$before" | xargs)"
		start_proxy
		promote_again || fail "promote after a kill after $point: $(tail -n 2 "$work/whole")"
		[ "$(without_ids)" = "$replica" ] || fail "promoted again: $(diff <(echo "$replica") <(without_ids))"
		mover server delete --wait shop-there
		wherry cleanup --discard "$job" >/dev/null
		unchanged 'discarding' "$before"
		sync_job "$job"
	done 3<"$work/points"
}

stage 'lab'
start_lab
stage 'a server, off, and things that look like ours'
make_still_server
decoys
before=$(everything)

for part in ${PARTS:-first second promotion}; do "kill_$part"; done
stage ''
say "$killed kills: nothing is left of any, and nothing else was touched"
