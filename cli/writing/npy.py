""".npy bytes: the gradients in the order asked, or the value; one array after the other."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import Any

import numpy as np

from ndgrad.cli import problems
from ndgrad.cli.writing import Report, asked_for
from ndgrad.cli.writing.places import Place


def write(report: Report, place: Place) -> None:
    """All digits always: a precision is for text."""
    arrays = asked_for(report.result)
    if place.path is not None and len(arrays) > 1:  # --grad all: how many these are is known only now
        problems.usage(f"a .npy file holds one array, not {len(arrays)}; ask for one gradient, or write .npz or .json")
    place.write_bytes(bytes_of(arrays))


def bytes_of(arrays: Iterable[np.ndarray[Any, Any]]) -> bytes:
    """The arrays in .npy, one after the other."""
    buffer = io.BytesIO()
    for array in arrays:
        np.lib.format.write_array(buffer, np.ascontiguousarray(array).reshape(array.shape), allow_pickle=False)
    return buffer.getvalue()
