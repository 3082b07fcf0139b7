"""Reductions: sums, means, extremes, norms. `axis` is None, an integer or a tuple, negative ones too."""

from __future__ import annotations

from typing import Any

import numpy as np

from ndgrad import problems
from ndgrad.dtypes import counting, double, floating, truth, whole
from ndgrad.namespace import concrete, plain
from ndgrad.primitive import Kink, NoDerivative, composite, primitive
from ndgrad.tape import STATE

Axis = int | tuple[int, ...] | None


# Of a scalar NumPy takes these along its first axis too, though there is none
_OF_SCALARS = frozenset({"sum", "prod", "max", "min", "all", "any", "argmax", "argmin", "count_nonzero"})


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
    if not shape and axis in (0, -1) and op in _OF_SCALARS:
        return ()
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
    dtype=counting,
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
    dtype=floating,
    example="mean([[1, 2], [3, 4]], axis=0) -> [2, 3]",
)


@plain
def tied(x: Any, y: Any, axis: Axis, keepdims: bool) -> Any:
    """For an extreme y of x along axis: 1/k at each of the k entries that are y, else 0. nan where y is."""
    full = y if keepdims or not np.shape(x) else np.reshape(y, reduced("max", np.shape(x), axis, True))
    hit = np.equal(x, full)
    if STATE.kinks == "mxnet":  # each gets the full gradient
        return hit.astype(np.float64)
    return hit / np.sum(hit, axis=axis, keepdims=True)


primitive(
    "tied",
    value=lambda F, x, y, axis=None, keepdims=False: F.tied(x, y, axis, keepdims),
    vjps=[NoDerivative("constant between ties"), NoDerivative("constant between ties")],
    shape=lambda x, y, axis, keepdims: x,
    dtype=double,
    internal=True,
)


def _ties(y: Any, x: Any) -> Any:
    """Whether some result is the value of several entries; True at one of them suffices for a report."""
    return np.asarray(np.sum(np.isin(x, y)) > np.size(y))


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
        kinks=[
            Kink("a tie", value="shared equally", admissible="any convex combination", touches=lambda y, x: _ties(y, x))
        ],
        example=_example,
    )


# Products


def _last(F: Any, x: Any, axes: tuple[int, ...]) -> Any:
    """x with `axes` moved to the end and merged into one."""
    rest = tuple(i for i in range(len(x.shape)) if i not in axes)
    moved = F.transpose(x, (*rest, *axes)) if len(x.shape) > 1 else x
    return F.reshape(moved, (*(x.shape[i] for i in rest), count(x.shape, axes)))


def _products_of_others(F: Any, x: Any, axis: Axis) -> Any:
    """For every entry the product of the others along axis: right with any number of zeros."""
    axes = axes_of("prod", axis, x.shape)
    rest = tuple(i for i in range(len(x.shape)) if i not in axes)
    flat = _last(F, x, axes)
    ones = np.ones((*flat.shape[:-1], 1))
    before = F.cumprod_along(F.concatenate([ones, flat[..., :-1]], -1), -1)
    after = F.cumprod_along(F.concatenate([ones, flat[..., :0:-1]], -1), -1)[..., ::-1]
    others = F.reshape(before * after, (*(x.shape[i] for i in rest), *(x.shape[i] for i in axes)))
    back = tuple(int(i) for i in np.argsort((*rest, *axes)))
    return F.transpose(others, back) if len(x.shape) > 1 else others


def _prod_partial(F: Any, y: Any, x: Any, axis: Axis, keepdims: bool) -> Any:
    if np.all(concrete(y) != 0) and np.all(np.isfinite(concrete(y))):
        return restored(F, y, x.shape, axis, keepdims) / x
    return F.reshape(_products_of_others(F, F.reshape(x, x.shape or (1,)), axis), x.shape)


prod = primitive(
    "prod",
    value=lambda F, x, axis=None, keepdims=False: F.prod(x, axis=axis, keepdims=keepdims),
    vjps=[
        lambda F, g, y, x, x_shape, axis, keepdims: (
            restored(F, g, x_shape, axis, keepdims) * _prod_partial(F, y, x, axis, keepdims)
        )
    ],
    jvps=[
        lambda F, y, x, axis, keepdims, x_dot: F.sum(
            _prod_partial(F, y, x, axis, keepdims) * x_dot, axis=axis, keepdims=keepdims
        )
    ],
    shape=lambda x, axis, keepdims: reduced("prod", x, axis, keepdims),
    dtype=counting,
    example="prod([[1, 2], [3, 4]], axis=1) -> [2, 12]",
)


# Spread


def _deviation(F: Any, x: Any, axis: Axis) -> Any:
    return x - F.mean(x, axis=axis, keepdims=True)


def _degrees(shape: tuple[int, ...], axis: Axis, ddof: float) -> float:
    return count(shape, axis) - ddof


var = primitive(
    "var",
    value=lambda F, x, axis=None, ddof=0, keepdims=False: F.var(x, axis=axis, ddof=ddof, keepdims=keepdims),
    vjps=[
        lambda F, g, x, x_shape, axis, ddof, keepdims: (
            restored(F, g, x_shape, axis, keepdims) * (2 / _degrees(x_shape, axis, ddof)) * _deviation(F, x, axis)
        )
    ],
    jvps=[
        lambda F, x, x_shape, axis, ddof, keepdims, x_dot: F.sum(
            (2 / _degrees(x_shape, axis, ddof)) * _deviation(F, x, axis) * x_dot, axis=axis, keepdims=keepdims
        )
    ],
    shape=lambda x, axis, ddof, keepdims: reduced("var", x, axis, keepdims),
    dtype=floating,
    example="var([1, 2, 3, 4]) -> 1.25",
)


def _std_partial(F: Any, y: Any, x: Any, x_shape: Any, axis: Axis, ddof: float, keepdims: bool) -> Any:
    full = restored(F, y, x_shape, axis, keepdims)
    return F.where(F.equal(full, 0), 0.0, _deviation(F, x, axis) / (_degrees(x_shape, axis, ddof) * full))


std = primitive(
    "std",
    value=lambda F, x, axis=None, ddof=0, keepdims=False: F.std(x, axis=axis, ddof=ddof, keepdims=keepdims),
    vjps=[
        lambda F, g, y, x, x_shape, axis, ddof, keepdims: (
            restored(F, g, x_shape, axis, keepdims) * _std_partial(F, y, x, x_shape, axis, ddof, keepdims)
        )
    ],
    jvps=[
        lambda F, y, x, x_shape, axis, ddof, keepdims, x_dot: F.sum(
            _std_partial(F, y, x, x_shape, axis, ddof, keepdims) * x_dot, axis=axis, keepdims=keepdims
        )
    ],
    shape=lambda x, axis, ddof, keepdims: reduced("std", x, axis, keepdims),
    dtype=floating,
    kinks=[Kink("all entries equal", value="0", touches=lambda y: np.equal(y, 0))],
    example="std([1, 2, 3, 4]) -> 1.118034",
)


# Order statistics


def _quantile(F: Any, x: Any, q: Any, axis: Axis, keepdims: bool) -> Any:
    """Linear interpolation between the sorted entries, as NumPy's default."""
    axes = axes_of("quantile", axis, x.shape)
    n = count(x.shape, axes)
    if not n:
        raise problems.does_not_fit("quantile", "there are no entries", (x.shape,))
    ordered = F.sort(_last(F, x, axes), -1)
    levels = np.asarray(q, dtype=np.float64)
    if np.any((levels < 0) | (levels > 1)):
        raise problems.bad_argument("quantile", "q lies between 0 and 1")
    picked = []
    for level in levels.ravel():
        position = float(level) * (n - 1)
        low = int(np.floor(position))
        high = min(low + 1, n - 1)
        weight = position - low
        value = ordered[..., low]
        if weight:
            value = value * (1 - weight) + ordered[..., high] * weight
        picked.append(F.reshape(value, reduced("quantile", x.shape, axes, keepdims)))
    return picked[0] if levels.ndim == 0 else F.stack(picked, 0)


quantile = composite(
    "quantile",
    value=lambda F, x, q, axis=None, keepdims=False: _quantile(F, x, q, axis, keepdims),
    shape=lambda x, q, axis, keepdims: (*np.shape(q), *reduced("quantile", x, axis, keepdims)),
    kinks=[Kink("equal entries", value="the entry that a stable sort puts there")],
    example="quantile([1, 2, 4], 0.75) -> 3",
)
median = composite(
    "median",
    value=lambda F, x, axis=None, keepdims=False: _quantile(F, x, 0.5, axis, keepdims),
    shape=lambda x, axis, keepdims: reduced("median", x, axis, keepdims),
    kinks=[Kink("equal entries", value="the entry that a stable sort puts there")],
    example="median([3, 1, 2]) -> 2",
)


def _nanmean(F: Any, x: Any, axis: Axis, keepdims: bool) -> Any:
    missing = F.isnan(x)
    total = F.sum(F.where(missing, 0.0, x), axis=axis, keepdims=keepdims)
    return total / F.sum(F.astype(F.logical_not(missing), x.dtype), axis=axis, keepdims=keepdims)


nansum = composite(
    "nansum",
    value=lambda F, x, axis=None, keepdims=False: F.sum(F.where(F.isnan(x), 0.0, x), axis=axis, keepdims=keepdims),
    shape=lambda x, axis, keepdims: reduced("nansum", x, axis, keepdims),
    example="nansum([1, nan, 2]) -> 3",
)
nanmean = composite(
    "nanmean",
    value=lambda F, x, axis=None, keepdims=False: _nanmean(F, x, axis, keepdims),
    shape=lambda x, axis, keepdims: reduced("nanmean", x, axis, keepdims),
    example="nanmean([1, nan, 2]) -> 1.5",
)


def _trapezoid(F: Any, y: Any, x: Any, dx: float, axis: int) -> Any:
    (at,) = axes_of("trapezoid", axis, y.shape)
    upper = (slice(None),) * at + (slice(1, None),)
    lower = (slice(None),) * at + (slice(None, -1),)
    width: Any = dx
    if x is not None:
        width = x[1:] - x[:-1] if len(x.shape) == 1 else x[upper] - x[lower]
        if len(x.shape) == 1:
            width = F.reshape(width, (-1,) + (1,) * (len(y.shape) - at - 1))
    return F.sum((y[upper] + y[lower]) * width / 2, axis=at)


trapezoid = composite(
    "trapezoid",
    value=lambda F, y, x=None, dx=1.0, axis=-1: _trapezoid(F, y, x, dx, axis),
    operands=2,
    example="trapezoid([1, 2, 3]) -> 4",
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
        dtype=truth,
        shape=lambda x, axis, keepdims, name=_name: reduced(name, x, axis, keepdims),
        example=_example,
    )

allclose = primitive(
    "allclose",
    value=lambda F, a, b, rtol=1e-05, atol=1e-08, equal_nan=False: F.all(F.isclose(a, b, rtol, atol, equal_nan)),
    vjps=[NoDerivative("the result is true or false")] * 2,
    dtype=truth,
    shape=lambda a, b, rtol, atol, equal_nan: (np.broadcast_shapes(a, b), ())[1],
    example="allclose([1, 2], [1.0000001, 2]) -> True",
)

for _name, _example in (
    ("argmax", "argmax([1, 5, 3]) -> 1"),
    ("argmin", "argmin([4, 5, 3]) -> 2"),
):
    primitive(
        _name,
        value=(lambda F, x, axis=None, keepdims=False: F.argmax(x, axis=axis, keepdims=keepdims))
        if _name == "argmax"
        else (lambda F, x, axis=None, keepdims=False: F.argmin(x, axis=axis, keepdims=keepdims)),
        vjps=[NoDerivative("an index does not change continuously")],
        dtype=whole,
        shape=lambda x, axis, keepdims, name=_name: reduced(name, x, axis, keepdims),
        example=_example,
    )

count_nonzero = primitive(
    "count_nonzero",
    value=lambda F, x, axis=None, keepdims=False: np.asarray(F.count_nonzero(x, axis=axis, keepdims=keepdims))[()],
    vjps=[NoDerivative("a count does not change continuously")],
    shape=lambda x, axis, keepdims: reduced("count_nonzero", x, axis, keepdims),
    dtype=whole,
    example="count_nonzero([0, 2, 3]) -> 2",
)
