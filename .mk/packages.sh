#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# packages.sh [LIST]: install the Debian packages of .mk/packages.list that this machine lacks. Says what it does;
# silent and quick when nothing is missing. Needs root or sudo only when something is missing. PACKAGE=COMMAND: wanted only
# where that command is not there, from whatever package.

set -eu
list=${1:-$(dirname "$0")/packages.list}
wanted=''
for p in $(sed 's/#.*//' "$list"); do
	case $p in
	*=*) command -v "${p#*=}" >/dev/null || wanted="$wanted ${p%=*}" ;;
	*) wanted="$wanted $p" ;;
	esac
done

if ! command -v dpkg-query >/dev/null; then
	echo "  NOTE    this is no Debian machine; it needs what these packages hold: $(echo $wanted)" >&2
	exit 0
fi

# shellcheck disable=SC2086 # words
have=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' $wanted 2>/dev/null | awk '$2 == "installed" {print $1}' || true)
missing=''
for p in $wanted; do
	case "
$have
" in *"
$p
"*) ;; *) missing="$missing $p" ;; esac
done
[ -n "$missing" ] || exit 0

as_root=''
if [ "$(id -u)" != 0 ]; then
	if ! command -v sudo >/dev/null; then
		echo "packages: missing:$missing. Neither root nor sudo is at hand; run as root: apt-get install$missing" >&2
		exit 1
	fi
	as_root='sudo'
fi

echo "  APT     installing$missing (about a minute)"
log=$(mktemp)
install() {
	# shellcheck disable=SC2086 # words
	$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing >"$log" 2>&1
}
if ! install; then # perhaps only the package lists are old
	$as_root apt-get update -q >>"$log" 2>&1 || true
	install || { tail -n 20 "$log" >&2; echo "packages: apt could not install them; the whole log is $log" >&2; exit 1; }
fi
rm -f "$log"
echo "  APT     done"
