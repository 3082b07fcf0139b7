"""Pictures in a terminal: curves in Braille dots by plotille, contours and heat maps in shades."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import pairwise
from math import ceil, floor, isfinite, log10
from typing import TYPE_CHECKING, Any

import numpy as np

from ndgrad.cli.plots import limits, number
from ndgrad.cli.streams import colours, columns, only_ascii

if TYPE_CHECKING:
    from ndgrad.cli.plots import Drawn, Tangent

LINES, LOWER = 21, 9  # at most, of the value and of the derivative
SHADES = " ░▒▓█"
ASCII_SHADES = " .:-=+*#%@"
CURVE, TANGENTS = "blue", ("red", "magenta", "cyan", "yellow")
HEAT_ROWS = 30


def text(drawn: Drawn) -> str:
    """The picture in lines as wide as the terminal."""
    if drawn.samples is None:
        return _heat(drawn)
    return _curve(drawn) if len(drawn.samples.axes) == 1 else _contour(drawn)


def _curve(drawn: Drawn) -> str:
    samples = drawn.samples
    assert samples is not None
    x, by = samples.axes[0].points, samples.axes[0].label
    said = [f"  {drawn.label(drawn.of)}", *_lines(*drawn.curve, drawn.tangents, LINES)]
    for line, colour in zip(drawn.tangents, _colours(drawn.tangents), strict=True):
        said.append(_painted(f"  tangent at {by} = {number(line.at)}: {line.equation}", colour))
    said += ["", f"  {drawn.slope_label}", *_lines(x, drawn.slopes[0], (), LOWER)]
    return "\n".join([*said, f"  {drawn.label(by)} from {number(x[0])} to {number(x[-1])}", ""])


def _lines(x: Any, values: Any, tangents: tuple[Tangent, ...], most: int) -> list[str]:
    """One curve, and the value in the middle of every line."""
    from plotille import Canvas

    if not np.isfinite(values).any():
        return ["  nowhere finite"]
    first, step, height = _scale(*limits(values, room=0), most)
    middles = [(first + i) * step for i in range(height)]
    digits = max(4, min(15, ceil(log10(max(step, *map(abs, middles)) / step)) + 2))
    labels = [number(middle, digits) for middle in middles]
    margin = max(8, *map(len, labels)) + 5
    width = max(columns() - margin, 10)
    low = (first - 0.5) * step
    high = low + height * step
    dots = 2 * width
    right = x[0] + (x[-1] - x[0]) * dots / (dots - 1)  # the last dot is at the last point, not beyond it
    canvas = Canvas(width, height, float(x[0]), low, float(right), high)
    ends = np.array([x[0], x[-1]])
    top = high - step / 4
    for line, colour in zip(tangents, _colours(tangents), strict=True):
        for part in _segments(ends, line.value + line.slope * (ends - line.at), low, high, top):
            canvas.line(*part, color=colour)
    for part in _segments(x, values, low, high, top):
        canvas.line(*part, color=CURVE if colours(sys.stdout) else None)
    rows = [row.replace("⠀", " ").rstrip() for row in canvas.plot().splitlines()]
    if only_ascii(sys.stdout):
        rows = ["".join("*" if "⠁" <= sign <= "⣿" else sign for sign in row) for row in rows]
    return [f"  {label:>{margin - 5}} | {row}".rstrip() for label, row in zip(reversed(labels), rows, strict=True)]


def _scale(low: float, high: float, most: int) -> tuple[int, float, int]:
    """Lines at round numbers: how many steps the lowest is above 0, the step, and how many they are."""
    power = 10.0 ** floor(log10((high - low) / most))
    for factor in (1, 2, 2.5, 5, 10, 20):
        step = factor * power
        first, last = round(low / step), round(high / step)
        if last - first < most:
            break
    return first, step, last - first + 1


def _segments(x: Any, y: Any, low: float, high: float, top: float) -> Iterator[tuple[float, float, float, float]]:
    """The pieces of a line, cut where they leave the picture; what is at its upper edge stays below `top`."""
    points = [(float(a), float(b)) for a, b in zip(x, y, strict=True)]
    for a, b in pairwise(points):
        if not (isfinite(a[1]) and isfinite(b[1])) or max(a[1], b[1]) < low or min(a[1], b[1]) > high:
            continue
        made: list[float] = []
        for (at, height), (far, other) in ((a, b), (b, a)):
            inside = min(max(height, low), high)
            made += [at + (far - at) * ((inside - height) / (other - height)) if inside != height else at]
            made += [min(inside, top)]
        yield made[0], made[1], made[2], made[3]


def _colours(tangents: tuple[Tangent, ...]) -> list[str | None]:
    return [TANGENTS[i % len(TANGENTS)] if colours(sys.stdout) else None for i in range(len(tangents))]


def _painted(text: str, colour: str | None) -> str:
    import plotille

    return plotille.color(text, fg=colour) if colour else text


def _contour(drawn: Drawn) -> str:
    """Shades from the least (light) to the most, by equal shares of the area."""
    samples = drawn.samples
    assert samples is not None
    a, b = samples.axes
    z = samples.values.T
    wide = max(min(columns() - 4, 2 * len(a.points)), 10)
    high = min(24, max(2, wide // 3), len(b.points))
    at_b = np.linspace(len(b.points) - 1, 0, high).round().astype(int)
    at_a = np.linspace(0, len(a.points) - 1, wide).round().astype(int)
    shown = z[np.ix_(at_b, at_a)]
    finite = z[np.isfinite(z)]
    shades = _shades()
    edges: Any = np.quantile(finite, np.linspace(0, 1, len(shades) + 1)[1:-1]) if finite.size else []
    rows = [
        "".join(shades[i] if ok else "?" for i, ok in zip(np.searchsorted(edges, row), np.isfinite(row), strict=True))
        for row in shown
    ]
    if not finite.size:
        said = [f"  {drawn.label(drawn.of)}, nowhere finite"]
    else:
        low, high_said = number(finite.min()), number(finite.max())
        rest = "" if finite.size == z.size else "; ? where it is not finite"
        said = [f"  {drawn.label(drawn.of)}, from {low} ({shades[0]!r}) to {high_said} ({shades[-1]!r}){rest}"]
    said += [f"  {row}" for row in rows]
    for axis, way in ((a, "across"), (b, "up")):
        said.append(f"  {way}: {drawn.label(axis.label)} from {number(axis.points[0])} to {number(axis.points[-1])}")
    if finite.size:
        lowest = np.unravel_index(np.argmin(np.where(np.isfinite(z), z, np.inf)), z.shape)
        where = f"{a.label} = {number(a.points[lowest[1]])}, {b.label} = {number(b.points[lowest[0]])}"
        said.append(f"  least there: {number(z[lowest])} at {where}")
    return "\n".join([*said, ""])


def _heat(drawn: Drawn) -> str:
    """The gradient in shades of its size, with its signs."""
    heat = drawn.heat
    rows = np.linspace(0, heat.shape[0] - 1, min(heat.shape[0], HEAT_ROWS)).round().astype(int)
    wide = min(heat.shape[1], max((columns() - 4) // 2, 1))
    across = np.linspace(0, heat.shape[1] - 1, wide).round().astype(int)
    most = float(np.max(np.abs(heat[np.isfinite(heat)]), initial=0.0)) or 1.0
    if not np.any(heat):
        return f"  {drawn.slope_label}: 0 everywhere\n"
    shades = _shades()
    minus = "-" if only_ascii(sys.stdout) else "−"
    name = drawn.label(drawn.by)
    lines = [f"  {drawn.slope_label}: its signs, and its size up to {number(most)} ({shades[-1]!r})"]
    for row in heat[np.ix_(rows, across)]:
        cells = []
        for value in row:
            if not np.isfinite(value):
                cells.append("??")
                continue
            shade = shades[min(int(abs(value) / most * len(shades)), len(shades) - 1)]
            cells.append((minus if value < 0 else "+" if value > 0 else " ") + shade)
        lines.append(f"  {''.join(cells)}".rstrip())
    shape = f"{len(rows)} of {heat.shape[0]:,} rows and {wide} of {heat.shape[1]:,} columns"
    parts = (len(rows), wide) != heat.shape
    return "\n".join([*lines, *([f"  of {name}: {shape}, evenly apart"] if parts else []), ""])


def _shades() -> str:
    return ASCII_SHADES if only_ascii(sys.stdout) else SHADES
