"""An .npz archive: the gradients under the names of their inputs, or else the outputs under theirs."""

from __future__ import annotations

import io
import zipfile

from ndgrad.cli.writing import Report, named_arrays, npy
from ndgrad.cli.writing.places import Place


def write(report: Report, place: Place) -> None:
    """All digits always: a precision is for text."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", allowZip64=True) as archive:
        for name, array in named_arrays(report.result).items():
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), npy.bytes_of([array]))
    place.write_bytes(buffer.getvalue())
