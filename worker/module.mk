# SPDX-License-Identifier: Apache-2.0
PROGRAMS += wherry-worker
wherry-worker_SRCS := worker/main.c worker/cmd_boot_data.c worker/cmd_copy.c worker/cmd_fingerprint.c worker/cmd_receive.c \
	worker/cmd_scan.c worker/cmd_send.c worker/cmd_serve.c worker/host_blob.c worker/host_hints.c worker/host_key.c worker/host_manifest.c worker/host_options.c \
	worker/host_link.c worker/host_order.c worker/host_peer.c worker/host_report.c worker/host_source.c worker/host_state.c \
	worker/host_target.c worker/host_watch.c
wherry-worker_LIBS := worker/job worker/copy worker/boot worker/net worker/block worker/manifest worker/base
