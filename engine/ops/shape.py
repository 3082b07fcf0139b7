"""Shapes: reshape, transpose, broadcast, join. All linear, each with its transpose."""

from __future__ import annotations

from typing import Any

import numpy as np

from ndgrad import problems
from ndgrad.dtypes import stated
from ndgrad.namespace import as_array, to_integers, unbroadcast
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
    if len(axes) != len(x):  # before they are looked at: there may be very many
        raise problems.axis_out_of_range("transpose", tuple(axes[: len(x) + 1]), x)
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


def axis_at(op: str, axis: int, ndim: int) -> int:
    """The axis as a number from 0. E302 if it is not there."""
    if not isinstance(axis, (int, np.integer)) or not -ndim <= axis < ndim:
        raise problems.axis_out_of_range(op, axis, (0,) * ndim)
    return int(axis) % ndim


def swapped(x: Any, axis1: int, axis2: int) -> tuple[int, ...]:
    """The order of the axes with two of them exchanged."""
    order = list(range(len(x.shape)))
    i, j = axis_at("swapaxes", axis1, len(order)), axis_at("swapaxes", axis2, len(order))
    order[i], order[j] = order[j], order[i]
    return tuple(order)


swapaxes = composite(
    "swapaxes",
    value=lambda F, x, axis1, axis2: F.transpose(x, swapped(x, axis1, axis2)),
    example="swapaxes([[1, 2], [3, 4]], 0, 1) -> [[1, 3], [2, 4]]",
)


def _moved(x: Any, source: Any, destination: Any) -> tuple[int, ...]:
    ndim = len(x.shape)
    sources = [axis_at("moveaxis", a, ndim) for a in (source if isinstance(source, tuple) else (source,))]
    targets = [
        axis_at("moveaxis", a, ndim) for a in (destination if isinstance(destination, tuple) else (destination,))
    ]
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
    at = {axis_at("expand_dims", a, ndim) for a in axes}
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
    axes = {axis_at("squeeze", a, ndim) for a in (axis if isinstance(axis, tuple) else (axis,))}
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


def _converted(x: Any, dtype: np.dtype[Any]) -> Any:
    if dtype.kind not in "biuf":
        raise problems.unsupported_dtype(dtype)
    return to_integers("astype", x, dtype) if dtype.kind == "i" else x.astype(dtype)


astype = primitive(
    "astype",
    value=lambda F, x, dtype: _converted(as_array(x), np.dtype(dtype))[()],
    shape=lambda x, dtype: x,
    dtype=stated,
    vjps=[lambda g: g],
    linear="jointly",
    routes=True,
    written="{x}",
    example="astype([1.5, 2.5], 'float32') -> [1.5, 2.5]",
)
