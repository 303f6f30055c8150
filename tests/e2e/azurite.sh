# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# Microsoft's emulator of Blob storage (npm package azurite) with TLS, for tests of blobs; sourced instead of lib.sh. A
# booted worker reaches it as 10.0.2.2. store_call is a client of its own: openssl signs, curl asks.
# shellcheck disable=SC2034 # variables for those who source it
# shellcheck source=tests/e2e/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
requires node npm curl openssl xxd jq qemu-img

azurite_version=3.35.0
azurite_home=${WHERRY_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/wherry}/azurite-$azurite_version
store_host=127.0.0.1     # where it listens; set it before start_store
account=devstoreaccount1 # Azurite's own, with its published key
account_key=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==

# Once, by name and version from the npm registry; two tests may come at the same time.
install_azurite() {
	(
		mkdir -p "$(dirname "$azurite_home")"
		exec 9>"$azurite_home.lock"
		flock 9
		[ ! -e "$azurite_home/ready" ] || exit 0
		mkdir -p "$azurite_home"
		npm install --prefix "$azurite_home" --no-audit --no-fund --ignore-scripts --silent \
			"azurite@$azurite_version" && touch "$azurite_home/ready"
	) >"$work/npm.log" 2>&1 || { echo "azurite cannot be installed with npm: $(tail -n 1 "$work/npm.log")"; exit 77; }
}

make_certificates() {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$work/ca.key" -out "$work/ca.pem" \
		-subj '/CN=Test authority' -days 2 2>/dev/null
	openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$work/store.key" -out "$work/store.csr" \
		-subj '/CN=store' 2>/dev/null
	openssl x509 -req -in "$work/store.csr" -CA "$work/ca.pem" -CAkey "$work/ca.key" -CAcreateserial -days 2 \
		-out "$work/store.pem" -extfile <(echo 'subjectAltName=IP:127.0.0.1,IP:10.0.2.2,IP:'"$store_host") 2>/dev/null
}

store_pids=()
kill_store() {
	local p
	for p in "${store_pids[@]}"; do kill -KILL "$p" 2>/dev/null || :; done
}
cleanup_fns+=(kill_store)

# start_store: Azurite on a port of its own; $endpoint, and the environment for wherry and the tools below
start_store() {
	local tries
	install_azurite
	make_certificates
	mkdir -p "$work/store"
	: >"$work/azurite.log"
	node "$azurite_home/node_modules/.bin/azurite-blob" --blobHost "$store_host" --blobPort 0 --location "$work/store" \
		--cert "$work/store.pem" --key "$work/store.key" --disableTelemetry >"$work/azurite.log" 2>&1 &
	store_pids+=("$!")
	disown
	for ((tries = 0; tries < 300; tries++)); do
		port=$(sed -n 's/.*listens on https:\/\/'"$store_host"':\([0-9]*\).*/\1/p' "$work/azurite.log")
		[ -z "$port" ] || break
		sleep 0.1
	done
	[ -n "$port" ] || { cat "$work/azurite.log"; fail 'Azurite does not start'; }
	endpoint=https://$store_host:$port/$account
	export AZURE_STORAGE_KEY=$account_key SSL_CERT_FILE=$work/ca.pem
}

# start_proxy SCRIPT: store_proxy.js before the store; its port in $proxy, what it saw in $work/seen
start_proxy() {
	local tries
	: >"$work/proxy.out"
	: >"$work/seen"
	node "$top/tests/e2e/store_proxy.js" "$work" "$port" "$1" >"$work/proxy.out" 2>&1 &
	store_pids+=("$!")
	disown
	for ((tries = 0; tries < 100; tries++)); do
		proxy=$(sed -n 's/^port //p' "$work/proxy.out")
		[ -z "$proxy" ] || return 0
		sleep 0.1
	done
	fail "$(cat "$work/proxy.out")"
}

hmac() { # what the account's key signs of stdin, base64
	openssl dgst -sha256 -mac HMAC -macopt "hexkey:$(base64 -d <<<"$account_key" | xxd -p -c 256)" -binary | base64 -w0
}

# store_call METHOD /CONTAINER/BLOB [QUERY] [x-ms-HEADER:VALUE]... [@FILE]: the body to stdout, the head to $work/head.
# QUERY: name=value&..., in the order of the names
store_call() {
	local method=$1 path=/$account$2 query=${3:-} file='' length='' headers=() arg
	shift 2
	[ $# = 0 ] || shift
	for arg in "$@"; do
		case $arg in
		@*) file=${arg#@} length=$(stat -c %s "${arg#@}") ;;
		*) headers+=("$arg") ;;
		esac
	done
	headers+=("x-ms-date:$(date -u '+%a, %d %b %Y %H:%M:%S GMT')" x-ms-version:2019-07-07)
	mapfile -t headers < <(printf '%s\n' "${headers[@]}" | sort)
	local signature options=(-sS --fail --cacert "$work/ca.pem" -D "$work/head" -X "$method" -H 'Content-Type:')
	signature=$({
		printf '%s\n\n\n%s\n\n\n\n\n\n\n\n\n' "$method" "$length"
		printf '%s\n' "${headers[@]}"
		printf '/%s%s' "$account" "$path"
		[ -z "$query" ] || printf '\n%s' "$query" | sed 's/&/\n/g; s/=/:/g'
	} | hmac)
	for arg in "${headers[@]}"; do options+=(-H "$arg"); done
	[ "$method" != HEAD ] || options+=(-I)
	if [ -n "$file" ]; then options+=(--data-binary "@$file"); elif [ "$method" = PUT ]; then options+=(-H 'Content-Length: 0'); fi
	curl "${options[@]}" -H "Authorization: SharedKey $account:$signature" "https://$store_host:$port$path${query:+?$query}"
}
header() { sed -n "s/^$1: \(.*\)\r$/\1/Ip" "$work/head"; } # of the last store_call

# sas BLOB PERMISSIONS: a token of an hour for disks/BLOB
sas() {
	local expiry signature
	expiry=$(date -u -d '+1 hour' +%Y-%m-%dT%H:%M:%SZ)
	signature=$(printf '%s\n\n%s\n/blob/%s/disks/%s\n\n\nhttps\n2019-07-07\nb\n\n\n\n\n\n' "$2" "$expiry" "$account" "$1" | hmac |
		sed 's/+/%2B/g; s,/,%2F,g; s/=/%3D/g')
	echo "sv=2019-07-07&sr=b&sp=$2&se=${expiry//:/%3A}&spr=https&sig=$signature"
}

# store_job FILE [ENDPOINT [JQ]]: the job of two_clouds with the store as its target, as a filter of jq changes it, is $job now
store_job() {
	jq --arg e "${2:-$endpoint}" '.target = {provider: "blob", storage_account_name: "devstoreaccount1",
		storage_container_name: "disks", endpoint: $e}'"${3:+ | $3}" "$job" >"$work/$1"
	job=$work/$1
}

# What the container holds, one line each.
listed() {
	store_call GET /disks 'comp=list&include=snapshots,metadata&restype=container' |
		sed 's/<Blob>/\n/g' | sed -n 's/^<Name>\([^<]*\)<.*/\1/p' | sort
}

# watch_argv [SECRET...]: notes in $work/argv every process that has one, or a token for a blob, in its arguments, from now on
watch_argv() {
	printf '%s\n' 'sr=b&sp=' "$@" >"$work/patterns"
	: >"$work/argv"
	while sleep 0.1; do
		grep -laF -f "$work/patterns" /proc/[0-9]*/cmdline >>"$work/argv" 2>/dev/null || :
	done &
	store_pids+=("$!")
	disown
}

# no_secrets PATH...: neither the key, nor a signature that Azurite has ever seen, as it is or encoded, stands anywhere in these
# files, nor stood in the list of processes (watch_argv)
no_secrets() {
	grep -oE 'sig=[^& "]+' "$work/azurite.log" | sed 's/^sig=//' | sort -u >"$work/signatures"
	[ -s "$work/signatures" ] || fail 'Azurite has seen no token: this shows nothing'
	{
		echo "$account_key"
		cat "$work/signatures"
		sed 's/%2B/+/gI; s,%2F,/,gI; s/%3D/=/gI' "$work/signatures"
	} >"$work/secrets"
	! grep -rlaF -f "$work/secrets" "$@" || fail 'a secret was written down'
	[ -e "$work/argv" ] && [ ! -s "$work/argv" ] || fail "a secret was in the list of processes: $(sort -u "$work/argv" | head -n 3)"
}

# fill_with_ff BLOB MIB: the first MIB of it, in pages of 4 MiB; it must not be leased
fill_with_ff() {
	local at
	head -c 4194304 /dev/zero | tr '\0' '\377' >"$work/ff"
	for ((at = 0; at < $2; at += 4)); do
		store_call PUT "/disks/$1" comp=page x-ms-page-write:update \
			"x-ms-range:bytes=$((at << 20))-$(((at + 4 << 20) - 1))" "@$work/ff"
	done
}

# same_as_blob BLOB RAW: every byte, by curl and qemu-img, and that it is a VHD of whole MiB
same_as_blob() {
	local size
	store_call GET "/disks/$1" >"$work/blob.vhd"
	size=$(qemu-img info -f vpc --output=json "$work/blob.vhd" | jq '."virtual-size"')
	[ "$size" = $((($(stat -c %s "$2") + 1048575) / 1048576 * 1048576)) ] || fail "qemu-img finds $size bytes in $1"
	qemu-img compare -q -f raw -F vpc "$2" "$work/blob.vhd" >/dev/null || fail "$1 differs from $2"
	rm "$work/blob.vhd"
}
