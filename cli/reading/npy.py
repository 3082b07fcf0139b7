""".npy data, checked before anything is allocated: never pickled, never larger than what is there."""

from __future__ import annotations

import io
import math
from typing import Any, BinaryIO

import numpy as np

from ndgrad.cli import problems
from ndgrad.errors import InputError

LONGEST_HEADER = 1 << 16
_WHY = {
    "O": "Python objects",
    "c": "complex numbers",
    "U": "text",
    "S": "text",
    "V": "records",
    "M": "dates",
    "m": "durations",
    "T": "text",
}


def read(data: bytes, name: str, part: str | None = None) -> np.ndarray[Any, Any]:
    """The array in `data`. E601 or E614 where there is none that ndgrad can use."""
    return read_stream(io.BytesIO(data), name, len(data))


def read_stream(stream: BinaryIO, name: str, size: int) -> np.ndarray[Any, Any]:
    """The array in a stream of `size` bytes that can seek, native and contiguous."""
    if size == 0:
        raise problems.nothing_there(name)
    shape, dtype = _header(stream, name)
    if dtype.hasobject or dtype.kind not in "biuf":
        raise problems.unsupported_dtype(name, str(dtype), _WHY.get(dtype.kind, "something else than numbers"))
    if any(n < 0 for n in shape):
        raise problems.damaged(name, f"its shape is {shape}")
    expected = math.prod(shape) * dtype.itemsize
    found = size - stream.tell()
    if found != expected:
        fewer = "more bytes follow the array" if found > expected else "it is cut off"
        raise problems.damaged(name, f"{fewer} ({found:,} bytes of numbers, the header says {expected:,})")
    stream.seek(0)
    try:
        array = np.lib.format.read_array(stream, allow_pickle=False, max_header_size=LONGEST_HEADER)
    except (ValueError, OSError, EOFError) as error:
        raise problems.damaged(name, str(error).splitlines()[0]) from None
    return _native(array, name)


def _header(stream: BinaryIO, name: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
    try:
        version = np.lib.format.read_magic(stream)
        if version not in ((1, 0), (2, 0), (3, 0)):
            raise problems.damaged(name, f"its version is {version[0]}.{version[1]}")
        width = 2 if version == (1, 0) else 4
        length = int.from_bytes(stream.read(width), "little")
        if length > LONGEST_HEADER:
            raise problems.damaged(name, f"its header claims {length:,} bytes")
        stream.seek(-width, io.SEEK_CUR)
        if version == (1, 0):
            shape, _, dtype = np.lib.format.read_array_header_1_0(stream, max_header_size=LONGEST_HEADER)
        else:
            shape, _, dtype = np.lib.format.read_array_header_2_0(stream, max_header_size=LONGEST_HEADER)
    except InputError:
        raise
    except (ValueError, EOFError, OSError, SyntaxError, TypeError, RecursionError, MemoryError, KeyError):
        raise problems.damaged(name, "its header is damaged") from None
    return shape, dtype


def _native(array: np.ndarray[Any, Any], name: str) -> np.ndarray[Any, Any]:
    """float32, float64, int64 or bool, in this machine's byte order and C order, with the same values."""
    kind = array.dtype.kind
    if kind == "f":
        wanted: Any = np.float32 if array.dtype.itemsize <= 4 else np.float64
    elif kind == "b":
        wanted = np.bool_
    else:
        if array.dtype == np.uint64 and array.size and array.max() > np.iinfo(np.int64).max:
            raise problems.unsupported_dtype(name, "uint64", "integers beyond 64 bits with a sign")
        wanted = np.int64
    return np.array(array, dtype=wanted, order="C")
