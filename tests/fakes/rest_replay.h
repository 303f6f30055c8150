// SPDX-License-Identifier: Apache-2.0
/*
 * A service on 127.0.0.1 that says what a real one said: transcripts of tests/clouds/openstack/record.py. A request is
 * answered with the next recorded reply to the same method and address, the last one again when there are no more; what
 * was never recorded gets 599. One thread of its own until it is stopped.
 */
#ifndef WHERRY_TESTS_FAKES_REST_REPLAY_H
#define WHERRY_TESTS_FAKES_REST_REPLAY_H

#include <stdbool.h>
#include <stdint.h>

struct rest_replay;

/* transcript: a file, or NULL; aborts the test when it cannot be read. */
struct rest_replay *rest_replay_start(const char *transcript);
void rest_replay_stop(struct rest_replay *r);
int rest_replay_port(const struct rest_replay *r);

/* The next `times` requests whose line ("POST /8776/v3/volumes") has `part` in it are answered so instead. body: JSON or
 * ""; retry_after_s 0: none; status 0: the connection is cut after the request was read, as by a lost reply. */
void rest_replay_fault(struct rest_replay *r, const char *part, int status, const char *body, int retry_after_s,
		       unsigned times);
/* The same with headers: "" or lines "Name: value\r\n". The oldest of several that fit goes first. */
void rest_replay_answer(struct rest_replay *r, const char *part, int status, const char *headers, const char *body,
			unsigned times);
/* Its clock, which its replies carry; it begins as this host's. */
void rest_replay_clock(struct rest_replay *r, int64_t ahead_ns);
int64_t rest_replay_now_ns(struct rest_replay *r);
/* Requests seen whose line has `part` in it, and the body of the last of them ("" for none). */
unsigned rest_replay_seen(struct rest_replay *r, const char *part);
const char *rest_replay_body(struct rest_replay *r, const char *part);
const char *rest_replay_head(struct rest_replay *r, const char *part); /* its headers */

#endif
