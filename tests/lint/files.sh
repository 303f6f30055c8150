# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Sourced by the lints: files PATTERN... lists the project's files (not build/) whose names match, new ones too.

cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1

files() {
	if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
		git ls-files --cached --others --exclude-standard --deduplicate -- "$@" | while read -r f; do
			[ ! -f "$f" ] || printf '%s\n' "$f"
		done
	else # an unpacked archive
		local p args=()
		for p; do args+=(-o -path "./$p"); done
		find . -path ./build -prune -o \( "${args[@]:1}" \) -type f -print | sed 's|^\./||' | sort
	fi
}
