# SPDX-License-Identifier: Apache-2.0
#
# What report.awk and chart.awk share: the scenarios' table and raw.tsv, read into
#   title[scenario], order[1..scenarios]
#   cases[scenario, 1..count[scenario]], status[scenario/case] ("ok", or why there is no figure)
#   median[metric:scenario/case] of the runs that went well; runs[scenario/case] how many those were
# Figures of one failed run do not count, but its status does. Of a case that once made a wrong copy none count.

function sorted_median(list, n,    i, j, x) {
	for (i = 2; i <= n; i++) {
		x = list[i]
		for (j = i - 1; j > 0 && list[j] > x; j--) list[j + 1] = list[j]
		list[j + 1] = x
	}
	return n % 2 ? list[(n + 1) / 2] : (list[n / 2] + list[n / 2 + 1]) / 2
}

function take_run(    key) {
	key = $1 "/" $2
	if (!(key in status)) {
		if (!($1 in count)) order[++scenarios] = $1
		cases[$1, ++count[$1]] = $2
		status[key] = $8
	}
	if ($8 ~ /^WRONG/) wrong[key] = 1
	if ($8 != "ok") { status[key] = $8; return }
	runs[key]++
	value["wall", key, runs[key]] = $4
	value["cpu", key, runs[key]] = $5
	value["wire", key, runs[key]] = $6
	value["rss", key, runs[key]] = $7
}

function take_medians(    key, m, metrics, i, list) {
	split("wall cpu wire rss", metrics, " ")
	for (key in wrong) delete runs[key]
	for (key in runs)
		for (m in metrics) {
			for (i = 1; i <= runs[key]; i++) list[i] = value[metrics[m], key, i] + 0
			median[metrics[m] ":" key] = sorted_median(list, runs[key])
		}
}

BEGIN { OFS = FS = "\t" }
FNR == 1 { file++ }
file == 1 { split($0, part, "|"); title[part[1]] = part[3]; next }
FILENAME ~ /raw\.tsv$/ { if ($1 != "scenario") take_run(); next }
