"""Running sums, products and extremes along an axis."""

from __future__ import annotations

from typing import Any

import numpy as np

from ndgrad.dtypes import counting, whole
from ndgrad.namespace import plain
from ndgrad.ops.reductions import Axis, axes_of
from ndgrad.primitive import Kink, NoDerivative, composite, primitive
from ndgrad.tape import STATE, Remote


def _along(op: str, x: tuple[int, ...], axis: Axis) -> tuple[int, ...]:
    axes_of(op, axis, x)
    return x


def _backwards(ndim: int, axis: int) -> tuple[slice, ...]:
    return (slice(None),) * (axis % ndim) + (slice(None, None, -1),)


def _reversed_cumsum(F: Any, g: Any, axis: int) -> Any:
    turned = _backwards(len(g.shape), axis)
    return F.cumsum_along(g[turned], axis)[turned]


cumsum_along = primitive(
    "cumsum_along",
    value=lambda F, x, axis: F.cumsum(x, axis=axis),
    vjps=[lambda F, g, axis: _reversed_cumsum(F, g, axis)],
    linear="jointly",
    routes=True,
    shape=lambda x, axis: _along("cumsum", x, axis),
    dtype=counting,
    written="cumsum({x}, axis={axis})",
    internal=True,
)


@plain
def linear_scan(a: Any, b: Any, axis: int) -> Any:
    """s with s_k = a_k s_{k-1} + b_k along axis, s_{-1} = 0."""
    if isinstance(a, Remote) or isinstance(b, Remote):  # a step for each k, each of which would wait for the one before
        return STATE.remote.on_host(linear_scan, a, b, axis)
    a, b = np.broadcast_arrays(a, b)
    a, b = np.moveaxis(a, axis, 0), np.moveaxis(b, axis, 0)
    s = np.empty(b.shape, np.result_type(a, b))
    held: Any = 0.0
    for k in range(len(b)):
        held = s[k] = a[k] * held + b[k]
    return np.moveaxis(s, 0, axis)


def _shifted(F: Any, x: Any, axis: int, forward: bool) -> Any:
    """x moved by one along axis, a 0 coming in."""
    at = (slice(None),) * (axis % len(x.shape))
    edge = x[(*at, slice(0, 1))] * 0.0
    if forward:
        return F.concatenate([edge, x[(*at, slice(None, -1))]], axis)
    return F.concatenate([x[(*at, slice(1, None))], edge], axis)


def _scan_cotangent(F: Any, g: Any, a: Any, axis: int) -> Any:
    """The adjoint of b: the same scan run backwards, its coefficients moved by one."""
    turned = _backwards(len(g.shape), axis)
    return F.linear_scan(_shifted(F, a, axis, forward=False)[turned], g[turned], axis)[turned]


linear_scan_ = primitive(
    "linear_scan",
    value=lambda F, a, b, axis: F.linear_scan(a, b, axis),
    vjps=[
        lambda F, g, y, a, axis: _scan_cotangent(F, g, a, axis) * _shifted(F, y, axis, forward=True),
        lambda F, g, a, axis: _scan_cotangent(F, g, a, axis),
    ],
    jvps=[
        lambda F, y, a, axis, a_dot: F.linear_scan(a, a_dot * _shifted(F, y, axis, forward=True), axis),
        lambda F, a, axis, b_dot: F.linear_scan(a, b_dot, axis),
    ],
    shape=lambda a, b, axis: _along("linear_scan", np.broadcast_shapes(a, b), axis),
    internal=True,
)


def _before(F: Any, y: Any, axis: int) -> Any:
    """The product of the entries before each one: y moved by one, a 1 coming in."""
    at = (slice(None),) * (axis % len(y.shape))
    edge = y[(*at, slice(0, 1))] * 0.0 + 1.0
    return F.concatenate([edge, y[(*at, slice(None, -1))]], axis)


# s_k = x_k s_{k-1}: the derivative is a linear scan, right with any number of zeros.
cumprod_along = primitive(
    "cumprod_along",
    value=lambda F, x, axis: F.cumprod(x, axis=axis),
    vjps=[lambda F, g, y, x, axis: _scan_cotangent(F, g, x, axis) * _before(F, y, axis)],
    jvps=[lambda F, y, x, axis, x_dot: F.linear_scan(x, x_dot * _before(F, y, axis), axis)],
    shape=lambda x, axis: _along("cumprod", x, axis),
    dtype=counting,
    written="cumprod({x}, axis={axis})",
    internal=True,
)


def _flattened(F: Any, along: Any, x: Any, axis: Any) -> Any:
    return along(F.reshape(x, (-1,)), 0) if axis is None or not x.shape else along(x, axis)


cumsum = composite(
    "cumsum",
    value=lambda F, x, axis=None: _flattened(F, F.cumsum_along, x, axis),
    shape=lambda x, axis: (int(np.prod(x)),) if axis is None or not x else _along("cumsum", x, axis),
    example="cumsum([1, 2, 3]) -> [1, 3, 6]",
)
cumprod = composite(
    "cumprod",
    value=lambda F, x, axis=None: _flattened(F, F.cumprod_along, x, axis),
    shape=lambda x, axis: (int(np.prod(x)),) if axis is None or not x else _along("cumprod", x, axis),
    example="cumprod([1, 2, 3]) -> [1, 2, 6]",
)


@plain
def last_records(x: Any, axis: int) -> Any:
    """Along axis, the index of the first entry that equals the running maximum."""
    top = np.maximum.accumulate(x, axis=axis)
    shape = [1] * np.ndim(x)
    shape[axis] = -1
    position = np.arange(np.shape(x)[axis]).reshape(shape)
    before = np.concatenate([np.full_like(np.take(top, [0], axis), -np.inf), np.delete(top, -1, axis)], axis)
    fresh = (x > before) | (position == 0) | (np.isnan(x) & ~np.isnan(before))
    return np.maximum.accumulate(np.where(fresh, position, 0), axis=axis)


primitive(
    "last_records",
    value=lambda F, x, axis: F.last_records(x, axis),
    vjps=[NoDerivative("an index does not change continuously")],
    shape=lambda x, axis: _along("cummax", x, axis),
    dtype=whole,
    internal=True,
)
cummax = composite(
    "cummax",
    value=lambda F, x, axis=0: F.take_along_axis(x, F.last_records(x, axis), axis),
    shape=lambda x, axis: _along("cummax", x, axis),
    kinks=[Kink("a tie", value="the first of the equal entries")],
    example="cummax([1, 3, 2]) -> [1, 3, 3]",
)
