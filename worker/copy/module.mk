# SPDX-License-Identifier: Apache-2.0
ARCHIVES += worker/copy
worker/copy_SRCS := blob_call.c blob_calls.c channel.c check.c checkpoint.c chunk.c compressor.c connector.c decompressor.c export.c \
	filter.c gate.c greet.c hasher.c import.c intake.c lane.c ledger.c ledger_file.c ledger_mem.c \
	ledger_none.c limiter.c listener.c local.c pack_choice.c pipeline.c pool.c reader.c receiver.c \
	recorder.c replier.c run.c sample.c scan.c sender.c session.c session_watch.c settler.c sink_blob.c skip.c \
	token_bucket.c verifier.c verify.c vhd.c window.c writer.c written.c zero.c zero_test.c zero_test_avx2.c \
	zero_test_avx512.c
CFLAGS_worker/copy/zero_test_avx2.c := -mavx2 -O3
CFLAGS_worker/copy/zero_test_avx512.c := -mavx512f -O3
worker/copy_DEPS := zstd curl
UNIT_SRCS_copy := tests/unit/copy/copy_fixture.c tests/unit/copy/cut_fixture.c \
	tests/unit/copy/rogue_fixture.c
