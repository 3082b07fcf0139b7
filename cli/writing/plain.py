"""Numbers and nothing else: a row per line, entries apart by spaces, arrays apart by an empty line.

The gradients in the order asked, or the value. All digits, unless a precision is asked for.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ndgrad.cli.writing import Report, asked_for
from ndgrad.cli.writing.places import Place


def write(report: Report, place: Place) -> None:
    place.write_text("\n".join(_rows(array, report.precision) for array in asked_for(report.result)))


def _rows(array: np.ndarray[Any, Any], precision: int | None) -> str:
    if array.ndim > 2:
        return "\n".join(_rows(part, precision) for part in array)
    rows = np.atleast_2d(array)
    return "".join(" ".join(number(v, precision) for v in row.tolist()) + "\n" for row in rows)


def number(value: Any, precision: int | None) -> str:
    """One entry, all digits unless a precision is given; whole floats without their `.0`."""
    if not isinstance(value, float):
        return str(value)
    return f"{value:.{precision}g}" if precision is not None else repr(value).removesuffix(".0")
