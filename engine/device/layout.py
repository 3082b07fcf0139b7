"""How a pass walks its arrays on a device: axes merged where all arrays allow it, then one of three walks.

    flat      entry by entry, for what has no reductions but those over everything
    rows      a few threads to each row: reductions over the last axes
    columns   a few threads to each column: reductions over the first axes

A reduction that the walk does not close is left over: its operand is stored, and reduced by itself afterwards.
"""

from __future__ import annotations

import math
from typing import Any

from ndgrad.frozen import Frozen

Shape = tuple[int, ...]
FLAT, ROWS, COLUMNS = "flat", "rows", "columns"


class Layout(Frozen):
    """walk     flat, rows or columns
    sizes    the merged axes
    outer    how many of them come before the cut: rows (or what is reduced, by columns)
    strides  per array its steps along the merged axes, in entries; None for one that runs through all in order
    closes   per reduction: "all", "row", "column", or "left"
    """

    walk: str
    sizes: Shape
    outer: int
    strides: tuple[Shape | None, ...]
    closes: tuple[str, ...]

    @property
    def rows(self) -> int:
        return math.prod(self.sizes[: self.outer])

    @property
    def columns(self) -> int:
        return math.prod(self.sizes[self.outer :])

    @property
    def size(self) -> int:
        return math.prod(self.sizes)


def steps_of(x: Any, domain: Shape) -> Shape:
    """An array's steps along the axes of the domain, in entries: 0 where it is repeated."""
    extra = len(domain) - x.ndim
    steps = [0] * extra
    for size, step in zip(x.shape, x.strides, strict=True):
        steps.append(0 if size == 1 else step // x.dtype.itemsize)
    return tuple(steps)


def laid_out(domain: Shape, arrays: list[Shape], reductions: list[tuple[int, ...]]) -> Layout:
    """The layout of a walk over `domain`. arrays: steps of each along it; reductions: the axes of each."""
    kept = [k for k in range(len(domain)) if domain[k] != 1]
    groups: list[list[int]] = []
    for k in kept:
        if groups and _together(arrays, reductions, domain, groups[-1][-1], k):
            groups[-1].append(k)
        else:
            groups.append([k])
    sizes = tuple(math.prod(domain[k] for k in group) for group in groups)
    merged = [frozenset(i for i, group in enumerate(groups) if group[-1] in axes) for axes in reductions]
    every = frozenset(range(len(sizes)))
    walk, outer = FLAT, 0
    for axes in merged:
        if axes == every or not axes:
            continue
        cut = min(axes)
        if axes == frozenset(range(cut, len(sizes))):
            walk, outer = ROWS, cut
            break
        if axes == frozenset(range(len(axes))):
            walk, outer = COLUMNS, len(axes)
            break
    first, last = frozenset(range(outer)), frozenset(range(outer, len(sizes)))
    closes = []
    for axes in merged:
        if axes == every:
            closes.append("all")
        elif walk == ROWS and axes == last:
            closes.append("row")
        elif walk == COLUMNS and axes == first:
            closes.append("column")
        else:
            closes.append("left")
    whole = tuple(math.prod(sizes[i + 1 :]) for i in range(len(sizes)))
    strides = [tuple(steps[group[-1]] for group in groups) for steps in arrays]
    return Layout(walk, sizes, outer, tuple(None if s == whole else s for s in strides), tuple(closes))


def _together(arrays: list[Shape], reductions: list[tuple[int, ...]], domain: Shape, j: int, k: int) -> bool:
    """Whether axes j and k can be walked as one. (Axes between them have size 1.)"""
    if any((j in axes) != (k in axes) for axes in reductions):
        return False
    return all(steps[j] == steps[k] * domain[k] for steps in arrays)
