""".npy data, checked before anything is allocated: never pickled, never larger than what is there."""

from __future__ import annotations

import io
import math
import os
import stat
from typing import Any, BinaryIO

import numpy as np

from ndgrad.cli import problems
from ndgrad.cli.formats import NPY
from ndgrad.cli.reading import arrays
from ndgrad.errors import InputError
from ndgrad.memory import machine_memory
from ndgrad.problems import too_large

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


def read_stream(stream: BinaryIO, name: str, size: int, part: str | None = None) -> np.ndarray[Any, Any]:
    """The array from here in a stream that can seek and ends at `size`; native and contiguous."""
    if part is not None:
        raise problems.no_part(name, part, [])
    if stream.tell() == size:
        raise problems.nothing_there(name)
    shape, dtype, in_columns = header(stream, name)
    expected = math.prod(shape) * dtype.itemsize
    found = size - stream.tell()
    if found > expected and _begins_another(stream, expected):
        raise problems.several_arrays(name)
    if found != expected:
        raise _of_another_size(name, found, expected)
    return _body(stream, name, shape, dtype, in_columns)


def read_next(stream: BinaryIO, name: str, begun: bytes = b"") -> np.ndarray[Any, Any] | None:
    """The next array of a pipe, which is read no further; None at its end. E601, E614.

    begun: what has been read of it, at most eight bytes.
    """
    start = begun + stream.read(8 - len(begun))
    if not start:
        return None
    width = 2 if start[6:7] == b"\x01" else 4
    start += stream.read(width)
    length = int.from_bytes(start[8:], "little")
    start += stream.read(min(length, LONGEST_HEADER))
    shape, dtype, in_columns = header(io.BytesIO(start), name)
    expected = math.prod(shape) * dtype.itemsize
    if expected > (machine_memory() or expected):  # then it is probably the header that is wrong
        found = _passed_over(stream, expected)
        raise _of_another_size(name, found, expected) if found < expected else too_large(shape, expected)
    return _body(stream, name, shape, dtype, in_columns)


def _body(
    stream: BinaryIO, name: str, shape: tuple[int, ...], dtype: np.dtype[Any], in_columns: bool
) -> np.ndarray[Any, Any]:
    """The numbers that follow a header, as an array that owns its memory; native and contiguous. E614."""
    array = np.empty(math.prod(shape), dtype)  # memory that is taken as it is filled
    found = _fill(array.view(np.uint8), stream) if array.size else 0
    if found < array.nbytes:
        raise _of_another_size(name, found, array.nbytes)
    if in_columns:
        return arrays.native(array.reshape(shape[::-1]).T, name)
    array.shape = shape  # in place: a view would not own its memory
    return arrays.native(array, name)


def _begins_another(stream: BinaryIO, after: int) -> bool:
    """Whether another array follows the one whose bytes come now."""
    stream.seek(after, os.SEEK_CUR)
    return stream.read(len(NPY)) == NPY


def _fill(buffer: np.ndarray[Any, Any], stream: BinaryIO) -> int:
    """Read bytes into a buffer. Returns how many there were."""
    at = 0
    while at < len(buffer) and (count := stream.readinto(buffer[at : at + (1 << 24)])):  # type: ignore[attr-defined]
        at += count
    return at


def _passed_over(stream: BinaryIO, size: int) -> int:
    """Read bytes and forget them, so many at most. Returns how many there were."""
    left = size
    while left and (part := stream.read(min(left, 1 << 24))):
        left -= len(part)
    return size - left


def _of_another_size(name: str, found: int, expected: int) -> InputError:
    fewer = "more bytes follow the array" if found > expected else "it is cut off"
    return problems.damaged(name, f"{fewer} ({found:,} bytes of numbers, the header says {expected:,})")


def header(stream: BinaryIO, name: str) -> tuple[tuple[int, ...], np.dtype[Any], bool]:
    """The shape and dtype that the stream announces, and whether columns come first. E601, E614."""
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
            shape, in_columns, dtype = np.lib.format.read_array_header_1_0(rest, max_header_size=LONGEST_HEADER)
        else:
            shape, in_columns, dtype = np.lib.format.read_array_header_2_0(rest, max_header_size=LONGEST_HEADER)
    except InputError:
        raise
    except Exception:  # the header is Python text that anybody can have written: anything may go wrong in it
        raise problems.damaged(name, "its header is damaged") from None
    arrays.usable(dtype, name)
    if any(n < 0 for n in shape):
        raise problems.damaged(name, f"its shape is {shape}")
    return shape, dtype, in_columns
