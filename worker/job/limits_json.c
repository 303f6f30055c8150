// SPDX-License-Identifier: Apache-2.0
#include "job/limits_json.h"

static int take(yyjson_val *key, yyjson_val *value, struct limits *out, struct err *e)
{
	for (int i = 0; i < LIMITS; i++) {
		const struct limit_info *info = &limit_table[i];

		if (!yyjson_equals_str(key, info->name))
			continue;
		out->of[i] = yyjson_get_uint(value);
		if (yyjson_is_uint(value) && out->of[i] >= info->min && out->of[i] <= info->max)
			return 0;
		return err_set(e, ERR_CONFIG, 0, "\"limits\": \"%s\" must be a whole number from %llu to %llu", info->name,
			       (unsigned long long)info->min, (unsigned long long)info->max);
	}
	return err_set(e, ERR_CONFIG, 0, "\"limits\": unknown key \"%.60s\"; is the image older than the controller?",
		       yyjson_get_str(key));
}

int limits_from_json(yyjson_val *v, struct limits *out, struct err *e)
{
	yyjson_val *key, *value;
	size_t i, count;

	*out = (struct limits){{0}};
	if (!yyjson_is_obj(v))
		return err_set(e, ERR_CONFIG, 0, "\"limits\" must be an object such as {\"bandwidth\":100000000}");
	yyjson_obj_foreach(v, i, count, key, value)
		if (take(key, value, out, e) < 0)
			return -1;
	return 0;
}
