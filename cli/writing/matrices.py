"""Arrays as text for people: columns aligned at the point, brackets, large ones by their corners."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
DIGITS = 6
MOST_ROWS = 20
MOST_SLICES = 4
GAP = "…"


def whole(array: Array, precision: int | None = None) -> list[str]:
    """The array with every entry, in lines as long as its rows."""
    if array.size == 0 or array.ndim < 2:
        return [_bracketed(array[np.newaxis], [0], range(array.size), precision)[0]] if array.size else ["(no entries)"]
    lines = []
    for index in np.ndindex(array.shape[:-2]):
        if index:
            lines.append(f"[{', '.join(map(str, index))}]")
        lines += _bracketed(array[index], range(array.shape[-2]), range(array.shape[-1]), precision)
    return lines


def lines_of(array: Array, width: int, precision: int | None = None) -> list[str]:
    """The array in lines of at most `width` columns."""
    if array.size == 0:
        return ["(no entries)"]
    if array.ndim == 0:
        return [entry(array.item(), precision)]
    if array.ndim == 1:
        return _vector(array, width, precision)
    if array.ndim == 2:
        return _matrix(array, width, precision)
    return _slices(array, width, precision)


def statistics(array: Array, precision: int | None = None) -> str:
    """`min … mean … max …` of the finite entries, and how many are not finite."""
    return "  ".join(part for part in _statistics(array, precision) if not part.startswith("norm "))


def statistics_lines(array: Array, width: int, precision: int | None = None) -> list[str]:
    """The same and the norm, in lines of at most `width` columns as far as the parts go."""
    lines: list[str] = []
    for part in _statistics(array, precision):
        if lines and len(lines[-1]) + 2 + len(part) <= width:
            lines[-1] += f"  {part}"
        else:
            lines.append(part)
    return lines


def _statistics(array: Array, precision: int | None) -> list[str]:
    if array.dtype.kind == "b":
        return [f"{int(np.count_nonzero(array)):,} true of {array.size:,}"]
    finite = array[np.isfinite(array)] if array.dtype.kind == "f" else array
    parts = []
    if finite.size:
        values = {
            "min": finite.min(),
            "mean": finite.mean(dtype=np.float64),
            "max": finite.max(),
            "norm": np.linalg.norm(finite.astype(np.float64).ravel()),
        }
        parts = [f"{name} {entry(value.item(), precision)}" for name, value in values.items()]
    if array.dtype.kind == "f":
        nans, infinities = int(np.isnan(array).sum()), int(np.isinf(array).sum())
        parts += [f"{count:,} {name}" for name, count in (("nan", nans), ("inf", infinities)) if count]
    return parts


def short(array: Any, precision: int | None = None, longest: int = 60) -> str:
    """The array within a line: [[1, 2], [3, 4]], or its shape and what it holds where that is too long."""
    array = np.asarray(array)
    shape = f"{array.size:,} entries" if array.ndim == 1 else shape_of(array)
    return entries(array, precision, longest) or f"{shape}: {summary(array, precision)}"


def entries(array: Array, precision: int | None = None, longest: int = 60) -> str:
    """All entries within a line, "" where that is too long."""
    text = nested(array, precision) if array.size <= 64 else ""
    return text if len(text) <= longest else ""


def nested(array: Array, precision: int | None = None) -> str:
    """All entries in one line, however long: [[1, 2], [3, 4]]"""
    return _nested(array.tolist(), precision)


def summary(array: Array, precision: int | None = None) -> str:
    """`min …, mean …, max …`"""
    return statistics(array, precision).replace("  ", ", ") or "no entries"


def shape_of(array: Array) -> str:
    return "×".join(map(str, array.shape)) if array.ndim else "scalar"


def entry(value: Any, precision: int | None = None) -> str:
    """One number; a zero without the sign that a computation may have left on it."""
    return f"{value + 0.0:.{precision or DIGITS}g}" if isinstance(value, float) else str(value)


def _nested(value: Any, precision: int | None) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(_nested(v, precision) for v in value) + "]"
    return entry(value, precision)


def ends(count: int, most: int) -> list[int | None]:
    """The indices to show of `count`: all, or both ends around a gap (None)."""
    if count <= most:
        return list(range(count))
    head = (most + 1) // 2
    tail = most // 2
    return [*range(head), None, *range(count - tail, count)]


def _vector(array: Array, width: int, precision: int | None) -> list[str]:
    return _most(len(array), lambda shown: _bracketed(array[np.newaxis], [0], shown, precision), width)


def _matrix(array: Array, width: int, precision: int | None) -> list[str]:
    rows = ends(array.shape[0], MOST_ROWS)
    return _most(array.shape[1], lambda shown: _bracketed(array, rows, shown, precision), width)


def _most(count: int, draw: Callable[[Sequence[int | None]], list[str]], width: int) -> list[str]:
    """The drawing with as many columns as fit."""
    most = min(count, width // 2)
    while True:
        lines = draw(ends(count, most))
        excess = max(map(len, lines)) - width
        if excess <= 0 or most <= 1:
            return lines
        per_column = max(map(len, lines)) / (most + 1)
        most = max(1, most - max(1, int(excess / per_column)))


def _bracketed(
    array: Array, rows: Sequence[int | None], shown: Sequence[int | None], precision: int | None
) -> list[str]:
    columns = [_column(array, rows, j, precision) for j in shown]
    bodies = ["  ".join(cells) for cells in zip(*columns, strict=True)]
    if len(bodies) == 1:
        return [f"[ {bodies[0]} ]"]
    left = "⎡" + "⎢" * (len(bodies) - 2) + "⎣"
    right = "⎤" + "⎥" * (len(bodies) - 2) + "⎦"
    return [f"{a} {body} {b}" for a, body, b in zip(left, bodies, right, strict=True)]


def _column(array: Array, rows: Sequence[int | None], j: int | None, precision: int | None) -> list[str]:
    if j is None:
        return [GAP] * len(rows)
    return aligned([GAP if i is None else entry(array[i, j].item(), precision) for i in rows])


def aligned(cells: list[str]) -> list[str]:
    """Numbers of one width, points below points (unless powers of ten or words are among them)."""
    if not any("e" in cell or "n" in cell for cell in cells):
        halves = [cell.partition(".") for cell in cells]
        behind = max(len(point + digits) for _, point, digits in halves)
        cells = [whole + (point + digits).ljust(behind) for whole, point, digits in halves]
    width = max(map(len, cells))
    return [cell.rjust(width) for cell in cells]


def _slices(array: Array, width: int, precision: int | None) -> list[str]:
    """Matrix by matrix along the leading axes."""
    leading = array.shape[:-2]
    lines = []
    for k in ends(int(np.prod(leading)), MOST_SLICES):
        if k is None:
            lines.append(GAP)
            continue
        index = np.unravel_index(k, leading)
        lines.append(f"[{', '.join(str(int(i)) for i in index)}]")
        lines += _matrix(array[index], width, precision)
    return lines
