#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# publish.sh: take the last run of `make bench` over into tests/bench/report/, and what its report says of the machine
# and the bounds into the README, between two comments.

set -euo pipefail
cd "$(dirname "$0")/../.."
from=${BUILD:-build}/bench to=tests/bench/report
[ -e "$from/report.md" ] || { echo "publish: there is no $from/report.md; run: make bench" >&2; exit 1; }
mkdir -p $to
cp "$from/report.md" "$from/bench.svg" "$from/raw.tsv" $to/
awk '
FNR == NR { if (/^### /) enough = 1; if (!enough) table = table $0 "\n"; next }
/^<!-- end of bench -->$/ { inside = 0 }
!inside { print }
/^<!-- bench -->$/ { printf "\n%s", table; inside = 1 }
' $to/report.md README.md >"$from/README.md"
cp "$from/README.md" README.md
