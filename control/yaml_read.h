// SPDX-License-Identifier: Apache-2.0
/* Texts of a YAML file, by their path, over libyaml: for files of others' that our programs read, such as clouds.yaml. */
#ifndef WHERRY_CONTROL_YAML_READ_H
#define WHERRY_CONTROL_YAML_READ_H

#include "base/buf.h"
#include "base/err.h"

struct yaml_file;

/* CONFIG with the line where it is no YAML; the line itself, which may be a password's, is not shown. */
struct yaml_file *yaml_open(const char *path, struct err *e);
void yaml_close(struct yaml_file *f);

/* keys: NULL-ended, from the top. The scalar there as text, which lives as long as the file; NULL: there is none. */
const char *yaml_text(struct yaml_file *f, const char *const keys[]);
/* Is there a mapping at keys? Its own keys are appended to `names` (unless NULL), quoted, with commas between. */
bool yaml_mapping(struct yaml_file *f, const char *const keys[], struct buf *names);

#endif
