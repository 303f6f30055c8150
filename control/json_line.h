// SPDX-License-Identifier: Apache-2.0
/* One JSON object per line, for --json. Always valid: made by the JSON library, bytes that are no UTF-8 become '?'. */
#ifndef WHERRY_CONTROL_JSON_LINE_H
#define WHERRY_CONTROL_JSON_LINE_H

#include <stdio.h>

/*
 * `keys` names them in order, each with a type, separated by blanks; the values follow:
 *   s const char * (NULL: null), u uint64_t, i int64_t, b int (a truth), j const char * of JSON text, as it is.
 *   json_line(stdout, "event:s size:u dirty:b", "replica", size, dirty);
 */
void json_line(FILE *out, const char *keys, ...);

#endif
