#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""compare_sparse.py A B: exit status 0 when two huge sparse files hold the same bytes.

What is data in either is read in both and compared; a hole of both reads as zeros in both by definition. It knows
nothing of wherry: it is the oracle where cmp would read holes for days.
"""
import os
import sys

PIECE = 1 << 20


def data_ranges(fd, size):
    at = 0
    while at < size:
        try:
            start = os.lseek(fd, at, os.SEEK_DATA)
        except OSError:  # ENXIO: only a hole is left
            return
        at = os.lseek(fd, start, os.SEEK_HOLE)
        yield start, min(at, size)


def read_full(fd, n, at):
    got = b""
    while len(got) < n:
        more = os.pread(fd, n - len(got), at + len(got))
        if not more:
            sys.exit(f"unexpected end of file at {at + len(got)}")
        got += more
    return got


def main():
    a, b = (os.open(name, os.O_RDONLY) for name in sys.argv[1:3])
    size = os.fstat(a).st_size
    if size != os.fstat(b).st_size:
        sys.exit(f"sizes differ: {size} and {os.fstat(b).st_size}")
    compared = 0
    for fd in (a, b):
        for start, end in data_ranges(fd, size):
            for at in range(start, end, PIECE):
                n = min(PIECE, end - at)
                if read_full(a, n, at) != read_full(b, n, at):
                    sys.exit(f"the files differ between {at} and {at + n}")
                compared += n
    print(f"{size} bytes, {compared // 2} of them compared, the rest holes of both")


main()
