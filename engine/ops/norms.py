"""Norms of vectors and matrices: 0 is the derivative chosen at the origin, the subgradient of least norm."""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt
from typing import Any

import numpy as np

from ndgrad import problems
from ndgrad.dtypes import floating
from ndgrad.ndarray import NDArray, new_array
from ndgrad.ops.reductions import Axis, axes_of, reduced, restored
from ndgrad.primitive import Kink, composite, primitive
from ndgrad.tape import STATE


def _unit(F: Any, y: Any, x: Any, x_shape: tuple[int, ...], axis: Axis, keepdims: bool) -> Any:
    """x / ‖x‖, and 0 at the origin (the subgradient of least norm)."""
    full = restored(F, y, x_shape, axis, keepdims)
    return F.where(F.equal(full, 0), 0.0, x / full)


# Between these, the squares of a vector neither over- nor underflow
_SAFE = {
    np.dtype(kind): (float(np.sqrt(np.finfo(kind).tiny / np.finfo(kind).eps)), float(np.sqrt(np.finfo(kind).max)), kind)
    for kind in (np.float32, np.float64)
}


def _root_of_squares(F: Any, x: Any, axis: Axis, keepdims: bool) -> Any:
    """√Σx², scaled where the squares would over- or underflow."""
    if axis is None and not keepdims and x.__class__ is np.ndarray and x.dtype in _SAFE:
        flat = x if x.ndim == 1 else x.reshape(-1)
        low, high, kind = _SAFE[x.dtype]
        root = sqrt(flat @ flat)
        if low < root < high:
            return kind(root)
    y = F.sqrt(F.sum(x * x, axis=axis, keepdims=keepdims))
    limits = np.finfo(y.dtype)
    if np.all((y > np.sqrt(limits.tiny / limits.eps)) & (y < np.sqrt(limits.max))) or y.size == 0:
        return y
    scale = np.max(np.abs(x), axis=axis, keepdims=True, initial=0.0)
    scale = np.where((scale > 0) & np.isfinite(scale), scale, 1.0)
    scaled = x / scale
    y = np.sqrt(np.sum(scaled * scaled, axis=axis, keepdims=True)) * scale
    return (y if keepdims else np.reshape(y, reduced("norm", np.shape(x), axis, False)))[()]


norm2 = primitive(
    "norm2",
    value=lambda F, x, axis=None, keepdims=False: _root_of_squares(F, x, axis, keepdims),
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
    dtype=floating,
    written="‖{x}‖",
    kinks=[Kink("x == 0", value="0", admissible="the unit ball", touches=lambda y: np.equal(y, 0))],
    internal=True,
)


def _norm_p_partial(F: Any, y: Any, x: Any, x_shape: Any, p: float, axis: Axis, keepdims: bool) -> Any:
    full = restored(F, y, x_shape, axis, keepdims)
    ratio = F.where(F.equal(full, 0), 0.0, F.abs(x) / F.where(F.equal(full, 0), 1.0, full))
    return F.sign(x) * ratio ** (p - 1)


norm_p = primitive(
    "norm_p",
    value=lambda F, x, p, axis=None, keepdims=False: F.sum(F.abs(x) ** p, axis=axis, keepdims=keepdims) ** (1 / p),
    vjps=[
        lambda F, g, y, x, x_shape, p, axis, keepdims: (
            restored(F, g, x_shape, axis, keepdims) * _norm_p_partial(F, y, x, x_shape, p, axis, keepdims)
        )
    ],
    jvps=[
        lambda F, y, x, x_shape, p, axis, keepdims, x_dot: F.sum(
            _norm_p_partial(F, y, x, x_shape, p, axis, keepdims) * x_dot, axis=axis, keepdims=keepdims
        )
    ],
    shape=lambda x, p, axis, keepdims: reduced("norm", x, axis, keepdims),
    dtype=floating,
    written="‖{x}‖_{p}",
    internal=True,
)


def _norm(F: Any, x: Any, ord: Any, axis: Axis, keepdims: bool) -> Any:
    """NumPy's norms: of a vector, or of a matrix where `axis` names two or x has two and ord is given."""
    axes = axes_of("norm", axis, x.shape)
    if ord is None or ord == "fro" or (ord == 2 and len(axes) == 1):
        return F.norm2(x, axis, keepdims)
    if len(axes) == 1:
        return _vector_norm(F, x, ord, axis, keepdims)
    if len(axes) != 2:
        raise problems.bad_argument("norm", f"ord={ord} needs a vector or a matrix, not {len(axes)} axes")
    return _matrix_norm(F, x, ord, axes, keepdims)


def _vector_norm(F: Any, x: Any, ord: Any, axis: Axis, keepdims: bool) -> Any:
    if ord == np.inf:
        return F.max(F.abs(x), axis=axis, keepdims=keepdims)
    if ord == -np.inf:
        return F.min(F.abs(x), axis=axis, keepdims=keepdims)
    if ord == 1:
        return F.sum(F.abs(x), axis=axis, keepdims=keepdims)
    if ord == 0:
        return F.sum(F.float(F.not_equal(x, 0)), axis=axis, keepdims=keepdims)
    if not isinstance(ord, (int, float)):
        raise problems.bad_argument("norm", f"there is no norm of order {ord!r}")
    return F.norm_p(x, ord, axis, keepdims)


def _matrix_norm(F: Any, x: Any, ord: Any, axes: tuple[int, ...], keepdims: bool) -> Any:
    rows, columns = axes
    if ord in (1, -1, np.inf, -np.inf):
        inner, outer = (rows, columns) if abs(ord) == 1 else (columns, rows)
        sums = F.sum(F.abs(x), axis=inner, keepdims=True)
        y = (F.max if ord > 0 else F.min)(sums, axis=outer, keepdims=True)
    elif ord in (2, -2, "nuc"):
        rest = tuple(i for i in range(len(x.shape)) if i not in axes)
        values = F.abs(F.svdvals(F.transpose(x, (*rest, *axes))))  # of abs at 0: the subgradient of least norm
        y = F.sum(values, axis=-1) if ord == "nuc" else (F.max if ord == 2 else F.min)(values, axis=-1)
        y = F.where(F.equal(y, 0) if ord != -2 else False, 0.0, y)
    else:
        raise problems.bad_argument("norm", f"there is no matrix norm of order {ord!r}")
    return F.reshape(y, reduced("norm", x.shape, axes, keepdims))


norm = composite(
    "norm",
    value=lambda F, x, ord=None, axis=None, keepdims=False: _norm(F, x, ord, axis, keepdims),
    shape=lambda x, ord, axis, keepdims: reduced("norm", x, axis, keepdims),
    kinks=[Kink("x == 0", value="0", admissible="the unit ball of the dual norm")],
    example="norm([3, 4]) -> 5",
)


def _common(general: Callable[..., Any]) -> Callable[..., Any]:
    """The call of `norm`, with a short way to what is asked nearly always: all of x, and no parameters."""
    root, state = norm2.call, STATE

    low, high, double = _SAFE[np.dtype(np.float64)]
    float64 = np.dtype(np.float64)

    def call(x: Any, *rest: Any, **named: Any) -> Any:
        if rest or named:
            return general(x, *rest, **named)
        if x.__class__ is NDArray and (x._node is None or state.recording is False) and state.tracer is None:
            data = x._data
            if data.__class__ is np.ndarray and data.nbytes < state.defer_from:
                if data.dtype is float64 and data.ndim == 1:  # what conditions of loops ask for, in short
                    y = sqrt(data.dot(data))
                    if low < y < high:
                        return new_array(double(y))
                return new_array(_root_of_squares(np, data, None, keepdims=False))
        return root(x)

    return call


norm.call = _common(norm.call)
