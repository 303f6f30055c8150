// SPDX-License-Identifier: Apache-2.0
/* An answer of a storage service, in as far as it is read. RUNS: 50000 */
#include "fuzz/fuzz.h"

#include <string.h>

#include "base/xml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[] = {"Blob", "PageRange", "Name", "Start"};
	const char *text = (const char *)data;
	char copy[16];
	uint64_t n;

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		struct xml_text doc = {.at = text, .len = size}, content;
		size_t left = doc.len;

		while (xml_next(&doc, names[i], &content)) {
			fuzz_check(content.at >= text && content.at + content.len <= text + size && doc.len < left);
			fuzz_check(doc.at >= content.at + content.len && doc.at + doc.len == text + size);
			fuzz_check(strlen(xml_copy(&content, copy, sizeof copy)) < sizeof copy);
			if (xml_number(&content, &n))
				fuzz_check(content.len > 0);
			left = doc.len;
		}
	}
	return 0;
}

void fuzz_seeds(struct fuzz_corpus *to)
{
	fuzz_seed_text(to, "<?xml version=\"1.0\"?><PageList><PageRange><Start>0</Start><End>511</End></PageRange></PageList>");
	fuzz_seed_text(to, "<Blobs><Blob><Name>a&amp;b</Name><Metadata /></Blob><Blob><Name></Name></Blob></Blobs><NextMarker />");
}
