"""Exponential averages along an axis: logsumexp, softmax and its logarithm, without overflow."""

from __future__ import annotations

from typing import Any

import numpy as np

from ndgrad.dtypes import floating
from ndgrad.namespace import as_array, plain
from ndgrad.ops.reductions import Axis, axes_of, reduced, restored
from ndgrad.primitive import primitive


def _floats(x: Any) -> Any:
    """x as an array of floats."""
    x = as_array(x)
    return x if x.dtype.kind == "f" else x.astype(np.float64)


@plain
def logsumexp(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """log Σ e^x without overflow; -inf where every entry is -inf."""
    x = _floats(x)
    top = np.max(x, axis=axis, keepdims=True, initial=-np.inf)
    shift = np.where(np.isfinite(top), top, 0.0)
    y = np.log(np.sum(np.exp(x - shift), axis=axis, keepdims=True)) + shift
    y = y.astype(x.dtype)
    return y if keepdims else np.reshape(y, reduced("logsumexp", np.shape(x), axis, False))[()]


def _weights(F: Any, y: Any, x: Any, x_shape: Any, axis: Axis, keepdims: bool) -> Any:
    full = restored(F, y, x_shape, axis, keepdims)
    return F.exp(x - full)


logsumexp_ = primitive(
    "logsumexp",
    value=lambda F, x, axis=None, keepdims=False: F.logsumexp(x, axis, keepdims),
    vjps=[
        lambda F, g, y, x, x_shape, axis, keepdims: (
            restored(F, g, x_shape, axis, keepdims) * _weights(F, y, x, x_shape, axis, keepdims)
        )
    ],
    jvps=[
        lambda F, y, x, x_shape, axis, keepdims, x_dot: F.sum(
            _weights(F, y, x, x_shape, axis, keepdims) * x_dot, axis=axis, keepdims=keepdims
        )
    ],
    shape=lambda x, axis, keepdims: reduced("logsumexp", x, axis, keepdims),
    dtype=floating,
    example="logsumexp([0, 0]) -> 0.693147",
)


@plain
def softmax(x: Any, axis: Axis = -1) -> Any:
    """e^x / Σ e^x along axis, without overflow."""
    x = _floats(x)
    e = np.exp(x - np.max(x, axis=axis, keepdims=True)) if np.size(x) else np.exp(x)
    return e / np.sum(e, axis=axis, keepdims=True)


def _softmax_product(F: Any, y: Any, t: Any, axis: Axis) -> Any:
    """The softmax's Jacobian is symmetric: y (t − Σ y t)."""
    return y * (t - F.sum(y * t, axis=axis, keepdims=True))


def same_shape(op: str) -> Any:
    """The shape rule of an operation along an axis that keeps the shape."""

    def rule(x: tuple[int, ...], axis: Axis) -> tuple[int, ...]:
        if x or axis not in (0, -1):
            axes_of(op, axis, x)
        return x

    return rule


softmax_ = primitive(
    "softmax",
    value=lambda F, x, axis=-1: F.softmax(x, axis),
    vjps=[lambda F, g, y, axis: _softmax_product(F, y, g, axis)],
    jvps=[lambda F, y, x_dot, axis: _softmax_product(F, y, x_dot, axis)],
    shape=same_shape("softmax"),
    dtype=floating,
    example="softmax([0, 0]) -> [0.5, 0.5]",
)
log_softmax = primitive(
    "log_softmax",
    value=lambda F, x, axis=-1: x - F.logsumexp(x, axis, True),
    vjps=[lambda F, g, y, axis: g - F.exp(y) * F.sum(g, axis=axis, keepdims=True)],
    jvps=[lambda F, y, x_dot, axis: x_dot - F.sum(F.exp(y) * x_dot, axis=axis, keepdims=True)],
    shape=same_shape("log_softmax"),
    dtype=floating,
    example="log_softmax([0, 0]) -> [-0.693147, -0.693147]",
)
