# SPDX-License-Identifier: Apache-2.0
# The control client.

ARCHIVES += control
control_DEPS := yyjson sqlite curl yaml mbedtls ipsec-mb http-parser

# Reading, state, journal, the core of the providers.
control_SRCS := json_read.c json_get.c json_format.c config.c job_limits.c state.c state_keys.c journal.c journal_db.c \
	journal_schema.c journal_runs.c journal_entries.c journal_generations.c provider.c res_tags.c provider_open.c \
	provider_table.c choice.c settings.c image_file.c image.c cloud.c cloud_ask.c cloud_make.c cloud_sweep.c cloud_wait.c \
	rest.c rest_reply.c yaml_read.c
# What people see.
control_SRCS += json_line.c events.c events_meter.c events_tty.c events_plain.c events_json.c
# The run.
control_SRCS += packing.c worker_client.c feed_pump.c paths.c relay.c batch.c scaffold.c run_order.c transfer.c \
	source_hints.c replica.c replica_access.c replica_copy.c replica_generation.c machine_json.c replicate.c run_verify.c \
	run_promote.c
# The embedded default cloud: QEMU in a folder.
control_SRCS += provider_qemu.c qmp.c qemu_accel.c qemu_args.c qemu_bitmap.c qemu_chain.c \
	qemu_chain_holder.c qemu_cloud.c qemu_commit.c qemu_disk.c qemu_file.c qemu_inventory.c \
	qemu_live.c qemu_machine.c qemu_options.c qemu_proc.c qemu_record.c qemu_record_machine.c \
	qemu_snapshot.c qemu_spawn.c qemu_target.c qemu_validate.c qemu_worker.c qemu_worker_ops.c
# A real cloud.
control_SRCS += provider_openstack.c openstack_config.c openstack_disk.c openstack_image.c openstack_machine.c \
	openstack_object.c openstack_session.c openstack_target.c \
	openstack_validate.c openstack_worker.c
# Blob storage.
control_SRCS += provider_blob.c blob_account.c blob_config.c blob_disk.c blob_find.c blob_lease.c blob_note.c blob_rest.c blob_sign.c
# Azure and Azure Stack Hub.
control_SRCS += provider_azure.c azure_credential.c azure_disk.c azure_fill.c azure_gallery.c azure_image.c azure_machine.c \
	azure_object.c azure_points.c azure_rights.c azure_session.c azure_target.c azure_worker.c provider_azure_size.c \
	provider_azure_validate.c config_disk.c
# Commands.
control_SRCS += context.c recover.c quota.c places.c inventory.c cmd.c cmd_table.c cmd_validate.c cmd_plan.c \
	cmd_runs.c cmd_limit.c cmd_status.c cmd_image.c cmd_cleanup.c cmd_discard.c cmd_help.c

PROGRAMS += wherry
wherry_SRCS := control/main.c
wherry_LIBS := control worker/manifest worker/net worker/base

UNIT_SRCS_control := tests/unit/control/unit.c tests/fakes/provider_mem.c tests/fakes/rest_replay.c
