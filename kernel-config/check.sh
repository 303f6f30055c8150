#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# check.sh CONFIG FORBIDDEN FRAGMENT... : judges a finished kernel configuration.
#
# Fails, naming each symbol, when
#   - a symbol a fragment asked for has another value in CONFIG (the last fragment that
#     names it counts; "is not set" is a value like any other),
#   - a symbol matching FORBIDDEN (see there) is set,
#   - anything at all is built as a module.
set -eu

[ $# -ge 3 ] || {
	echo "usage: check.sh CONFIG FORBIDDEN FRAGMENT..." >&2
	exit 2
}
config=$1
forbidden=$2
shift 2

findings=$(awk -v forbidden="$forbidden" -v config="$config" '
function value(line,    at) {
	at = index(line, "=")
	return substr(line, at + 1)
}
function name(line) {
	sub(/^# /, "", line)
	sub(/[= ].*/, "", line)
	sub(/^CONFIG_/, "", line)
	return line
}
function is_setting(line) { return line ~ /^CONFIG_[A-Za-z0-9_]+=/ }
function is_unset(line) { return line ~ /^# CONFIG_[A-Za-z0-9_]+ is not set$/ }
function pattern(glob) {
	gsub(/\*/, ".*", glob)
	return "^" glob "$"
}
FILENAME == forbidden {
	if ($0 ~ /^!/)
		allowed[substr($1, 2)] = 1
	else if ($0 !~ /^(#|$)/)
		patterns[++npatterns] = pattern($1)
	next
}
FILENAME == config {
	if (is_setting($0))
		have[name($0)] = value($0)
	next
}
is_setting($0) { want[name($0)] = value($0); from[name($0)] = FILENAME }
is_unset($0) { want[name($0)] = "n"; from[name($0)] = FILENAME }
END {
	for (s in want) {
		asked++
		got = (s in have) ? have[s] : "n"
		if (got != want[s])
			printf "%s: CONFIG_%s is %s, %s asks for %s\n", config, s, got, from[s], want[s]
	}
	for (s in have) {
		if (have[s] == "m")
			printf "%s: CONFIG_%s is a module\n", config, s
		for (i = 1; i <= npatterns; i++)
			if (s ~ patterns[i] && !(s in allowed)) {
				printf "%s: CONFIG_%s=%s is forbidden by %s\n", config, s, have[s], forbidden
				break
			}
	}
	if (!asked || !npatterns)
		print "check.sh: no fragment or no forbidden list was read"
}' "$forbidden" "$config" "$@")

[ -z "$findings" ] || {
	printf '%s\n' "$findings" | sort >&2
	exit 1
}
