# SPDX-License-Identifier: Apache-2.0
ARCHIVES += worker/job
worker/job_SRCS := api.c api_json.c conns.c counters.c identity.c lease.c ledger_feed.c limits_json.c link_watch.c run.c run_engine.c run_spec.c \
	runner.c sandbox.c server.c thread.c
worker/job_DEPS := yyjson

# Helpers of its unit tests.
UNIT_SRCS_job := tests/unit/job/api_fixture.c
