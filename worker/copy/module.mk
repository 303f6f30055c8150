# SPDX-License-Identifier: Apache-2.0
ARCHIVES += worker/copy
worker/copy_SRCS := check.c checkpoint.c chunk.c compressor.c decompressor.c export.c filter.c gate.c hasher.c import.c \
	lane.c ledger.c ledger_file.c ledger_mem.c ledger_none.c listener.c local.c peer.c pipeline.c pool.c \
	reader.c receiver.c recorder.c replier.c run.c scan.c sender.c settler.c verifier.c verify.c writer.c written.c zero.c zero_test.c \
	zero_test_avx2.c zero_test_avx512.c
CFLAGS_worker/copy/zero_test_avx2.c := -mavx2 -O3
CFLAGS_worker/copy/zero_test_avx512.c := -mavx512f -O3
worker/copy_DEPS := zstd
UNIT_SRCS_copy := tests/unit/copy/copy_fixture.c
