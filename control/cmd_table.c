// SPDX-License-Identifier: Apache-2.0
#include "commands.h"

#define OPTION(member)  offsetof(struct cmd, member), false
#define OPTIONS(member) offsetof(struct cmd, member), true

const struct cmd_option cmd_global_options[] = {
	{"state-dir", "DIR", "keep the state in DIR (default: $WHERRY_STATE_DIR; root: /var/lib/wherry; else ~/.local/state/wherry)",
	 OPTION(state_dir)},
	{"json", NULL, "results and events as JSON lines on stdout", OPTION(json)},
	{"quiet", NULL, "show only warnings and errors", OPTION(quiet)},
	{"verbose", NULL, "show what the providers do", OPTION(verbose)},
	{"help", NULL, "show this help", OPTION(help)},
	{0},
};

static const struct cmd_option no_options[] = {{0}};

static const struct cmd_option status_options[] = {
	{"all", NULL, "every job of the state directory (the default without JOB.json)", OPTION(all)},
	{0},
};

static const struct cmd_option limit_options[] = {
	{"bandwidth", "RATE", "send at most so much over the network, after compression", OPTION(limit[LIMIT_BANDWIDTH])},
	{"disk-throughput", "RATE", "read at most so much from each source disk", OPTION(limit[LIMIT_DISK_THROUGHPUT])},
	{"disk-iops", "N", "read each source disk at most so often a second (reads of up to 1 MiB)", OPTION(limit[LIMIT_DISK_IOPS])},
	{"worker-iops", "N", "the same over all disks", OPTION(limit[LIMIT_WORKER_IOPS])},
	{"none", NULL, "lift all limits that are not given here", OPTION(none)},
	{"reset", NULL, "go back to the limits of the job file", OPTION(reset)},
	{0},
};

static const struct cmd_option promote_options[] = {
	{"last-good", NULL, "when the replica is DIRTY, start from the last committed generation", OPTION(last_good)},
	{"no-start", NULL, "create the machine and leave it off", OPTION(no_start)},
	{0},
};

static const struct cmd_option cleanup_options[] = {
	{"list", NULL, "only list what there is, in the journal and in the clouds", OPTION(list)},
	{"discard", NULL, "also remove the replica of JOB.json, its generations and its manifests", OPTION(discard)},
	{0},
};

#define REGION_OPTION {"region", "NAME", "in that region instead of the block's; may be given again", OPTIONS(regions)}
#define CLOUD_DETAILS                                                                                                     \
	"CLOUD is a job file (its source and its target), a file with one provider block (as \"source\" of a job), or the\n" \
	"name of a provider that finds account and region in the environment; by default the only one that does.\n"

static const struct cmd_option image_upload_options[] = {
	REGION_OPTION,
	{"file", "PATH", "the folder that `make image` builds, or one disk image of it", OPTION(file)},
	{"firmware", "KIND", "machines of it boot with bios or uefi only (default: as the cloud does; it boots with both)",
	 OPTION(firmware)},
	{0},
};

static const struct cmd_option image_list_options[] = {REGION_OPTION, {0}};

static const struct cmd_option image_remove_options[] = {
	REGION_OPTION,
	{"old", NULL, "all that are old or broken, and uploads that died", OPTION(old)},
	{0},
};

const struct command command_table[] = {
	{"validate", "JOB.json", "check a job and name everything that stands against it",
	 "Reads the job file, opens both places and asks their drivers. All findings are shown at once, and what could\n"
	 "not be checked. Nothing is changed in either place. The exit status is that of the first error.\n",
	 no_options, 1, 1, cmd_validate},
	{"plan", "JOB.json", "show what a sync would create, read, send and remove",
	 "Creates nothing in either place.\n", no_options, 1, 1, cmd_plan},
	{"sync", "JOB.json", "bring the replica up to date",
	 "Snapshots all disks of the source machine at one instant, copies what differs, verifies and commits a new\n"
	 "generation, and takes every temporary resource away again. What a dead run left is finished or undone first.\n"
	 "Ctrl-C ends it in order; what is durable by then is not copied again. A second Ctrl-C stops at once.\n",
	 no_options, 1, 1, cmd_sync},
	{"limit", "JOB.json", "show or change what a sync may take of network and disks, also while it runs",
	 "RATE is a whole number with a unit: B/s, kB/s, MB/s, GB/s, KiB/s, MiB/s, GiB/s, kbit/s, Mbit/s or Gbit/s.\n"
	 "What is given changes, the rest stays. A sync that is under way takes it up within a second; later ones keep to\n"
	 "it, too, whatever the job file says, until --reset.\n", limit_options, 1, 1, cmd_limit},
	{"status", "[JOB.json]", "show runs, generations and what is alive",
	 "Asks the journal, not the clouds: it also works when those do not.\n", status_options, 0, 1, cmd_status},
	{"verify", "JOB.json", "read the replica back and compare it with its last committed generation",
	 "Starts a worker beside the replica; nothing is written to it.\n", no_options, 1, 1, cmd_verify},
	{"promote", "JOB.json", "create the target machine from the last committed generation and start it",
	 "Refuses a DIRTY replica unless --last-good is given. Afterwards the job is not synced any more.\n",
	 promote_options, 1, 1, cmd_promote},
	{"cleanup", "[JOB.json]", "remove what dead runs left",
	 "Without a job file: everything of this state directory, in all places its journal knows. Resources are found in\n"
	 "the journal and by their tags; those of other state directories are never touched. The replica stays unless\n"
	 "--discard is given.\n", cleanup_options, 0, 1, cmd_cleanup},
	{"image upload", "[CLOUD]", "put the workers' image into a cloud",
	 CLOUD_DETAILS
	 "An image that is there already is not sent again. A changed one is put beside the old one, which stays until it\n"
	 "is removed.\n",
	 image_upload_options, 0, 1, cmd_image_upload},
	{"image list", "[CLOUD]", "list the workers' images of a cloud",
	 CLOUD_DETAILS "Says which one workers of this client boot from.\n", image_list_options, 0, 1, cmd_image_list},
	{"image remove", "CLOUD [IMAGE]", "remove a worker image, or all old ones",
	 CLOUD_DETAILS "IMAGE is a name or id that `wherry image list` shows.\n", image_remove_options, 1, 2, cmd_image_remove},
	{"version", "", "show the version", "", no_options, 0, 0, cmd_version},
	{"help", "[COMMAND|exit]", "explain a command, or the exit statuses", "", no_options, 0, 2, cmd_help},
	{0},
};
