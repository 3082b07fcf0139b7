"""Shapes: reshape, transpose, broadcast, join. All linear, each with its transpose."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from ndgrad import problems
from ndgrad.dtypes import stated
from ndgrad.namespace import unbroadcast
from ndgrad.primitive import composite, primitive

Shape = tuple[int, ...]


def as_shape(shape: Any, op: str = "reshape") -> Shape:
    """An integer or a sequence of integers as a shape. E307 for anything else."""
    sizes = shape if isinstance(shape, (tuple, list, np.ndarray)) else (shape,)
    try:
        whole = tuple(int(n) for n in sizes)
    except (TypeError, ValueError):
        whole = None
    if whole is None or any(m != n for m, n in zip(whole, sizes, strict=True)):
        raise problems.bad_argument(op, "a shape is an integer or a tuple of integers")
    return whole


def reshaped(x: Shape, shape: Any) -> Shape:
    """The shape that reshaping x to `shape` (one -1 allowed) gives. E304 if the sizes differ."""
    wanted = as_shape(shape)
    size = int(np.prod(x, dtype=np.int64))
    if wanted.count(-1) > 1:
        raise problems.bad_argument("reshape", "only one size may be -1")
    if -1 in wanted:
        rest = int(np.prod([n for n in wanted if n != -1], dtype=np.int64))
        if rest and size % rest == 0:
            return tuple(size // rest if n == -1 else n for n in wanted)
    elif int(np.prod(wanted, dtype=np.int64)) == size:
        return wanted
    text = problems.shown(wanted)
    raise problems.does_not_fit("reshape", f"{size} entries do not fill {text}", (x,))


reshape = primitive(
    "reshape",
    value=lambda F, x, shape: F.reshape(x, shape),
    vjps=[lambda F, g, x_shape: F.reshape(g, x_shape)],
    linear="jointly",
    routes=True,
    shape=reshaped,
    example="reshape([1, 2, 3, 4], (2, 2)) -> [[1, 2], [3, 4]]",
)


def transposed(x: Shape, axes: Any) -> Shape:
    """The shape after permuting the axes. E302 unless `axes` is a permutation."""
    if axes is None:
        return x[::-1]
    order = [int(i) % len(x) if -len(x) <= i < len(x) else -1 for i in axes]
    if sorted(order) != list(range(len(x))):
        raise problems.axis_out_of_range("transpose", tuple(axes), x)
    return tuple(x[i] for i in order)


def _inverse(axes: Any) -> Any:
    if axes is None:
        return None
    return tuple(int(i) for i in np.argsort([i % len(axes) for i in axes]))


transpose = primitive(
    "transpose",
    value=lambda F, x, axes=None: F.transpose(x, axes),
    vjps=[lambda F, g, axes: F.transpose(g, _inverse(axes))],
    linear="jointly",
    routes=True,
    shape=transposed,
    written="{x}ᵀ",
    example="transpose([[1, 2], [3, 4]]) -> [[1, 3], [2, 4]]",
)


def broadcasted(x: Shape, shape: Any) -> Shape:
    """The shape of x broadcast to `shape`. E301 if it does not go."""
    wanted = as_shape(shape)
    try:
        fits = np.broadcast_shapes(x, wanted) == wanted
    except ValueError:
        fits = False
    if not fits:
        raise problems.shapes_do_not_broadcast("broadcast_to", (x, wanted))
    return wanted


broadcast_to = primitive(
    "broadcast_to",
    value=lambda F, x, shape: F.broadcast_to(x, shape),
    vjps=[lambda F, g, x_shape: unbroadcast(g, x_shape, F)],
    linear="jointly",
    routes=True,
    shape=broadcasted,
    view=True,
    example="broadcast_to([1, 2], (2, 2)) -> [[1, 2], [1, 2]]",
)


def _stacked(shapes: tuple[Shape, ...], axis: int) -> Shape:
    if not shapes:
        raise problems.bad_argument("stack", "there is nothing to stack")
    for s in shapes:
        if s != shapes[0]:
            raise problems.does_not_fit("stack", "the entries have different shapes", (shapes[0], s))
    n = len(shapes[0]) + 1
    if not -n <= axis < n:
        raise problems.axis_out_of_range("stack", axis, shapes[0])
    at = axis % n
    return (*shapes[0][:at], len(shapes), *shapes[0][at:])


stack = primitive(
    "stack",
    value=lambda F, arrays, axis=0: F.stack(arrays, axis=axis),
    vjp=lambda F, g, arrays_shape, axis: [
        F.index(g, (slice(None),) * (axis % len(g.shape)) + (i,)) for i in range(len(arrays_shape))
    ],
    linear="jointly",
    routes=True,
    variadic=True,
    shape=_stacked,
    example="stack([[1, 2], [3, 4]], axis=1) -> [[1, 3], [2, 4]]",
)

# Axes


def _axis(op: str, axis: int, ndim: int) -> int:
    if not isinstance(axis, (int, np.integer)) or not -ndim <= axis < ndim:
        raise problems.axis_out_of_range(op, axis, (0,) * ndim)
    return int(axis) % ndim


def _swapped(x: Any, axis1: int, axis2: int) -> tuple[int, ...]:
    order = list(range(len(x.shape)))
    i, j = _axis("swapaxes", axis1, len(order)), _axis("swapaxes", axis2, len(order))
    order[i], order[j] = order[j], order[i]
    return tuple(order)


swapaxes = composite(
    "swapaxes",
    value=lambda F, x, axis1, axis2: F.transpose(x, _swapped(x, axis1, axis2)),
    example="swapaxes([[1, 2], [3, 4]], 0, 1) -> [[1, 3], [2, 4]]",
)


def _moved(x: Any, source: Any, destination: Any) -> tuple[int, ...]:
    ndim = len(x.shape)
    sources = [_axis("moveaxis", a, ndim) for a in (source if isinstance(source, tuple) else (source,))]
    targets = [_axis("moveaxis", a, ndim) for a in (destination if isinstance(destination, tuple) else (destination,))]
    if len(set(sources)) != len(sources) or len(sources) != len(targets) or len(set(targets)) != len(targets):
        raise problems.bad_argument("moveaxis", "source and destination name each axis once, and as many")
    order = [i for i in range(ndim) if i not in sources]
    for target, axis in sorted(zip(targets, sources, strict=True)):
        order.insert(target, axis)
    return tuple(order)


moveaxis = composite(
    "moveaxis",
    value=lambda F, x, source, destination: F.transpose(x, _moved(x, source, destination)),
    example="moveaxis([[1, 2], [3, 4]], 0, 1) -> [[1, 3], [2, 4]]",
)


def _expanded(x: Any, axis: Any) -> Shape:
    axes = axis if isinstance(axis, tuple) else (axis,)
    ndim = len(x.shape) + len(axes)
    at = {_axis("expand_dims", a, ndim) for a in axes}
    rest = iter(x.shape)
    return tuple(1 if i in at else next(rest) for i in range(ndim))


expand_dims = composite(
    "expand_dims",
    value=lambda F, x, axis: F.reshape(x, _expanded(x, axis)),
    example="expand_dims([1, 2], 0) -> [[1, 2]]",
)


def _squeezed(x: Any, axis: Any) -> Shape:
    ndim = len(x.shape)
    if axis is None:
        return tuple(n for n in x.shape if n != 1)
    axes = {_axis("squeeze", a, ndim) for a in (axis if isinstance(axis, tuple) else (axis,))}
    for a in axes:
        if x.shape[a] != 1:
            raise problems.does_not_fit("squeeze", f"axis {a} has size {x.shape[a]}, not 1", (x.shape,))
    return tuple(n for i, n in enumerate(x.shape) if i not in axes)


squeeze = composite(
    "squeeze", value=lambda F, x, axis=None: F.reshape(x, _squeezed(x, axis)), example="squeeze([[[1, 2]]]) -> [1, 2]"
)
ravel = composite("ravel", value=lambda F, x: F.reshape(x, (-1,)), example="ravel([[1, 2], [3, 4]]) -> [1, 2, 3, 4]")
flatten = composite(
    "flatten", value=lambda F, x: F.reshape(x, (-1,)), example="flatten([[1, 2], [3, 4]]) -> [1, 2, 3, 4]"
)
atleast_1d = composite("atleast_1d", value=lambda F, x: F.reshape(x, x.shape or (1,)), example="atleast_1d(5) -> [5]")
atleast_2d = composite(
    "atleast_2d",
    value=lambda F, x: F.reshape(x, x.shape if len(x.shape) > 1 else (1, *(x.shape or (1,)))),
    example="atleast_2d([1, 2]) -> [[1, 2]]",
)


def _three(shape: Shape) -> Shape:
    return {0: (1, 1, 1), 1: (1, *shape, 1), 2: (*shape, 1)}.get(len(shape), shape)


atleast_3d = composite(
    "atleast_3d", value=lambda F, x: F.reshape(x, _three(x.shape)), example="atleast_3d([1, 2]) -> [[[1], [2]]]"
)

# Joining and splitting


def _joined(shapes: tuple[Shape, ...], axis: int) -> Shape:
    if not shapes:
        raise problems.bad_argument("concatenate", "there is nothing to join")
    first = shapes[0]
    if not first:
        raise problems.does_not_fit("concatenate", "scalars have no axis to join along; use stack", (first,))
    at = _axis("concatenate", axis, len(first))
    for s in shapes:
        if len(s) != len(first) or any(m != n for i, (m, n) in enumerate(zip(s, first, strict=True)) if i != at):
            raise problems.does_not_fit("concatenate", f"the arrays differ beside axis {at}", (first, s))
    return (*first[:at], sum(s[at] for s in shapes), *first[at + 1 :])


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
    value=lambda F, arrays, axis=0: F.concatenate(arrays, axis=axis),
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
    at = _axis("split", axis, len(x.shape))
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
    at = _axis("repeat", axis, len(x.shape))
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
    at = {_axis("flip", a, len(x.shape)) for a in axes}
    return F.index(x, tuple(slice(None, None, -1) if i in at else slice(None) for i in range(len(x.shape))))


flip = composite("flip", value=lambda F, x, axis=None: _flipped(F, x, axis), example="flip([1, 2, 3]) -> [3, 2, 1]")


def _rolled(F: Any, x: Any, shift: Any, axis: Any) -> Any:
    if axis is None:
        return F.reshape(_rolled(F, F.reshape(x, (-1,)), shift, 0), x.shape)
    axes = axis if isinstance(axis, tuple) else (axis,)
    shifts = shift if isinstance(shift, tuple) else (shift,) * len(axes)
    for s, a in zip(shifts, axes, strict=True):
        at = _axis("roll", a, len(x.shape))
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
    i, j = (_axis("rot90", a, len(x.shape)) for a in axes)
    turns = k % 4
    if turns == 0:
        return x
    if turns == 2:
        return _flipped(F, x, (i, j))
    order = _swapped(x, i, j)
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
    at = _axis("diff", axis, len(x.shape))
    lead = (slice(None),) * at
    for _ in range(n):
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

astype = primitive(
    "astype",
    value=lambda F, x, dtype: np.asarray(x).astype(dtype)[()],
    shape=lambda x, dtype: x,
    dtype=stated,
    vjps=[lambda g: g],
    linear="jointly",
    routes=True,
    written="{x}",
    example="astype([1.5, 2.5], 'float32') -> [1.5, 2.5]",
)
