"""Sorting, searching and gathering. Values go where their entry goes; indices carry no gradient."""

from __future__ import annotations

from typing import Any

import numpy as np

from ndgrad import problems
from ndgrad.dtypes import first, whole
from ndgrad.namespace import as_array, concrete
from ndgrad.ops.reductions import axes_of
from ndgrad.primitive import Kink, NoDerivative, Unknown, composite, primitive

_INDEX = NoDerivative("an index does not change continuously")

argsort = primitive(
    "argsort",
    value=lambda F, x, axis=-1: np.argsort(x, axis=axis, kind="stable"),
    vjps=[_INDEX],
    dtype=whole,
    shape=lambda x, axis: (int(np.prod(x)),) if axis is None else (axes_of("argsort", axis, x or (1,)), x or (1,))[1],
    example="argsort([3, 1, 2]) -> [1, 2, 0]",
)


def _along_shape(x: tuple[int, ...], indices: tuple[int, ...], axis: int) -> tuple[int, ...]:
    (at,) = axes_of("take_along_axis", axis, x)
    if len(indices) != len(x):
        raise problems.does_not_fit("take_along_axis", "indices need as many axes as the array", (x, indices))
    try:
        return np.broadcast_shapes(indices, tuple(1 if i == at else n for i, n in enumerate(x)))
    except ValueError:
        raise problems.bad_index("the index arrays do not broadcast together", x) from None


def _along_index(shape: tuple[int, ...], indices: Any, axis: int) -> tuple[Any, ...]:
    """The key that reads x[…, indices, …] along axis, entry by entry."""
    (at,) = axes_of("take_along_axis", axis, shape)
    indices = as_array(indices).astype(np.int64, copy=False)
    if indices.ndim != len(shape):
        raise problems.does_not_fit("take_along_axis", "indices need as many axes as the array", (shape, indices.shape))
    key = []
    for i in range(len(shape)):
        if i == at:
            key.append(indices)
        else:
            around = [1] * len(shape)
            around[i] = -1
            key.append(np.arange(shape[i]).reshape(around))
    return tuple(key)


take_along_axis = primitive(
    "take_along_axis",
    value=lambda F, x, indices, axis: F.index_plain(x, _along_index(np.shape(x), indices, axis)),
    vjps=[
        lambda F, g, x_shape, indices, axis: F.scattered(g, x_shape, _along_index(x_shape, concrete(indices), axis)),
        _INDEX,
    ],
    jvps=[lambda F, indices, axis, x_dot: F.take_along_axis(x_dot, indices, axis), lambda: None],
    routes=True,
    shape=_along_shape,
    dtype=first,
    example="take_along_axis([[3, 1], [4, 2]], [[0], [1]], 1) -> [[3], [2]]",
)


def _sorted(F: Any, x: Any, axis: Any) -> Any:
    if axis is None:
        x, axis = F.reshape(x, (-1,)), 0
    return F.take_along_axis(x, F.argsort(x, axis), axis)


sort = composite(
    "sort",
    value=lambda F, x, axis=-1: _sorted(F, x, axis),
    shape=lambda x, axis: (int(np.prod(x)),) if axis is None else (axes_of("sort", axis, x), x)[1],
    kinks=[Kink("equal entries", value="each keeps its own gradient, in the order of a stable sort")],
    example="sort([3, 1, 2]) -> [1, 2, 3]",
)


def _taken(F: Any, x: Any, indices: Any, axis: Any) -> Any:
    rows = np.asarray(concrete(indices))
    if rows.dtype.kind == "f" and np.array_equal(rows, np.floor(rows)):
        rows = rows.astype(np.int64)
    if axis is None:
        return F.index(F.reshape(x, (-1,)), rows)
    (at,) = axes_of("take", axis, x.shape)
    return F.index(x, (*(slice(None),) * at, rows))


def _taken_shape(x: tuple[int, ...], indices: tuple[int, ...], axis: Any) -> tuple[int, ...]:
    if axis is None:
        return indices
    (at,) = axes_of("take", axis, x)
    return (*x[:at], *indices, *x[at + 1 :])


take = composite(
    "take",
    concrete=True,
    value=lambda F, x, indices, axis=None: _taken(F, x, indices, axis),
    operands=2,
    shape=_taken_shape,
    dtype=first,
    example="take([10, 20, 30], [2, 0]) -> [30, 10]",
)
unique = composite(
    "unique",
    concrete=True,
    value=lambda F, x: F.index(F.reshape(x, (-1,)), np.unique(concrete(x), return_index=True)[1]),
    shape=Unknown("there are as many entries as different values"),
    kinks=[Kink("equal entries", value="the first of them")],
    example="unique([3, 1, 3]) -> [1, 3]",
)


def _searched_shape(a: tuple[int, ...], v: tuple[int, ...], side: str) -> tuple[int, ...]:
    if len(a) != 1:
        raise problems.does_not_fit("searchsorted", "a sorted vector is needed", (a, v))
    if side not in ("left", "right"):
        raise problems.bad_argument("searchsorted", "side is 'left' or 'right'")
    return v


flatnonzero = primitive(
    "flatnonzero",
    value=lambda F, x: F.flatnonzero(x),
    vjps=[_INDEX],
    dtype=whole,
    concrete=True,
    shape=Unknown("there are as many indices as entries that are not zero"),
    example="flatnonzero([False, True, True]) -> [1, 2]",
)


def _places(F: Any, x: Any) -> tuple[Any, ...]:
    """The indices along each axis of the entries that are not zero, in the order of the entries."""
    if not len(x.shape):
        raise problems.does_not_fit("nonzero", "a scalar has no indices", ((),))
    at = F.flatnonzero(x)
    made = []
    for n in reversed(x.shape):
        made.append(F.mod(at, max(n, 1)))
        at = F.floor_divide(at, max(n, 1))
    return tuple(reversed(made))


nonzero = composite(
    "nonzero",
    concrete=True,
    value=lambda F, x: _places(F, x),
    shape=Unknown("there are as many indices as entries that are not zero"),
    outputs=2,
    example="nonzero([[0, 3], [5, 0]]) -> [[0, 1], [1, 0]]",
)
searchsorted = primitive(
    "searchsorted",
    value=lambda F, a, v, side="left": np.searchsorted(a, v, side),
    vjps=[_INDEX, _INDEX],
    dtype=whole,
    shape=_searched_shape,
    example="searchsorted([1, 2, 4], [2, 3]) -> [1, 2]",
)
