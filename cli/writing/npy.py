""".npy bytes: the gradients in the order asked, or the value; one array after the other."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import Any

import numpy as np

from ndgrad.cli.writing import Report, asked_for
from ndgrad.cli.writing.places import Place


def write(report: Report, place: Place) -> None:
    """All digits always: a precision is for text."""
    place.write_bytes(bytes_of(asked_for(report.result)))


def bytes_of(arrays: Iterable[np.ndarray[Any, Any]]) -> bytes:
    """The arrays in .npy, one after the other."""
    buffer = io.BytesIO()
    for array in arrays:
        np.lib.format.write_array(buffer, np.ascontiguousarray(array).reshape(array.shape), allow_pickle=False)
    return buffer.getvalue()
