#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# TIMEOUT: 36000
#
# azure.sh seeds FIRST COUNT [all]   syncs of a 2-disk machine in the test cloud, each with three faults drawn from a seed:
#                                    such as a client must overcome, or with `all` also lasting ones
# azure.sh kills [FIRST [LAST]]      wherry is killed after the Nth call that changes something, before it learns the
#                                    answer; for every N of a run, which the cloud counts
#
# After each: `wherry cleanup`, and the cloud holds what it held before but for replicas, baselines and kept generations, by its
# own inventory, and no machine of ours; the foreign disks have their bytes; a sync that follows succeeds, and then the
# replicas equal the source by cmp. A sync that failed says why in a sentence. No secret is in what wherry wrote. Of the
# seeds with faults that pass, 95 of 100 must succeed by themselves.
#
# Workers are processes of this host; BOOT=1 boots them from the image instead. Everything is in a network namespace of its own.

if [ -z "${IN_NAMESPACE:-}" ]; then
	IN_NAMESPACE=1 exec unshare --map-root-user --net "$0" "$@"
fi
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/../e2e/lib.sh"
# shellcheck source=tests/clouds/azure/cloud.sh
. "$top/tests/clouds/azure/cloud.sh"
requires python3 openssl jq curl ip
what=${1:-} first=${2:-1}
ip link set lo up
ip route add local 198.51.100.0/24 dev lo
ip route add local 10.20.0.0/16 dev lo

cloud_args=(--public-net 198.51.100.0/24 --scale 0.02)
image=$BUILD/image/wherry.vhd
if [ -z "${BOOT:-}" ]; then
	cloud_args+=(--worker "$BUILD/wherry-worker")
	truncate -s 1M "$work/image"
	image=$work/image
fi
filled "$work/d0" 3 zero
filled "$work/d1" 2 one
{
	public_seed "$image"
	machine_seed westeurope shop Standard_D2s_v3 OFF "$work/d0" "$work/d1"
	echo '[{"path": "~/resourceGroups/replica", "body": {"location": "westeurope"}}]'
} | jq -s add >"$work/seed.json"

end_of() { # GROUP MACHINE
	jq -n --arg arm "$ARM_ENDPOINT" --arg group "$1" --arg machine "$2" --arg lab "/subscriptions/$AZURE_SUBSCRIPTION_ID/resourceGroups/lab" '
		{provider: "azure", cloud: $arm, location: "westeurope", resource_group: $group, machine: $machine,
		 export_worker_size: "Standard_D2s_v3", export_worker_image: "wherry/worker/worker/1.0.0",
		 subnet_id: "\($lab)/providers/Microsoft.Network/virtualNetworks/net/subnets/a"}'
}

fresh_cloud() { # [ARGS...]
	rm -rf "$work/cloud" "$work/state"
	start_cloud "$work/cloud" --seed-file "$work/seed.json" "${cloud_args[@]}" "$@"
	before=$(ask_cloud inventory)
	jq -n --argjson source "$(end_of lab shop)" --argjson target "$(end_of replica shop)" \
		'{job: "t", source: $source, target: $target, options: {chunk_size: "64K"}}' >"$work/job.json"
}

sync_once() { timeout 300 "$BUILD/wherry" --state-dir "$work/state" sync "$work/job.json" >"$work/told" 2>&1; }
no_faults() {
	echo '[]' >"$work/none"
	ask_cloud rules "$work/none" >"$work/none.told"
}
disk_file() { ask_cloud files | jq -r --arg tail "/$1" 'to_entries[] | select(.key | endswith($tail)) | .value'; }

wrong() { # WORDS: of this case
	cat "$work/told" "$work/clean" 2>/dev/null | tail -n 20
	cp -r "$work/cloud/records" "$BUILD/test-logs/azure-records.$$" 2>/dev/null || :
	fail "$name: $*"
}

clean_up() {
	timeout 120 "$BUILD/wherry" --state-dir "$work/state" cleanup "$work/job.json" >"$work/clean" 2>&1 || wrong "cleanup failed with $?"
	nothing_left
	no_defects
}

nothing_left() {
	local left
	left=$(ask_cloud inventory | grep -v ' p=replica \| p=baseline \| p=generation ' || :)
	[ "$left" = "$before" ] || wrong "the cloud holds other things than before: $(diff <(echo "$before") <(echo "$left") || :)"
	[ "$(ask_cloud running | jq -c .)" = '{"deallocated":1}' ] || wrong "machines are left: $(ask_cloud running)"
}

# The replicas, and the foreign disks, against the files they were made from.
same_bytes() {
	local n
	for n in 0 1; do
		cmp "$work/d$n" "$(disk_file "shop-$n")" || wrong "the source's disk $n was touched"
		cmp -n "$(stat -c %s "$work/d$n")" "$work/d$n" "$(disk_file "wherry-t-disk$n")" || wrong "replica $n differs"
	done
}

no_secrets() {
	! grep -rqaF -e "$AZURE_CLIENT_SECRET" -e '&sig=' -e 'Bearer ey' "$work/state" "$work/told" "$work/clean" || wrong 'a secret was written'
}

# What holds after a sync that ended with status RC.
afterwards() { # RC
	[ "$1" -lt 124 ] || [ "$1" = 137 ] || wrong "sync ended with status $1"
	[ "$1" = 0 ] || [ "$1" = 137 ] || grep -q '[a-z] [a-z]* [a-z]' <<<"$(tail -n 1 "$work/told")" || wrong 'sync failed without a sentence'
	[ "$1" != 0 ] || nothing_left # a sync that succeeded took away what it made
	no_faults
	clean_up
	no_secrets
	if [ "$1" != 0 ]; then
		sync_once || wrong "the next sync failed"
		clean_up
	fi
	same_bytes
	stop_cloud
}

plain_run() {
	name='without faults'
	fresh_cloud
	sync_once || wrong "sync failed"
	ask_cloud calls >"$work/calls.json"
	afterwards 0
}

seeds() { # FIRST COUNT [all]
	local seed rc good=0 kind=(--transient)
	[ "${3:-}" != all ] || kind=()
	for ((seed = $1; seed < $1 + $2; seed++)); do
		name="seed $seed"
		fresh_cloud --fault-seed "$seed" --fault-calls "$work/calls.json" "${kind[@]}"
		sed 's/^fault //' "$work/cloud.log" | paste -sd ';'
		rc=0
		sync_once || rc=$?
		if [ "$rc" = 0 ]; then good=$((good + 1)); else echo "   status $rc: $(tail -n 1 "$work/told")"; fi
		afterwards "$rc"
	done
	say "$2 schedules from seed $1 on: $good syncs succeeded, nothing was left by any"
	[ "${3:-}" = all ] || [ $((good * 100)) -ge $(($2 * 95)) ] || fail "only $good of $2 syncs with faults that pass succeeded"
}

kills() { # FIRST [LAST]
	local n rc last
	last=$(jq 'map(select(.mutating)) | length' "$work/calls.json")
	[ "${2:-$last}" -ge "$last" ] || last=$2
	for ((n = $1; n <= last; n++)); do
		name="kill $n"
		fresh_cloud
		echo "[{\"call\": \"*\", \"mutating\": true, \"nth\": $n, \"fault\": \"kill\"}]" >"$work/rules.json"
		ask_cloud rules "$work/rules.json" >"$work/none.told"
		rc=0
		sync_once || rc=$?
		[ "$rc" = 137 ] || wrong "wherry was not killed but ended with status $rc"
		echo "kill $n of $last: after $(ask_cloud calls | jq -r 'map(select(.mutating))[-1].call')"
		afterwards "$rc"
	done
	say "killed after each of the calls $1 to $last: nothing was left, and the next sync succeeded"
}

mkdir -p "$BUILD/test-logs"
case $what in
seeds | kills)
	plain_run
	"$what" "$first" "${@:3}"
	;;
*) sed -n 's/^# \(azure.sh .*\)/\1/p' "$0"; exit 2 ;;
esac
