"""Where two arrays differ: entry by entry, within a tolerance, nan equal to nan and infinities to their like."""

from __future__ import annotations

from typing import Any

import numpy as np

from ndgrad.frozen import Frozen

Array = np.ndarray[Any, Any]
SHOWN = 5  # entries that differ most


class Entry(Frozen):
    """An entry of both arrays: how far it is apart, and relative to the larger one (None beside what is not finite)."""

    index: tuple[int, ...]
    a: Any
    b: Any
    difference: float
    relative: float | None


class Difference(Frozen):
    """Two arrays, compared.

    shapes, dtypes   of both; with different shapes nothing else is compared
    rtol, atol       |a − b| ≤ atol + rtol · max(|a|, |b|) agrees
    count            how many entries differ by more
    entries          those that differ most beyond what is allowed; one, the largest, where all agree
    box              for every axis, the first and the last index of those that differ
    largest          the largest difference, and the largest one relative to the entries, where they are finite
    unlike           how many differ since they are nan or infinite on one side alone, or infinite with two signs
    """

    shapes: tuple[tuple[int, ...], tuple[int, ...]]
    dtypes: tuple[str, str]
    rtol: float
    atol: float
    count: int
    entries: tuple[Entry, ...]
    box: tuple[tuple[int, int], ...]
    largest: float
    largest_relative: float
    unlike: int

    @property
    def agrees(self) -> bool:
        return self.shapes[0] == self.shapes[1] and not self.count


def tolerance(a: Array, b: Array) -> float:
    """The relative tolerance that the dtypes suggest: none between integers."""
    if a.dtype.kind != "f" and b.dtype.kind != "f":
        return 0.0
    return 1e-5 if np.float32 in (a.dtype, b.dtype) else 1e-7


def difference(a: Array, b: Array, rtol: float | None = None, atol: float = 0.0) -> Difference:
    """Compare two arrays of float32, float64, int64 or bool. rtol: that of the dtypes unless given."""
    rtol = tolerance(a, b) if rtol is None else rtol
    shapes, dtypes = (a.shape, b.shape), (str(a.dtype), str(b.dtype))
    if a.shape != b.shape:
        return Difference(shapes, dtypes, rtol, atol, 0, (), (), 0.0, 0.0, 0)
    with np.errstate(all="ignore"):
        apart, unlike = _apart(a, b)
        size = np.maximum(np.abs(a.astype(np.float64)), np.abs(b.astype(np.float64)))
        excess = np.where(unlike, np.inf, apart - (atol + rtol * np.where(np.isfinite(size), size, 0.0)))
        differs = excess > 0
        relative = np.where(apart == 0, 0.0, apart / size)
    finite = np.isfinite(apart)
    count = int(np.count_nonzero(differs))
    chosen = _worst(excess if count else apart, min(count, SHOWN) or int(a.size > 0))
    entries = tuple(_entry(a, b, apart, relative, index) for index in chosen)
    where = np.nonzero(differs) if a.ndim else ()
    box = tuple((int(axis.min()), int(axis.max())) for axis in where) if count else ()
    return Difference(
        shapes,
        dtypes,
        rtol,
        atol,
        count,
        entries,
        box,
        float(np.max(apart, where=finite, initial=0.0)),
        float(np.max(relative, where=finite, initial=0.0)),
        int(np.count_nonzero(unlike)),
    )


def _apart(a: Array, b: Array) -> tuple[Array, Array]:
    """|a − b|, and where it says nothing since one of them is not finite. nan beside nan, and equal infinities: 0."""
    same = np.equal(a, b)
    if a.dtype.kind in "ib" and b.dtype.kind in "ib":
        low, high = np.minimum(a, b).astype(np.int64), np.maximum(a, b).astype(np.int64)
        apart = np.asarray(high - low).view(np.uint64)  # beyond 64 bits with a sign it wraps around to this
        return np.where(same, 0.0, apart.astype(np.float64)), np.zeros(a.shape, bool)
    x, y = a.astype(np.float64), b.astype(np.float64)
    same = np.equal(x, y) | (np.isnan(x) & np.isnan(y))
    unlike = ~same & ~(np.isfinite(x) & np.isfinite(y))
    return np.where(same, 0.0, np.where(unlike, np.inf, np.abs(x - y))), unlike


def _worst(sizes: Array, count: int) -> list[tuple[int, ...]]:
    """The places of the largest, the first of equals first."""
    flat = sizes.ravel()
    if count < flat.size:
        least = np.partition(flat, flat.size - count)[flat.size - count] if count else np.inf
        places = np.concatenate([np.flatnonzero(flat > least), np.flatnonzero(flat == least)])[:count]
    else:
        places = np.arange(flat.size)
    ordered = sorted(places.tolist(), key=lambda i: (-flat[i], i))
    return [tuple(int(i) for i in np.unravel_index(place, sizes.shape)) for place in ordered]


def _entry(a: Array, b: Array, apart: Array, relative: Array, index: tuple[int, ...]) -> Entry:
    finite = bool(np.isfinite(apart[index]))
    return Entry(
        index, a[index].item(), b[index].item(), float(apart[index]), float(relative[index]) if finite else None
    )
