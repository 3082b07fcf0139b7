"""Reductions: sums, means, extremes, norms. `axis` is None, an integer or a tuple, negative ones too."""

from __future__ import annotations

from typing import Any

import numpy as np

from ndgrad import problems
from ndgrad.namespace import plain
from ndgrad.primitive import Kink, NoDerivative, primitive

Axis = int | tuple[int, ...] | None


def axes_of(op: str, axis: Axis, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The axes as sorted non-negative integers. E302 for one that is not there."""
    if axis is None:
        return tuple(range(len(shape)))
    given = axis if isinstance(axis, tuple) else (axis,)
    found = []
    for i in given:
        if not isinstance(i, (int, np.integer)) or not -len(shape) <= i < len(shape):
            raise problems.axis_out_of_range(op, i, shape)
        found.append(int(i) % len(shape))
    if len(set(found)) != len(found):
        raise problems.bad_argument(op, f"axis {axis} names an axis twice")
    return tuple(sorted(found))


def reduced(op: str, shape: tuple[int, ...], axis: Axis, keepdims: bool) -> tuple[int, ...]:
    """The shape that is left after reducing `axis`."""
    gone = axes_of(op, axis, shape)
    if keepdims:
        return tuple(1 if i in gone else n for i, n in enumerate(shape))
    return tuple(n for i, n in enumerate(shape) if i not in gone)


def restored(F: Any, g: Any, shape: tuple[int, ...], axis: Axis, keepdims: bool) -> Any:
    """`g` with the reduced axes put back as axes of size 1."""
    if keepdims or not shape:
        return g
    return F.reshape(g, reduced("sum", shape, axis, True))


def count(shape: tuple[int, ...], axis: Axis) -> int:
    """How many entries each result is made of."""
    n = 1
    for i in axes_of("mean", axis, shape):
        n *= shape[i]
    return n


sum_ = primitive(
    "sum",
    value=lambda F, x, axis=None, keepdims=False: F.sum(x, axis=axis, keepdims=keepdims),
    vjps=[lambda F, g, x_shape, axis, keepdims: F.broadcast_to(restored(F, g, x_shape, axis, keepdims), x_shape)],
    linear="jointly",
    routes=True,
    shape=lambda x, axis, keepdims: reduced("sum", x, axis, keepdims),
    example="sum([[1, 2], [3, 4]], axis=0) -> [4, 6]",
)

mean = primitive(
    "mean",
    value=lambda F, x, axis=None, keepdims=False: F.mean(x, axis=axis, keepdims=keepdims),
    vjps=[
        lambda F, g, x_shape, axis, keepdims: F.broadcast_to(
            restored(F, g / max(count(x_shape, axis), 1), x_shape, axis, keepdims), x_shape
        )
    ],
    linear="jointly",
    routes=True,
    shape=lambda x, axis, keepdims: reduced("mean", x, axis, keepdims),
    example="mean([[1, 2], [3, 4]], axis=0) -> [2, 3]",
)


@plain
def tied(x: Any, y: Any, axis: Axis, keepdims: bool) -> Any:
    """For an extreme y of x along axis: 1/k at each of the k entries that are y, else 0. nan equals nan."""
    full = y if keepdims or not np.shape(x) else np.reshape(y, reduced("max", np.shape(x), axis, True))
    hit = (x == full) | (np.isnan(x) & np.isnan(full))
    return hit / np.sum(hit, axis=axis, keepdims=True)


primitive(
    "tied",
    value=lambda F, x, y, axis=None, keepdims=False: F.tied(x, y, axis, keepdims),
    vjps=[NoDerivative("constant between ties"), NoDerivative("constant between ties")],
    internal=True,
)


def _extreme_vjp(F: Any, g: Any, y: Any, x: Any, x_shape: Any, axis: Axis, keepdims: bool) -> Any:
    part = F.tied(x, y, axis, keepdims)
    return F.where(F.not_equal(part, 0), restored(F, g, x_shape, axis, keepdims) * part, 0.0)


def _extreme_jvp(F: Any, y: Any, x: Any, axis: Axis, keepdims: bool, x_dot: Any) -> Any:
    part = F.tied(x, y, axis, keepdims)
    return F.sum(F.where(F.not_equal(part, 0), x_dot * part, 0.0), axis=axis, keepdims=keepdims)


for _name, _example in (
    ("max", "max([[1, 5], [3, 2]], axis=1) -> [5, 3]"),
    ("min", "min([[1, 5], [3, 2]], axis=1) -> [1, 2]"),
):
    primitive(
        _name,
        value=(lambda F, x, axis=None, keepdims=False: F.max(x, axis=axis, keepdims=keepdims))
        if _name == "max"
        else (lambda F, x, axis=None, keepdims=False: F.min(x, axis=axis, keepdims=keepdims)),
        vjps=[_extreme_vjp],
        jvps=[_extreme_jvp],
        routes=True,
        shape=lambda x, axis, keepdims, name=_name: reduced(name, x, axis, keepdims),
        kinks=[Kink("a tie", value="shared equally", admissible="any convex combination")],
        example=_example,
    )


def _norm(F: Any, x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    return F.sqrt(F.sum(x * x, axis=axis, keepdims=keepdims))


def _unit(F: Any, y: Any, x: Any, x_shape: tuple[int, ...], axis: Axis, keepdims: bool) -> Any:
    """x / ‖x‖, and 0 at the origin (the subgradient of least norm)."""
    full = restored(F, y, x_shape, axis, keepdims)
    return F.where(F.equal(full, 0), 0.0, x / full)


norm = primitive(
    "norm",
    value=lambda F, x, axis=None, keepdims=False: _norm(F, x, axis, keepdims),
    vjps=[
        lambda F, g, y, x, x_shape, axis, keepdims: (
            restored(F, g, x_shape, axis, keepdims) * _unit(F, y, x, x_shape, axis, keepdims)
        )
    ],
    jvps=[
        lambda F, y, x, x_shape, axis, keepdims, x_dot: F.sum(
            _unit(F, y, x, x_shape, axis, keepdims) * x_dot, axis=axis, keepdims=keepdims
        )
    ],
    shape=lambda x, axis, keepdims: reduced("norm", x, axis, keepdims),
    written="‖{x}‖",
    kinks=[Kink("x == 0", value="0", admissible="the unit ball")],
    example="norm([3, 4]) -> 5",
)

for _name, _example in (
    ("all", "all([True, False]) -> False"),
    ("any", "any([True, False]) -> True"),
):
    primitive(
        _name,
        value=(lambda F, x, axis=None, keepdims=False: F.all(x, axis=axis, keepdims=keepdims))
        if _name == "all"
        else (lambda F, x, axis=None, keepdims=False: F.any(x, axis=axis, keepdims=keepdims)),
        vjps=[NoDerivative("the result is true or false")],
        shape=lambda x, axis, keepdims, name=_name: reduced(name, x, axis, keepdims),
        example=_example,
    )
