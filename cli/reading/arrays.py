"""What ndgrad computes with, of all that files can hold: checked by dtype before anything is read."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from typing import Any

import numpy as np

from ndgrad.cli import problems

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


def usable(dtype: np.dtype[Any], name: str) -> None:
    """E601 unless arrays of this dtype can be read without loss."""
    if dtype.hasobject or dtype.kind not in "biuf":
        raise problems.unsupported_dtype(name, str(dtype), _WHY.get(dtype.kind, "something else than numbers"))
    if dtype.itemsize > 8:
        raise problems.unsupported_dtype(name, str(dtype), "floats of more than 64 bits")


def native(array: np.ndarray[Any, Any], name: str) -> np.ndarray[Any, Any]:
    """float32, float64, int64 or bool, in this machine's byte order and C order, with the same values. E601."""
    usable(array.dtype, name)
    kind = array.dtype.kind
    if kind == "f":
        wanted: Any = np.float32 if array.dtype.itemsize <= 4 else np.float64
    elif kind == "b":
        made: np.ndarray[Any, Any] = np.not_equal(array.view(np.uint8), 0, order="C")
        return made  # of 0 and 1: files may hold other bytes
    else:
        if array.dtype == np.uint64 and array.size and array.max() > np.iinfo(np.int64).max:
            raise problems.unsupported_dtype(name, "uint64", "integers beyond 64 bits with a sign")
        wanted = np.int64
    return np.asarray(array, dtype=wanted, order="C")


def chosen(names: Iterable[str], part: str | None, path: str) -> str:
    """The name of the array that FILE:PART means, or of the only one. E617, E622."""
    known = list(names)
    if part is not None:
        if part in known:
            return part
        raise problems.no_part(path, part, known)
    if not known:
        raise problems.nothing_there(path)
    if len(known) > 1:
        raise problems.several_parts(path, known)
    return known[0]


def library(module: str, path: str) -> Any:
    """An optional package, loaded only now. E702."""
    try:
        return import_module(module)
    except ImportError:
        raise problems.package_missing(module.partition(".")[0], path) from None
