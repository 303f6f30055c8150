// SPDX-License-Identifier: Apache-2.0
#include "job/run_engine.h"

const struct run_engine run_engine_copy = {
	.export = copy_export,
	.import = copy_import,
	.scan = copy_scan,
	.local = copy_local,
};
