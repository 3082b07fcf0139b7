""".npy bytes: the gradients in the order asked, or the value; one array after the other."""

from __future__ import annotations

import io

import numpy as np

from ndgrad.cli.writing import Report, asked_for
from ndgrad.cli.writing.places import Place


def write(report: Report, place: Place) -> None:
    """All digits always: a precision is for text."""
    buffer = io.BytesIO()
    for array in asked_for(report.result):
        np.lib.format.write_array(buffer, np.ascontiguousarray(array).reshape(array.shape), allow_pickle=False)
    place.write_bytes(buffer.getvalue())
