"""A program along one of its inputs, or two: values and derivatives at many points."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from time import monotonic
from typing import Any

import numpy as np

from ndgrad.errors import Diagnostic, Error
from ndgrad.frozen import Frozen
from ndgrad.lang import problems
from ndgrad.lang.program import Program
from ndgrad.lang.starting import values_before

Array = np.ndarray[Any, Any]


class Axis(Frozen):
    """An input, or one entry of it (`index`), and the points it goes through."""

    name: str
    index: tuple[int, ...]
    points: Array

    @property
    def label(self) -> str:
        return f"{self.name}[{', '.join(map(str, self.index))}]" if self.index else self.name


class Samples(Frozen):
    """values[i] or values[i, j] where the axes are at their points i and j; slopes by each axis in turn."""

    of: str
    axes: tuple[Axis, ...]
    values: Array
    slopes: tuple[Array, ...]
    warnings: tuple[Diagnostic, ...] = ()


def sample(
    program: Program,
    axes: Sequence[Axis],
    inputs: Mapping[str, Any] | None = None,
    of: str | None = None,
    look: Callable[[int], None] | None = None,
    timeout: float | None = None,
    **settings: Any,
) -> Samples:
    """The output, one number, and its derivatives on the grid of the axes. Random numbers are the same at all points.

    look      told before every point how many there were
    timeout   seconds for all of it
    settings  of `Program.run`: dtype, seed, train, bound_by, and the other limits, each for one run
    Errors: those of `Program.run`, E205 for an axis that is no input, E413 where the output is no single number;
    ValueError for an axis that is an array, or an entry that an input does not have.
    """
    inputs = dict(inputs or {})
    ends = None if timeout is None else monotonic() + timeout

    def left() -> dict[str, Any]:
        if ends is None or timeout is None:
            return {}
        if monotonic() > ends:
            raise problems.raised(problems.out_of_time(None, timeout, ""))
        return {"timeout": max(ends - monotonic(), 1e-3)}

    if settings.get("seed") is None:
        settings["seed"] = int(np.random.default_rng().integers(1 << 31))
    try:
        starts = _starts(program, axes, inputs, settings, left())
        return _sampled(program, axes, {**inputs, **starts}, of, look or _unseen, left, settings)
    except Error as error:
        if error.code == "E505" and timeout is not None:
            raise problems.raised(problems.out_of_time(error.span, timeout, "")) from None
        raise


def _starts(
    program: Program, axes: Sequence[Axis], inputs: dict[str, Any], settings: dict[str, Any], left: dict[str, Any]
) -> dict[str, Array]:
    """The values of the inputs that are moved before they are: those that have none are numbers."""
    names = tuple(dict.fromkeys(axis.name for axis in axes))
    optional = [declared.name for declared in program.inputs if declared.optional]
    known = [*(declared.name for declared in program.inputs), *sorted(program.free_names)]
    for name in names:
        if name not in known:
            raise problems.raised(problems.unknown_option("--over", name, "input", known))
    entries = {axis.name for axis in axes if axis.index}
    bare = {
        axis.name: float(axis.points[0])
        for axis in axes
        if axis.name not in inputs and axis.name not in optional and axis.name not in entries
    }
    how = {name: value for name, value in settings.items() if name != "seed"}
    starts = values_before(program, names, {**inputs, **bare}, "--over", **how, **left)
    for axis in axes:
        shape = starts[axis.name].shape
        if not axis.index and starts[axis.name].size != 1:
            first = ", ".join("0" * len(shape))
            raise ValueError(f"{axis.name} has the shape {shape}; move one entry of it, as in {axis.name}[{first}]")
        inside = len(axis.index) == len(shape) and all(0 <= i < n for i, n in zip(axis.index, shape, strict=True))
        if axis.index and not inside:
            raise ValueError(f"{axis.name} has no entry {axis.label}: its shape is {shape}")
    return starts


def _sampled(
    program: Program,
    axes: Sequence[Axis],
    inputs: dict[str, Any],
    of: str | None,
    look: Callable[[int], None],
    left: Callable[[], dict[str, Any]],
    settings: dict[str, Any],
) -> Samples:
    names = tuple(dict.fromkeys(axis.name for axis in axes))
    shape = tuple(len(axis.points) for axis in axes)
    values = np.empty(shape)
    slopes = tuple(np.empty(shape) for _ in axes)
    warnings: tuple[Diagnostic, ...] = ()
    made_of = of or ""
    for count, place in enumerate(np.ndindex(shape)):
        look(count)
        moved = {name: inputs[name].copy() for name in names}
        for axis, i in zip(axes, place, strict=True):
            moved[axis.name][axis.index or ...] = axis.points[i]
        made = program.run({**inputs, **moved}, grad=names, of=of, show=_nowhere, **settings, **left())
        value = made.differentiated
        if value is None:
            raise problems.raised(problems.no_output("the program has no value to draw"))
        made_of = made.of or made_of
        if value.size != 1:
            shape_said = "×".join(map(str, value.shape))
            raise problems.raised(problems.not_one_number(made_of, "a curve is that of one number", shape_said))
        if not count:
            warnings = tuple(warning for warning in made.warnings if warning.code != "W403")  # gaps show nan
        values[place] = value.item()
        for axis, slope in zip(axes, slopes, strict=True):
            slope[place] = made.grads[axis.name][axis.index or ...].item()
    return Samples(made_of, tuple(axes), values, slopes, warnings)


def _unseen(count: int) -> None:
    return


def _nowhere(text: str) -> None:
    return
