// SPDX-License-Identifier: Apache-2.0
/*
 * The subcommands of wherry-worker; main.c has the table with their usage. argv[0] is the subcommand's own name.
 * 0, or -1 with *e set: main prints the sentence on stderr and exits with err_exit_status(e->kind). Results go to
 * stdout. `--help` never reaches them.
 */
#ifndef WHERRY_CMD_H
#define WHERRY_CMD_H

#include "base/err.h"

int cmd_serve(int argc, char **argv, struct err *e);
int cmd_boot_data(int argc, char **argv, struct err *e);
int cmd_scan(int argc, char **argv, struct err *e);
int cmd_copy(int argc, char **argv, struct err *e);
int cmd_send(int argc, char **argv, struct err *e);
int cmd_receive(int argc, char **argv, struct err *e);
int cmd_fingerprint(int argc, char **argv, struct err *e);

#endif
