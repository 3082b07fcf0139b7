"""CSV: a column for each vector, several for each matrix, under headings; one number stands alone.

The gradients in the order asked, or the value, side by side. `w` heads a vector, `w[0]`, `w[1]` a matrix.
"""

from __future__ import annotations

import csv
import io
from typing import Any

import numpy as np

from ndgrad.cli import problems
from ndgrad.cli.writing import Report, named_arrays
from ndgrad.cli.writing.places import Place
from ndgrad.cli.writing.plain import number


def write(report: Report, place: Place) -> None:
    """All digits, unless a precision is asked for. Truths are 1 and 0. E624 for what makes no table."""
    arrays = named_arrays(report.result)
    lengths = {name: array.shape[0] if array.ndim else 1 for name, array in arrays.items()}
    for name, array in arrays.items():
        if array.ndim > 2:
            raise problems.no_table(f"`{name}` has {array.ndim} axes, a table has two")
    if len(set(lengths.values())) > 1:
        said = ", ".join(f"`{name}` has {length}" for name, length in lengths.items())
        raise problems.no_table(f"columns of different lengths: {said}")
    buffer = io.StringIO()
    rows = csv.writer(buffer, lineterminator="\n")
    if any(array.ndim for array in arrays.values()) or len(arrays) > 1:
        rows.writerow([heading for name, array in arrays.items() for heading in _headings(name, array)])
    for row in zip(*(_rows(array) for array in arrays.values()), strict=True):
        rows.writerow([number(entry, report.precision) for part in row for entry in part])
    place.write_text(buffer.getvalue())


def _headings(name: str, array: np.ndarray[Any, Any]) -> list[str]:
    return [name] if array.ndim < 2 else [f"{name}[{j}]" for j in range(array.shape[1])]


def _rows(array: np.ndarray[Any, Any]) -> list[list[Any]]:
    """The entries, row by row; a vector stands upright."""
    if array.dtype.kind == "b":
        array = array.astype(np.int64)
    rows: list[list[Any]] = array.reshape((array.shape[0] if array.ndim else 1, -1)).tolist()
    return rows
