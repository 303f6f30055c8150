# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154,SC2164 # what dep.sh sets, and its set -e
# TAKES: 90 s
#
# One connection is used by one thread at a time (THREADSAFE=2 allows several connections); the state directory is
# local and rollbacks must survive power loss, so synchronous is FULL everywhere.

sh ./configure --disable-tcl --disable-shared --disable-readline >/dev/null CC=gcc CFLAGS=-O1
make sqlite3.c
"$CC" $CFLAGS -DSQLITE_THREADSAFE=2 -DSQLITE_DEFAULT_SYNCHRONOUS=2 -DSQLITE_DEFAULT_WAL_SYNCHRONOUS=2 \
	-DSQLITE_DEFAULT_FOREIGN_KEYS=1 -DSQLITE_DQS=0 -DSQLITE_DEFAULT_MEMSTATUS=0 -DSQLITE_LIKE_DOESNT_MATCH_BLOBS \
	-DSQLITE_MAX_EXPR_DEPTH=0 -DSQLITE_OMIT_DEPRECATED -DSQLITE_OMIT_LOAD_EXTENSION -DSQLITE_OMIT_SHARED_CACHE \
	-DSQLITE_USE_ALLOCA -DSQLITE_TRUSTED_SCHEMA=0 -DHAVE_USLEEP=1 -c sqlite3.c
"$AR" rcs "$OUT/lib/libsqlite3.a" sqlite3.o
cp sqlite3.h "$OUT/include/"
