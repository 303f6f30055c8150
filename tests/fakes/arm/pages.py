# SPDX-License-Identifier: Apache-2.0
"""Ranges of a page blob: which pages hold data, and what changed between two snapshots. Files are sparse; a hole and
zeros are one to the cloud too, but for pages that were written with zeros, which we do not know of."""
import errno
import os

BLOCK = 65536  # what is compared and reported; a multiple of the page of 512 bytes
ZEROS = bytes(BLOCK)


def extents(file, size):
    """(start, end) of what the file system keeps, end exclusive."""
    at = 0
    while at < size:
        try:
            start = os.lseek(file.fileno(), at, os.SEEK_DATA)
        except OSError as problem:
            if problem.errno == errno.ENXIO:
                return
            raise
        end = min(os.lseek(file.fileno(), start, os.SEEK_HOLE), size)
        if start < end:
            yield start, end
        at = end


def blocks(file, size):
    """Numbers of the blocks that are not a hole, in order."""
    last = -1
    for start, end in extents(file, size):
        for number in range(max(start // BLOCK, last + 1), -(-end // BLOCK)):
            last = number
            yield number


def joined(numbers, size, footer=0):
    """[(first byte, last byte)] of runs of blocks."""
    out = []
    for number in numbers:
        start, end = number * BLOCK, min((number + 1) * BLOCK, size) - 1
        if out and out[-1][1] + 1 == start:
            out[-1] = (out[-1][0], end)
        else:
            out.append((start, end))
    return out


def read_block(file, number, size):
    """A block; zeros where the file has a hole or has ended."""
    data = os.pread(file.fileno(), min(BLOCK, max(size - number * BLOCK, 0)), number * BLOCK) if number * BLOCK < size else b""
    return data if len(data) == BLOCK else data + bytes(BLOCK - len(data))


def used(path, size):
    """Ranges with data."""
    with open(path, "rb") as file:
        return joined([n for n in blocks(file, size) if read_block(file, n, size) != ZEROS], size)


def changed(path, before, size, size_before):
    """(written, cleared) ranges that lead from the file `before` to the file `path`."""
    written, cleared = [], []
    with open(path, "rb") as new, open(before, "rb") as old:
        for number in sorted({*blocks(new, size), *blocks(old, min(size, size_before))}):
            now, was = read_block(new, number, size), read_block(old, number, size_before)
            if now != was:
                (cleared if now == ZEROS else written).append(number)
    return joined(written, size), joined(cleared, size)


def page(written, cleared, marker, most):
    """(ranges in order of their start as (kind, start, end), next marker or ''): one reply's worth."""
    ranges = sorted([("PageRange", *r) for r in written] + [("ClearRange", *r) for r in cleared], key=lambda r: r[1])
    if marker:
        ranges = [r for r in ranges if r[1] >= int(marker)]
    rest = ranges[most:]
    return ranges[:most], str(rest[0][1]) if rest else ""
