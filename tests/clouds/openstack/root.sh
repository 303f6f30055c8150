#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# root.sh OUT: a Debian 12 with the packages of packages.list in folder OUT, from the archive this host's apt is
# configured for. No service is started. About two minutes.

set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
out=$1
command -v mmdebstrap >/dev/null || { echo 'root.sh: mmdebstrap is missing; run make packages.' >&2; exit 1; }
site=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' | grep -m1 '/debian/\?$') ||
	{ echo "root.sh: this host's apt names no Debian archive; add one to its sources." >&2; exit 1; }
packages=$(sed 's/#.*//' "$here/packages.list" | xargs | tr ' ' ,)

rm -rf "$out" "$out.new"
no_services='printf "#!/bin/sh\nexit 101\n" >"$1/usr/sbin/policy-rc.d"; chmod 755 "$1/usr/sbin/policy-rc.d"'
echo "  LAB     Debian packages of the OpenStack lab (about 2 minutes, 2 GB)"
mmdebstrap --quiet --variant=apt --include="$packages" --dpkgopt=force-unsafe-io \
	--aptopt='APT::Install-Recommends "false"' --setup-hook="mkdir -p \"\$1/usr/sbin\"; $no_services" \
	bookworm "$out.new" "$site" >"$out.log" 2>&1 || { tail -n 5 "$out.log" >&2; exit 1; }
rm -rf "$out.new/var/cache/apt" "$out.new/var/lib/apt/lists"
mv "$out.new" "$out"
rm -f "$out.log"
