"""Joining, splitting, repeating, turning and padding: linear operations that move entries about."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from ndgrad import problems
from ndgrad.ops.shape import Shape, as_shape, axis_at, swapped
from ndgrad.primitive import composite, primitive


def _joined(shapes: tuple[Shape, ...], axis: int) -> Shape:
    if not shapes:
        raise problems.bad_argument("concatenate", "there is nothing to join")
    first = shapes[0]
    if not first:
        raise problems.does_not_fit("concatenate", "scalars have no axis to join along; use stack", (first,))
    at = axis_at("concatenate", axis, len(first))
    for s in shapes:
        if len(s) != len(first) or any(m != n for i, (m, n) in enumerate(zip(s, first, strict=True)) if i != at):
            raise problems.does_not_fit("concatenate", f"the arrays differ beside axis {at}", (first, s))
    return (*first[:at], sum(s[at] for s in shapes), *first[at + 1 :])


def _named(axis: Any) -> Any:
    """The axis, which is one: NumPy takes None for flat arrays, which `ravel` makes here."""
    if axis is None:
        raise problems.bad_argument("concatenate", "axis is an integer")
    return axis


def _pieces(F: Any, g: Any, shapes: tuple[Shape, ...], axis: int) -> list[Any]:
    at = axis % len(g.shape)
    lead = (slice(None),) * at
    start = 0
    made = []
    for s in shapes:
        made.append(F.index(g, (*lead, slice(start, start + s[at]))))
        start += s[at]
    return made


concatenate = primitive(
    "concatenate",
    value=lambda F, arrays, axis=0: F.concatenate(arrays, axis=_named(axis)),
    vjp=lambda F, g, arrays_shape, axis: _pieces(F, g, arrays_shape, axis),
    linear="jointly",
    routes=True,
    variadic=True,
    shape=_joined,
    example="concatenate([[1, 2], [3]]) -> [1, 2, 3]",
)
hstack = composite(
    "hstack",
    value=lambda F, arrays: F.concatenate(
        [F.reshape(x, x.shape or (1,)) for x in arrays], 0 if len(arrays[0].shape) < 2 else 1
    ),
    variadic=True,
    example="hstack([[1, 2], [3]]) -> [1, 2, 3]",
)
vstack = composite(
    "vstack",
    value=lambda F, arrays: F.concatenate([F.atleast_2d(x) for x in arrays], 0),
    variadic=True,
    example="vstack([[1, 2], [3, 4]]) -> [[1, 2], [3, 4]]",
)


def _split(F: Any, x: Any, sections: Any, axis: int) -> tuple[Any, ...]:
    at = axis_at("split", axis, len(x.shape))
    n = x.shape[at]
    if isinstance(sections, (int, np.integer)):
        if sections < 1 or n % sections:
            raise problems.does_not_fit("split", f"{n} entries do not divide into {sections} equal parts", (x.shape,))
        bounds = list(range(0, n + 1, n // sections)) if n else [0] * (sections + 1)
    else:
        bounds = [0, *(int(i) for i in np.ravel(sections)), n]
    lead = (slice(None),) * at
    return tuple(F.index(x, (*lead, slice(i, j))) for i, j in pairwise(bounds))


split = composite(
    "split",
    value=lambda F, x, indices_or_sections, axis=0: _split(F, x, indices_or_sections, axis),
    outputs=2,
    example="split([1, 2, 3, 4], 2) -> [[1, 2], [3, 4]]",
)


def _tiled(F: Any, x: Any, reps: Any) -> Any:
    times = as_shape(reps)
    shape = (1,) * (len(times) - len(x.shape)) + x.shape
    times = (1,) * (len(shape) - len(times)) + times
    apart = tuple(n for s in shape for n in (1, s))
    spread = tuple(n for t, s in zip(times, shape, strict=True) for n in (t, s))
    whole = tuple(t * s for t, s in zip(times, shape, strict=True))
    return F.reshape(F.broadcast_to(F.reshape(x, apart), spread), whole)


tile = composite("tile", value=lambda F, x, reps: _tiled(F, x, reps), example="tile([1, 2], 2) -> [1, 2, 1, 2]")


def _repeated(F: Any, x: Any, repeats: Any, axis: Any) -> Any:
    if axis is None:
        x, axis = F.reshape(x, (-1,)), 0
    at = axis_at("repeat", axis, len(x.shape))
    if np.any(np.less(repeats, 0)):
        raise problems.bad_argument("repeat", "repeats are not negative")
    if isinstance(repeats, (int, np.integer)):
        before, after = x.shape[: at + 1], x.shape[at + 1 :]
        spread = F.broadcast_to(F.reshape(x, (*before, 1, *after)), (*before, int(repeats), *after))
        return F.reshape(spread, (*before[:-1], before[-1] * int(repeats), *after))
    rows = np.repeat(np.arange(x.shape[at]), np.asarray(repeats, dtype=np.int64))
    return F.index(x, (*(slice(None),) * at, rows))


repeat = composite(
    "repeat",
    value=lambda F, x, repeats, axis=None: _repeated(F, x, repeats, axis),
    example="repeat([1, 2], 2) -> [1, 1, 2, 2]",
)


def _flipped(F: Any, x: Any, axis: Any) -> Any:
    axes = range(len(x.shape)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    at = {axis_at("flip", a, len(x.shape)) for a in axes}
    return F.index(x, tuple(slice(None, None, -1) if i in at else slice(None) for i in range(len(x.shape))))


flip = composite("flip", value=lambda F, x, axis=None: _flipped(F, x, axis), example="flip([1, 2, 3]) -> [3, 2, 1]")


def _rolled(F: Any, x: Any, shift: Any, axis: Any) -> Any:
    if axis is None:
        return F.reshape(_rolled(F, F.reshape(x, (-1,)), shift, 0), x.shape)
    axes = axis if isinstance(axis, tuple) else (axis,)
    shifts = shift if isinstance(shift, tuple) else (shift,) * len(axes)
    for s, a in zip(shifts, axes, strict=True):
        at = axis_at("roll", a, len(x.shape))
        n = x.shape[at]
        if n:
            lead = (slice(None),) * at
            cut = -int(s) % n
            x = F.concatenate([F.index(x, (*lead, slice(cut, None))), F.index(x, (*lead, slice(None, cut)))], at)
    return x


roll = composite(
    "roll", value=lambda F, x, shift, axis=None: _rolled(F, x, shift, axis), example="roll([1, 2, 3], 1) -> [3, 1, 2]"
)


def _rotated(F: Any, x: Any, k: int, axes: Any) -> Any:
    i, j = (axis_at("rot90", a, len(x.shape)) for a in axes)
    turns = k % 4
    if turns == 0:
        return x
    if turns == 2:
        return _flipped(F, x, (i, j))
    order = swapped(x, i, j)
    return F.transpose(_flipped(F, x, j), order) if turns == 1 else _flipped(F, F.transpose(x, order), j)


rot90 = composite(
    "rot90",
    value=lambda F, x, k=1, axes=(0, 1): _rotated(F, x, k, axes),
    example="rot90([[1, 2], [3, 4]]) -> [[2, 4], [1, 3]]",
)


def _padded(F: Any, x: Any, pad_width: Any, mode: str, constant_values: float) -> Any:
    widths = np.broadcast_to(np.asarray(pad_width, dtype=np.int64), (len(x.shape), 2))
    if np.any(widths < 0):
        raise problems.bad_argument("pad", "widths are not negative")
    if mode == "constant":
        shape = tuple(int(n + a + b) for n, (a, b) in zip(x.shape, widths, strict=True))
        inner = tuple(slice(int(a), int(a) + n) for n, (a, _) in zip(x.shape, widths, strict=True))
        return F.written(F.full(shape, constant_values, x.dtype), x, inner)
    if mode not in ("edge", "reflect", "symmetric", "wrap"):
        raise problems.bad_argument("pad", f"there is no mode {mode!r}; constant, edge, reflect, symmetric or wrap")
    for axis, (a, b) in enumerate(widths):
        rows = np.pad(np.arange(x.shape[axis]), (int(a), int(b)), mode=mode)  # type: ignore[call-overload]
        x = F.index(x, (*(slice(None),) * axis, rows))
    return x


pad = composite(
    "pad",
    value=lambda F, x, pad_width, mode="constant", constant_values=0.0: _padded(F, x, pad_width, mode, constant_values),
    example="pad([1, 2], 1) -> [0, 1, 2, 0]",
)


def _triangle(F: Any, x: Any, k: int, lower: bool) -> Any:
    if len(x.shape) < 2:
        raise problems.does_not_fit("tril" if lower else "triu", "a matrix is needed", (x.shape,))
    below = F.tri(x.shape[-2], x.shape[-1], k if lower else k - 1)
    return F.where(below, x, 0.0) if lower else F.where(below, 0.0, x)


tril = composite(
    "tril", value=lambda F, x, k=0: _triangle(F, x, k, True), example="tril([[1, 2], [3, 4]]) -> [[1, 0], [3, 4]]"
)
triu = composite(
    "triu", value=lambda F, x, k=0: _triangle(F, x, k, False), example="triu([[1, 2], [3, 4]]) -> [[1, 2], [0, 4]]"
)


def _differences(F: Any, x: Any, n: int, axis: int) -> Any:
    at = axis_at("diff", axis, len(x.shape))
    if n < 0:
        raise problems.bad_argument("diff", "n is at least 0")
    lead = (slice(None),) * at
    for _ in range(min(n, x.shape[at])):  # then nothing is left
        x = F.index(x, (*lead, slice(1, None))) - F.index(x, (*lead, slice(None, -1)))
    return x


diff = composite(
    "diff", value=lambda F, x, n=1, axis=-1: _differences(F, x, n, axis), example="diff([1, 4, 9]) -> [3, 5]"
)


def _grids(F: Any, arrays: list[Any], indexing: str) -> tuple[Any, ...]:
    if indexing not in ("xy", "ij"):
        raise problems.bad_argument("meshgrid", "indexing is 'xy' or 'ij'")
    order = list(range(len(arrays)))
    if indexing == "xy" and len(arrays) > 1:
        order[0], order[1] = 1, 0
    sizes = [int(np.prod(a.shape)) for a in arrays]
    whole = tuple(sizes[i] for i in order)
    made = []
    for i, a in enumerate(arrays):
        shape = tuple(sizes[i] if j == i else 1 for j in order)
        made.append(F.broadcast_to(F.reshape(a, shape), whole))
    return tuple(made)


meshgrid = composite(
    "meshgrid",
    value=lambda F, x, y=None, z=None, indexing="xy": _grids(F, [a for a in (x, y, z) if a is not None], indexing),
    operands=3,
    outputs=2,
    example="meshgrid([1, 2], [3, 4]) -> [[[1, 2], [1, 2]], [[3, 3], [4, 4]]]",
)
