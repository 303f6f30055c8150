// SPDX-License-Identifier: Apache-2.0
/*
 * What PID 1 has to tell: one line on standard error, which the console copier takes to
 * every console. A message is a sentence that names the thing and, where there is one, the
 * remedy. Never fails.
 */
#ifndef WHERRY_INITRAMFS_SAY_H
#define WHERRY_INITRAMFS_SAY_H

void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
