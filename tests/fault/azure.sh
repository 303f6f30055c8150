#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# TIMEOUT: 36000
#
# azure.sh seeds FIRST COUNT       schedules of faults against the test cloud (tests/fakes/arm), each drawn from its seed: three
#                                  faults at calls that a run without faults makes. Half of the seeds disturb a first sync, a
#                                  quarter a second one, a quarter a promotion; every fifth draws from all faults, the others
#                                  from those that pass and that a client must overcome
# azure.sh kills WHAT [N...]       wherry is killed after the Nth call of WHAT (sync, again, promote) that changes something,
#                                  before it learns the answer; without N for every such call, which the cloud counts
# azure.sh cases NAME...           these: seed-N, kill-sync-N, kill-again-N, kill-promote-N
# azure.sh all                     500 seeds (80 with a Hub, 20 with really booted workers), and all kills
# SEED=N azure.sh                  the schedule of one seed again; with RULES=FILE exactly that one, of those that a case left behind
#
# After each: `wherry cleanup`, and the cloud holds what it held before but for replicas, baselines and kept generations, by
# its own inventory, and no machine of ours; the foreign disks have their bytes; what was disturbed succeeds when it is done
# again, and the replicas equal the source by cmp. What failed says why in a sentence. No secret that the cloud gave out or was
# given is in the journal, in what wherry wrote, or in the arguments of a process. Of the seeds with faults that pass, 95 of 100
# must succeed by themselves.
#
# Workers are processes of this host; BOOT=1 boots them from the image instead. HUB=1: the cloud is an Azure Stack Hub. JOBS of
# them (default 4) go on at once: mostly they wait. Each is in a network namespace of its own with a cloud of its own.

self=$(realpath "$0")
: "${SEED:=}" "${RULES:=}" "${BOOT:=}" "${HUB:=}" "${JOBS:=4}"
if [ "${1:-}" = case ] && [ -z "${IN_NAMESPACE:-}" ]; then
	IN_NAMESPACE=1 exec unshare --map-root-user --net "$self" "$@"
fi
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$self")/../e2e/lib.sh"
# shellcheck source=tests/clouds/azure/cloud.sh
. "$top/tests/clouds/azure/cloud.sh"
requires python3 openssl jq curl ip xargs
unshare --user --map-root-user --net true 2>/dev/null || { echo 'needs user and network namespaces'; exit 77; }

# ---- one case, in its namespace

end_of() { # GROUP MACHINE
	jq -n --arg arm "$ARM_ENDPOINT" --arg group "$1" --arg machine "$2" --arg hub "$HUB" \
		--arg lab "/subscriptions/$AZURE_SUBSCRIPTION_ID/resourceGroups/lab" '
		{provider: "azure", cloud: $arm, location: "westeurope", resource_group: $group, machine: $machine,
		 export_worker_size: "Standard_D2s_v3", export_worker_image: "wherry/worker/worker/1.0.0",
		 subnet_id: "\($lab)/providers/Microsoft.Network/virtualNetworks/net/subnets/a"} +
		if $hub != "" then {location: "local", export_worker_size: "Standard_DS1_v2", disk_sku: "Standard_LRS",
			export_worker_image: "\($lab)/providers/Microsoft.Compute/images/worker", storage_account_name: "lab"} else {} end'
}

fresh_cloud() {
	local args=(--public-net 198.51.100.0/24 --scale 0.02 --seed-file "$base/seed.json")
	[ -n "$BOOT" ] || args+=(--worker "$BUILD/wherry-worker")
	[ -z "$HUB" ] || args+=(--hub)
	ip link set lo up
	ip route add local 198.51.100.0/24 dev lo
	ip route add local 10.20.0.0/16 dev lo
	mkdir "$work/cloud"
	cp "$base"/certs/* "$work/cloud" 2>/dev/null || :
	cp "$base/d0" "$base/d1" "$work"
	start_cloud "$work/cloud" "${args[@]}"
	before=$(ask_cloud inventory)
	jq -n --argjson source "$(end_of lab shop)" --argjson target "$(end_of "$([ -n "$HUB" ] && echo lab || echo replica)" shop-there)" \
		'{job: "t", source: $source, target: $target, options: {chunk_size: "64K", worker_timeout_seconds: 600}}' >"$work/job.json"
}

# run WORDS...: `wherry` with the most to say; its status, and what it said in $work/told
run() {
	local rc=0
	{ timeout 900 "$BUILD/wherry" --state-dir "$work/state" --verbose "$@" "$work/job.json" >"$work/told" 2>&1; } 2>/dev/null || rc=$?
	cat "$work/told" >>"$work/all"
	return "$rc"
}
rules() { # JSON
	echo "$1" >"$work/rules"
	ask_cloud rules "$work/rules" >"$work/none"
}
disk_file() { jq -r --arg tail "/disks/$1" 'to_entries[] | select(.key | endswith($tail)) | .value' "$work/files"; }

wrong() { # WORDS
	tail -n 15 "$work/told"
	mkdir -p "$BUILD/test-logs/$name"
	cp -r "$work/cloud/records" "$work/all" "$work/job.json" "$work/cloud.log" "$work/rules" "$BUILD/test-logs/$name" 2>/dev/null || :
	fail "$name: $* (see $BUILD/test-logs/$name)"
}

# The cloud's own word, after $what ended well (promoted: its machine stays) or was cleaned up.
nothing_left() { # [promoted]
	local left kept=' p=replica \| p=baseline \| p=generation ' machines='{"deallocated":1}'
	[ -z "${1:-}" ] || kept+='\| p=target ' machines='{"deallocated":1,"running":1}'
	left=$(ask_cloud inventory | grep -v "$kept" || :)
	[ "$left" = "$before" ] || wrong "the cloud holds other things than before: $(diff <(echo "$before") <(echo "$left") || :)"
	[ "$(ask_cloud running | jq -Sc .)" = "$machines" ] || wrong "machines: $(ask_cloud running)"
}

# The replicas, and the foreign disks, against the files they were made from.
same_bytes() {
	local n
	ask_cloud files >"$work/files"
	for n in 0 1; do
		cmp "$work/d$n" "$(disk_file "shop-$n")" || wrong "the source's disk $n was touched"
		cmp -n "$(stat -c %s "$work/d$n")" "$work/d$n" "$(disk_file "wherry-t-disk$n")" || wrong "replica $n differs"
	done
}

# Every command line that is seen in this namespace, for as long as it is not stopped.
watch_arguments() {
	local p words
	local -A seen others
	while sleep 0.3; do
		for p in /proc/[0-9]*; do
			[ -z "${others[$p]:-}" ] || continue
			[ "$p/ns/net" -ef /proc/self/ns/net ] || { others[$p]=1; continue; }
			mapfile -d '' words <"$p/cmdline" || continue
			[ -z "${seen["${words[*]:-none}"]:-}" ] || continue
			seen["${words[*]:-none}"]=1
			echo "${words[*]}" >>"$work/arguments"
		done
	done 2>/dev/null
}

stop_watcher() { kill "$watcher" 2>/dev/null || :; }

no_secrets() {
	{ ask_cloud secrets | jq -r '.[]' && echo '&sig='; } >"$work/secrets"
	[ "$(wc -l <"$work/secrets")" -ge 4 ] || wrong 'the cloud names no secrets'
	grep -q 'wherry.*--verbose' "$work/arguments" || wrong 'no command line was seen'
	! grep -raFf "$work/secrets" --exclude=keys "$work/state" "$work/all" "$work/arguments" "$work/job.json" || wrong 'a secret was written'
}

change_source() {
	ask_cloud files >"$work/files"
	poke "$(disk_file shop-0)" $((1 << 20)) more
	cp "$(disk_file shop-0)" "$work/d0"
}
prepare_case() { # sync, again, promote: to where that is to be disturbed
	[ "$1" != sync ] || return 0
	run sync || wrong 'the sync before it failed'
	[ "$1" != again ] || change_source
}
do_it() { if [ "$1" = promote ]; then run promote; else run sync; fi; }

# A promotion may have come to its end unheard, or its machine may have written to the replica, which is then synced first.
do_it_again() { # WHAT
	do_it "$1" || { [ "$1" = promote ] && grep -q 'was promoted already' "$work/told"; } ||
		{ [ "$1" = promote ] && grep -q 'is DIRTY' "$work/told" && run sync && run promote; }
}

# What holds after sync, again or promote ended with a status.
afterwards() { # WHAT RC
	local done=''
	[ "$1" != promote ] || done=promoted
	[ "$2" -lt 124 ] || [ "$2" = 137 ] || wrong "it ended with status $2"
	[ "$2" = 0 ] || [ "$2" = 137 ] || grep -q '[a-z] [a-z]* [a-z]' <<<"$(tail -n 1 "$work/told")" || wrong 'it failed without a sentence'
	[ "$2" != 0 ] || nothing_left "$done" # what succeeded took away what it made
	rules '[]'
	run cleanup || wrong 'cleanup failed'
	if [ "$2" != 0 ]; then
		# Of a promotion all is there or nothing.
		nothing_left "$(grep -o -m 1 'p=target' <<<"$(ask_cloud inventory)" || :)"
		do_it_again "$1" || wrong 'done again, it failed'
		run cleanup || wrong 'cleanup failed'
	fi
	nothing_left "$done"
	no_defects
	no_secrets
	same_bytes
}

# What is kept for hints is told with what it costs: the 5 MiB of both disks.
costs_are_told() {
	local status plan
	status=$("$BUILD/wherry" --state-dir "$work/state" status "$work/job.json")
	plan=$("$BUILD/wherry" --state-dir "$work/state" plan "$work/job.json")
	grep -q 'baselines    2 snapshots kept for the next sync: about 5\.0 MiB used, of 5\.0 MiB' <<<"$status" || wrong "status: $status"
	grep -q 'until the next sync: about 5\.0 MiB used' <<<"$plan" || wrong "plan: $plan"
}

plain_case() { # what calls are made without faults
	local what
	fresh_cloud
	for what in sync again promote; do
		[ "$what" != again ] || change_source
		rules '[]' # which counts anew
		do_it "$what" || wrong "$what failed"
		ask_cloud calls >"$base/$what.json"
		[ "$what" != again ] || [ -n "$HUB" ] || costs_are_told
	done
	afterwards promote 0
	mkdir -p "$base/certs"
	cp "$work"/cloud/ca.pem "$work"/cloud/server.* "$base/certs"
}

seed_case() { # SEED
	local rc=0 what=sync kind=transient
	case $(($1 % 4)) in 1) what=again ;; 3) what=promote ;; esac
	[ $(($1 % 5)) != 0 ] || kind=any
	fresh_cloud
	prepare_case "$what"
	jq --argjson seed "$1" --arg kind "$kind" '{seed: $seed, count: 3, transient: ($kind == "transient"), calls: map(.call)}' \
		"$base/$what.json" >"$work/schedule"
	ask_cloud schedule "$work/schedule" >"$work/rules"
	[ -z "$RULES" ] || rules "$(jq 'map(del(.seen, .hit))' "$RULES")"
	do_it "$what" || rc=$?
	echo "seed $1, $what, $kind: $(jq -r 'map("\(.call) #\(.nth) x\(.times): \(.fault)") | join("; ")' "$work/rules")"
	[ "$rc" = 0 ] || echo "   status $rc: $(tail -n 1 "$work/told")"
	afterwards "$what" "$rc"
	echo "$kind $([ "$rc" = 0 ] && echo success || echo error)" >>"$base/ends"
}

kill_case() { # WHAT N
	local rc=0
	fresh_cloud
	prepare_case "$1"
	rules "[{\"call\": \"*\", \"mutating\": true, \"nth\": $2, \"fault\": \"kill\"}]"
	do_it "$1" || rc=$?
	[ "$rc" = 137 ] || wrong "wherry was not killed but ended with status $rc"
	echo "$1, killed after call $2: $(ask_cloud calls | jq -r 'map(select(.mutating))[-1].call')"
	afterwards "$1" "$rc"
}

one_case() { # NAME: seed-12, kill-sync-3, plain
	local kind n
	name=azure-$1
	watch_arguments &
	watcher=$!
	cleanup_fns+=(stop_watcher)
	IFS=- read -r kind what n <<<"$1"
	"${kind}_case" "$what" "$n"
}

# ---- all of them

names() { # seeds FIRST COUNT | kills WHAT [N...] | cases NAME... | replay
	case $1 in
	seeds) seq -f 'seed-%.0f' "$2" $(($2 + $3 - 1)) ;;
	kills) if [ $# -gt 2 ]; then printf "kill-$2-%s\n" "${@:3}"; else
		seq -f "kill-$2-%.0f" "$(jq 'map(select(.mutating)) | length' "$base/$2.json")"; fi ;;
	cases) printf '%s\n' "${@:2}" ;;
	replay) echo "seed-$SEED" ;;
	esac
}

prepare_base() {
	local image=$BUILD/image/wherry.vhd
	base=$work
	if [ -z "$BOOT" ]; then
		image=$base/image
		truncate -s 1M "$image"
	fi
	filled "$base/d0" 3 zero
	filled "$base/d1" 2 one
	if [ -n "$HUB" ]; then
		{ hub_seed "$image" && storage_seed local && machine_seed local shop Standard_DS1_v2 OFF "$base/d0" "$base/d1"; }
	else
		{ public_seed "$image" && machine_seed westeurope shop Standard_D2s_v3 OFF "$base/d0" "$base/d1" &&
			echo '[{"path": "~/resourceGroups/replica", "body": {"location": "westeurope"}}]'; }
	fi | jq -s add >"$base/seed.json"
	"$self" case "$base" plain || fail 'without faults it fails'
	touch "$base/ends" "$base/failed"
}

# Each case prints what it did when it is over.
all_cases() { # NAMES on stdin
	# shellcheck disable=SC2016 # it is the inner shell's
	xargs -P "$JOBS" -I{} sh -c 'out=$("$0" case "$1" {} 2>&1) || echo {} >>"$1/failed"; echo "$out"' "$self" "$base" </dev/stdin
}

judge() { # COUNT
	local failed kind all good
	failed=$(wc -l <"$base/failed")
	for kind in transient any; do
		all=$(grep -c "^$kind " "$base/ends" || :) good=$(grep -c "^$kind success" "$base/ends" || :)
		[ "$all" = 0 ] || say "$kind faults: $good of $all succeeded by themselves, $((all - good)) ended with an error"
		[ "$kind" = any ] || [ $((good * 100)) -ge $((all * 95)) ] || echo share >>"$base/failed"
	done
	[ "$failed" = 0 ] || echo "failed: $(sort -V "$base/failed" | paste -sd ' ')"
	echo "$(($1 - failed)) passed, $failed failed"
	[ ! -s "$base/failed" ]
}

part() { env "$@" | tee -a "$work/parts"; } # [VARIABLE=VALUE...] COMMAND...

what=${1:-${SEED:+replay}}
case $what in
case)
	base=$2
	one_case "$3"
	;;
seeds | kills | cases | replay)
	prepare_base
	shift "$(($# > 0))"
	names "$what" "$@" >"$base/names"
	all_cases <"$base/names"
	judge "$(wc -l <"$base/names")"
	;;
all)
	bad=0
	part "$self" seeds 1 400 || bad=1
	part HUB=1 "$self" seeds 401 80 || bad=1
	part BOOT=1 JOBS=2 "$self" seeds 481 20 || bad=1
	for what in sync again promote; do part "$self" kills "$what" || bad=1; done
	awk '/^[0-9]+ passed, [0-9]+ failed$/ { p += $1; f += $3 } END { print p " passed, " f " failed" }' "$work/parts"
	exit "$bad"
	;;
*) sed -n '5,/^$/ s/^# \?//p' "$self"; exit 2 ;;
esac
