""".npy data, checked before anything is allocated: never pickled, never larger than what is there."""

from __future__ import annotations

import io
import math
import os
import stat
from typing import Any, BinaryIO

import numpy as np

from ndgrad.cli import problems
from ndgrad.cli.reading import arrays
from ndgrad.errors import InputError

LONGEST_HEADER = 1 << 16


def read(data: bytes, name: str, part: str | None = None) -> np.ndarray[Any, Any]:
    """The array in `data`. E601 or E614 where there is none that ndgrad can use."""
    return read_stream(io.BytesIO(data), name, len(data), part)


def read_file(path: str, part: str | None = None) -> np.ndarray[Any, Any]:
    """The array in a file, without a copy of its bytes."""
    with open(path, "rb") as stream:
        found = os.fstat(stream.fileno())
        if stat.S_ISREG(found.st_mode):
            return read_stream(stream, path, found.st_size, part)
        return read(stream.read(), path, part)


def read_stream(
    stream: BinaryIO, name: str, size: int, part: str | None = None, more_may_follow: bool = False
) -> np.ndarray[Any, Any]:
    """The array from here in a stream that can seek and ends at `size`; native and contiguous."""
    if part is not None:
        raise problems.no_part(name, part, [])
    start = stream.tell()
    if start == size:
        raise problems.nothing_there(name)
    shape, dtype = header(stream, name)
    expected = math.prod(shape) * dtype.itemsize
    found = size - stream.tell()
    if found < expected or (found > expected and not more_may_follow):
        fewer = "more bytes follow the array" if found > expected else "it is cut off"
        raise problems.damaged(name, f"{fewer} ({found:,} bytes of numbers, the header says {expected:,})")
    stream.seek(start)
    try:
        array = np.lib.format.read_array(stream, allow_pickle=False, max_header_size=LONGEST_HEADER)
    except (ValueError, OSError, EOFError) as error:
        raise problems.damaged(name, str(error).splitlines()[0]) from None
    return arrays.native(array, name)


def read_next(stream: BinaryIO, name: str) -> np.ndarray[Any, Any] | None:
    """The next array of a pipe, which is read no further; None at its end. E601, E614."""
    start = stream.read(8)
    if not start:
        return None
    width = 2 if start[6:7] == b"\x01" else 4
    start += stream.read(width)
    length = int.from_bytes(start[8:], "little")
    start += stream.read(min(length, LONGEST_HEADER))
    shape, dtype = header(io.BytesIO(start), name)
    parts = [start]
    left = math.prod(shape) * dtype.itemsize
    while left > 0 and (part := stream.read(min(left, 1 << 24))):  # no more memory than what arrives
        parts.append(part)
        left -= len(part)
    return read(b"".join(parts), name)


def header(stream: BinaryIO, name: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """The shape and dtype that the stream announces, of a kind that ndgrad reads. E601, E614."""
    try:
        version = np.lib.format.read_magic(stream)
        if version not in ((1, 0), (2, 0), (3, 0)):
            raise problems.damaged(name, f"its version is {version[0]}.{version[1]}")
        width = 2 if version == (1, 0) else 4
        claimed = stream.read(width)
        length = int.from_bytes(claimed, "little")
        if length > LONGEST_HEADER:
            raise problems.damaged(name, f"its header claims {length:,} bytes")
        rest = io.BytesIO(claimed + stream.read(length))
        if version == (1, 0):
            shape, _, dtype = np.lib.format.read_array_header_1_0(rest, max_header_size=LONGEST_HEADER)
        else:
            shape, _, dtype = np.lib.format.read_array_header_2_0(rest, max_header_size=LONGEST_HEADER)
    except InputError:
        raise
    except Exception:  # the header is Python text that anybody can have written: anything may go wrong in it
        raise problems.damaged(name, "its header is damaged") from None
    arrays.usable(dtype, name)
    if any(n < 0 for n in shape):
        raise problems.damaged(name, f"its shape is {shape}")
    return shape, dtype
