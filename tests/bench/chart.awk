# SPDX-License-Identifier: Apache-2.0
#
# awk -f medians.awk -f chart.awk -v machine=TEXT SCENARIOS raw.tsv: wall time as bars in SVG, a group for each
# scenario, scaled to its slowest case. Wherry's bars are blue; each says its time and its ratio to the group's first.

function escaped(s) { gsub(/&/, "\\&amp;", s); gsub(/</, "\\&lt;", s); return s }
function text(x, y, style, s) { printf "<text x=\"%d\" y=\"%d\" %s>%s</text>\n", x, y, style, escaped(s) }
function is_ours(s, c) { return c ~ /^wherry/ || s ~ /^(sparse|linear)$/ }
function figure(key, first,    s, x) {
	s = sprintf(median["wall:" key] < 1 ? "%.3f s" : "%.2f s", median["wall:" key])
	if (key == first || !(first in runs)) return s
	x = median["wall:" key] / median["wall:" first]
	return s sprintf(x < 0.1 ? ", %.2f\303\227" : ", %.1f\303\227", x)
}
function bar(s, c, longest, first,    key, width) {
	key = s "/" c
	text(left - 8, y + 13, "class=\"name\"", c)
	if (!(key in runs)) { text(left + 4, y + 13, "class=\"none\"", status[key]); return }
	width = longest > 0 ? median["wall:" key] / longest * room : 0
	printf "<rect x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"16\" class=\"%s\"/>\n", left, y, width < 1 ? 1 : width,
		is_ours(s, c) ? "ours" : "peer"
	text(left + width + 6, y + 13, "class=\"figure\"", figure(key, first))
}
function group(s,    i, longest, key) {
	for (i = 1; i <= count[s]; i++) {
		key = "wall:" s "/" cases[s, i]
		if (key in median && median[key] > longest) longest = median[key]
	}
	y += 34
	text(16, y - 10, "class=\"title\"", title[s])
	for (i = 1; i <= count[s]; i++) {
		bar(s, cases[s, i], longest, s "/" cases[s, 1])
		y += 22
	}
}

END {
	take_medians()
	left = 262; room = 490; y = 36; height = 60
	for (s = 1; s <= scenarios; s++) if (order[s] != "memory") height += 34 + 22 * count[order[s]]
	printf "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 920 %d\" ", height
	print "font-family=\"sans-serif\" font-size=\"13\">"
	print "<style>.ours{fill:#1f6fb4}.peer{fill:#b8bec6}.title{font-weight:bold;fill:#222}.figure{fill:#333}" \
		".name{text-anchor:end;fill:#333}.none{fill:#999;font-style:italic}.small{font-size:11px;fill:#666}</style>"
	printf "<rect width=\"920\" height=\"%d\" fill=\"#fff\"/>\n", height
	text(16, 24, "class=\"small\"", "Seconds, shorter is better; ratios to the first bar of a group. Medians on " machine ".")
	for (s = 1; s <= scenarios; s++) if (order[s] != "memory") group(order[s])
	print "</svg>"
}
