# SPDX-License-Identifier: Apache-2.0
#
# awk -f medians.awk -f report.awk -v heading=TEXT SCENARIOS BOUNDS raw.tsv: the report, in Markdown. For the tables see
# cases.sh.

{ split($0, part, "|"); for (i = 1; i <= 6; i++) bound[bounds + 1, i] = trimmed(part[i]); bounds++ }

function trimmed(s) { sub(/^[ \t]+/, "", s); return s }

# [FACTOR*]METRIC:SCENARIO/CASE or a number; "" when it was not measured
function term(text,    factor, at) {
	if (text ~ /^[0-9.]+$/) return text + 0
	factor = 1
	if (match(text, /^[0-9.]+\*/)) { factor = substr(text, 1, RLENGTH - 1); text = substr(text, RLENGTH + 1) }
	return text in median ? factor * median[text] : ""
}
function least(text,    n, list, i, x, best) {
	n = split(text, list, " ~ ")
	for (i = 1; i <= n; i++) {
		x = term(list[i])
		if (x != "" && (best == "" || x < best)) best = x
	}
	return best
}
# The first of the cases that has no figure says why.
function why(text,    n, list, i, key) {
	n = split(text, list, " ~ ")
	for (i = 1; i <= n; i++) {
		key = list[i]
		sub(/^[0-9.]+\*/, "", key)
		sub(/^[a-z]+:/, "", key)
		if (!(key in runs)) return key in status ? status[key] : "not measured"
	}
	return "not measured"
}
function met(op, x, limit) {
	if (op == ">=") return x >= limit
	if (op == "<=") return x <= limit
	return x >= 1 - limit && x <= 1 + limit
}
function bound_row(i,    x, by, verdict) {
	x = least(bound[i, 5]); by = least(bound[i, 6])
	if (x == "" || by == "" || by == 0)
		verdict = "- | " (x == "" ? why(bound[i, 5]) : why(bound[i, 6]))
	else
		verdict = sprintf("%.2f | %s", x / by, met(bound[i, 3], x / by, bound[i, 4]) ? "yes" : "**no**")
	printf "| %s | %s | %s %s | %s |\n", bound[i, 1], bound[i, 2], bound[i, 3] == "+-" ? "1 ±" : bound[i, 3], bound[i, 4],
		verdict
}
function case_row(s, c, first,    key, rel, wire, note) {
	key = s "/" c
	if (!(key in runs)) { printf "| %s | - | - | - | - | - | %s |\n", c, status[key]; return }
	rel = (first in runs) ? sprintf("%.2f", median["wall:" key] / median["wall:" first]) : "-"
	wire = median["wire:" key] > 0 ? sprintf("%.1f", median["wire:" key] / 1e6) : "-"
	note = runs[key] " run" (runs[key] > 1 ? "s" : "") (status[key] == "ok" ? "" : "; " status[key])
	printf "| %s | %.3f | %s | %.2f | %s | %.1f | %s |\n", c, median["wall:" key], rel, median["cpu:" key], wire,
		median["rss:" key] / 1024, note
}

END {
	take_medians()
	print heading "\n"
	print "| line | what | bound | value | met |\n|---|---|---|---|---|"
	for (i = 1; i <= bounds; i++) bound_row(i)
	for (s = 1; s <= scenarios; s++) {
		print "\n### " title[order[s]] "\n"
		print "| | wall s | of the first | CPU s | MB on the wire | RSS MiB | |\n|---|---|---|---|---|---|---|"
		for (i = 1; i <= count[order[s]]; i++)
			case_row(order[s], cases[order[s], i], order[s] "/" cases[order[s], 1])
	}
	print "\nWall is the client's, from its start to its end; fio's is its own word, without its start-up. CPU is user and system"
	print "time of all processes of both sides; RSS the sum of each process's own peak; MB on the wire everything that the"
	print "loopback of a network namespace of its own carried in both directions, headers and acknowledgements included."
	print "Kernel threads count for nobody. After the last round of a first, incremental or hinted copy its target was compared"
	print "with the source, byte for byte and outside the clock; a case whose copy differed has no figures."
}
