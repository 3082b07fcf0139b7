"""Shapes: reshape, transpose, broadcast, join. All linear, each with its transpose."""

from __future__ import annotations

from typing import Any

import numpy as np

from ndgrad import problems
from ndgrad.namespace import unbroadcast
from ndgrad.primitive import primitive

Shape = tuple[int, ...]


def as_shape(shape: Any) -> Shape:
    """An integer or a sequence of integers as a shape."""
    if isinstance(shape, (int, np.integer)):
        return (int(shape),)
    return tuple(int(n) for n in shape)


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

astype = primitive(
    "astype",
    value=lambda F, x, dtype: x.astype(dtype),
    vjps=[lambda g: g],
    linear="jointly",
    routes=True,
    written="{x}",
    example="astype([1.5, 2.5], 'float32') -> [1.5, 2.5]",
)
