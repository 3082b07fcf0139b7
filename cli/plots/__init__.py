"""`ndgrad plot`: what its options ask to draw, computed, and handed to a module that draws it.

`picture` draws files with matplotlib, `terminal` text with plotille.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable
from importlib import import_module
from math import floor, prod
from typing import TYPE_CHECKING, Any

import numpy as np

from ndgrad.cli import problems
from ndgrad.cli.drawing import show
from ndgrad.cli.progress import Progress
from ndgrad.cli.writing.places import Place, guard
from ndgrad.frozen import Frozen
from ndgrad.lang.curves import Axis, Samples, sample

if TYPE_CHECKING:
    from ndgrad.cli.job import Job

FORMATS = ("svg", "png", "pdf")
POINTS, GRID = 200, 64  # steps of a curve, and of each side of a contour, unless told
MOST = 100_000  # points of a picture
_NAME = re.compile(r"\s*(\w+)\s*(?:\[([\d\s,]+)\])?\s*=(.*)", re.DOTALL)


class Tangent(Frozen):
    """The line through (at, value) with this slope."""

    at: float
    value: float
    slope: float
    by: str = "x"

    @property
    def equation(self) -> str:
        """`y = 2x − 3`, with the name of the input in place of x."""
        constant = self.value - self.slope * self.at
        if abs(constant) < 1e-12 * max(abs(self.value), abs(self.slope * self.at)):
            constant = 0.0
        slope, rest = number(self.slope), number(abs(constant))
        left = "" if self.by == "y" else "y = "
        if slope in ("0", "−0"):
            return left + number(constant)
        times = "·" if "e" in slope or len(self.by) > 1 else ""
        moving = {"1": self.by, "−1": f"−{self.by}"}.get(slope, f"{slope}{times}{self.by}")
        return f"{left}{moving}" + ("" if rest == "0" else f" {'−' if constant < 0 else '+'} {rest}")


class Drawn(Frozen):
    """What is on a picture: samples with tangents, or (without samples) a heat map."""

    of: str
    labels: dict[str, str]
    samples: Samples | None = None
    tangents: tuple[Tangent, ...] = ()
    heat: Any = None
    by: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """What has a label: the axes and the output."""
        axes = (self.by,) if self.samples is None else tuple(axis.label for axis in self.samples.axes)
        return (*axes, self.of)

    def label(self, name: str) -> str:
        """What to write for an axis or the output, a name unless the options say something else."""
        return self.labels.get(name) or shortened(name)

    @property
    def curve(self) -> tuple[Any, Any]:
        """The values along one axis, with nan where they jump: there the line is broken."""
        assert self.samples is not None
        x, y, slope = self.samples.axes[0].points, self.samples.values, self.samples.slopes[0]
        with np.errstate(all="ignore"):
            step, change = np.diff(x), np.diff(y)
            most = np.maximum(np.abs(slope[1:]), np.abs(slope[:-1]))
            against = (np.sign(slope[1:]) == np.sign(slope[:-1])) & (np.sign(change) == -np.sign(slope[1:]))
            size = np.ptp(y[np.isfinite(y)]) if np.isfinite(y).any() else 0.0
            jumps = ((np.abs(change) > 5 * most * step) | against) & (np.abs(change) > 1e-3 * size)
        at = np.flatnonzero(jumps) + 1
        return np.insert(x, at, x[at]), np.insert(y, at, np.nan)

    @property
    def slopes(self) -> tuple[Any, ...]:
        """The derivative by each axis, nan where there is no value to differentiate."""
        assert self.samples is not None
        defined = np.isfinite(self.samples.values)
        return tuple(np.where(defined, slope, np.nan) for slope in self.samples.slopes)

    @property
    def slope_label(self) -> str:
        by = self.by if self.samples is None else self.samples.axes[0].label
        return f"d{self.of}/d{by}" if self.of.isidentifier() else f"d/d{by}"


class Wanted(Frozen):
    """What the options say is to be drawn."""

    over: tuple[Axis, ...]
    tangents: tuple[tuple[Axis, ...], ...]
    labels: dict[str, str]

    @staticmethod
    def read(over: list[str] | None, tangent: list[str] | None, label: list[str] | None) -> Wanted:
        """Read the options. Stops on wrong usage."""
        if over is not None and len(over) > 2:
            problems.usage("--over is given once for a curve, twice for a contour")
        axes = tuple(_axis(text, len(over or ())) for text in over or ())
        if len({axis.label for axis in axes}) < len(axes):
            problems.usage(f"--over {axes[0].label} is given twice; a contour has two inputs, or two entries of one")
        points = tuple((_point(text),) for text in tangent or ())
        if points and len(axes) != 1:
            problems.usage("--tangent goes with one --over")
        for (point,) in points:
            if point.label != axes[0].label:
                problems.usage(f"--tangent is at a value of {axes[0].label}, which is what --over moves")
        return Wanted(axes, points, _labels(label))


def number(value: float, digits: int = 4) -> str:
    """Up to `digits` digits, with a real minus."""
    return f"{value:.{digits}g}".replace("-", "−")


def limits(values: Any, *more: float, room: float = 0.06) -> tuple[float, float]:
    """Of an axis: all values, but for the last hundredths where those would flatten everything else (poles).

    room: what is added on both sides, as a part of the whole; more where the values are all the same.
    """
    finite = np.clip(np.concatenate([values[np.isfinite(values)], more]), -1e300, 1e300)
    if not finite.size:
        return -1.0, 1.0
    low, high = float(finite.min()), float(finite.max())
    inner = np.percentile(finite, [3, 97])
    if high - low > 8 * (inner[1] - inner[0]) > 0:
        low, high = (float(edge) for edge in inner)
    largest = max(abs(low), abs(high))
    added = room * (high - low) if high - low > 1e-12 * largest else 0.5 * largest or 1.0
    return low - added, high + added


def chosen(format: str | None, output: str | None) -> str:
    """The format asked for, or told by the file's name. Stops on wrong usage."""
    to_stdout = output in (None, "-")
    told = "" if to_stdout else os.path.splitext(output or "")[1].lower().removeprefix(".")
    if format and told in FORMATS and told != format:
        problems.disagree(format, output, told)
    if format is None and not to_stdout:
        format = told
        if format not in FORMATS:
            problems.usage(f"-o {output}: the name says no format to draw; name it .svg, .png or .pdf")
    if format in ("png", "pdf") and to_stdout and sys.stdout.isatty():
        problems.usage(f"--format {format} is binary and does not go to a terminal; add -o FILE, or redirect")
    return format or "text"


def perform(job: Job, wanted: Wanted, format: str, output: str | None) -> None:
    """Compute what is wanted and draw it. E702 where the package that draws is missing."""
    package = "plotille" if format == "text" else "matplotlib"
    try:
        import_module(package)
    except ImportError:
        raise problems.package_missing(package, "drawing", "plot") from None
    guard(output, job.files())
    drawn = _computed(job, wanted)
    for name in wanted.labels:
        if name not in drawn.names:
            problems.usage(f"--label {name}: what has a label here is {' and '.join(drawn.names)}")
    place = Place(output)
    if format == "text":
        from ndgrad.cli.plots import terminal

        place.write_text(terminal.text(drawn))
        return
    from ndgrad.cli.plots import picture

    place.write_bytes(picture.data(drawn, format))


def _computed(job: Job, wanted: Wanted) -> Drawn:
    if not wanted.over:
        if len(job.grad) != 1:
            problems.usage("plot needs --over NAME=FROM:TO, or --grad NAME for a heat map")
        result = job.result()
        if len(result.grads) != 1:
            problems.usage(f"a heat map is that of one gradient; there are those by {', '.join(result.grads)}")
        ((by, heat),) = result.grads.items()
        if heat.ndim not in (1, 2) or not heat.size:
            problems.usage(f"a heat map is that of a matrix or a vector; {by} has the shape {heat.shape}")
        return Drawn(result.of or "", wanted.labels, heat=np.atleast_2d(heat), by=by)
    if job.grad:
        problems.usage("--over draws the derivative by itself; --grad is for a heat map, without --over")
    program = job.loaded(*(axis.name for axis in wanted.over))
    inputs, arguments = job.arguments()
    seed = job.more.seed if job.more.seed is not None else int(np.random.default_rng().integers(1 << 31))
    settings = {
        "dtype": job.dtype,
        "seed": seed,
        "train": job.more.train,
        "bound_by": arguments["bound_by"],
        **job.limits.arguments(),
    }
    progress = Progress()
    points = prod(len(axis.points) for axis in wanted.over)
    try:
        samples = sample(
            program, wanted.over, inputs, job.of, lambda count: progress(f"point {count:,} of {points:,}"), **settings
        )
        tangents = [sample(program, point, inputs, job.of, **settings) for point in wanted.tangents]
    except ValueError as error:
        problems.usage(str(error))
    finally:
        progress.close()
    if samples.warnings:
        show(samples.warnings)
    for s in tangents:
        if not (np.isfinite(s.values).all() and np.isfinite(s.slopes[0]).all()):
            at = f"{s.axes[0].label}={s.axes[0].points[0]:g}"
            problems.usage(f"--tangent {at}: the value or its derivative is not finite there")
    lines = tuple(
        Tangent(float(s.axes[0].points[0]), float(s.values[0]), float(s.slopes[0][0]), s.axes[0].label)
        for s in tangents
    )
    return Drawn(samples.of, wanted.labels, samples, lines)


def _axis(text: str, count: int) -> Axis:
    name, index, rest = _named("--over", text, "NAME=FROM:TO or NAME=FROM:TO:STEP")
    parts = _numbers(rest.split(":"), f"--over {text}")
    if len(parts) not in (2, 3):
        problems.usage(f"--over {text}: a range is FROM:TO or FROM:TO:STEP")
    low, high = parts[:2]
    if not low < high:
        problems.usage(f"--over {text}: the range goes from less to more")
    steps = POINTS if count == 1 else GRID
    if len(parts) == 3:
        if not 0 < parts[2] <= high - low:
            problems.usage(f"--over {text}: the step is more than 0, and no longer than the range")
        steps = floor((high - low) / parts[2] + 1e-9)
        high = low + steps * parts[2]
    if (steps + 1) ** count > MOST:
        problems.usage(f"--over {text}: a picture has {MOST:,} points at most")
    return Axis(name, index, np.linspace(low, high, steps + 1))


def _point(text: str) -> Axis:
    name, index, rest = _named("--tangent", text, "NAME=NUMBER")
    return Axis(name, index, np.array(_numbers([rest], f"--tangent {text}")))


def _labels(given: list[str] | None) -> dict[str, str]:
    """NAME=TEXT by name; an entry of an input is a name too."""
    made = {}
    for text in given or ():
        name, index, label = _named("--label", text, "NAME=TEXT")
        made[Axis(name, index, np.empty(0)).label] = label.strip()
    return made


def shortened(text: str) -> str:
    """An output that has no name is called by its expression, which may be long."""
    return text if len(text) <= 40 else f"{text[:39]}…"


def _named(option: str, text: str, form: str) -> tuple[str, tuple[int, ...], str]:
    found = _NAME.fullmatch(text)
    if found is None or not found[1].isidentifier():
        problems.usage(f"{option} {text}: it is given as {form}")
    index = tuple(int(part) for part in found[2].split(",")) if found[2] else ()
    return found[1], index, found[3]


def _numbers(parts: Iterable[str], where: str) -> list[float]:
    made = []
    for part in parts:
        try:
            made.append(float(part))
        except ValueError:
            problems.usage(f"{where}: {part.strip() or 'nothing'} is no number")
    if not np.all(np.isfinite(made)):
        problems.usage(f"{where}: a picture has finite axes")
    return made
