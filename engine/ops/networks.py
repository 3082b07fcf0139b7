"""Layers of neural networks, made of simpler operations: windows and folds, normalisation, losses."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np

from ndgrad import problems
from ndgrad.dtypes import floating
from ndgrad.namespace import as_array, concrete
from ndgrad.ops.indexing import indexed
from ndgrad.ops.reductions import axes_of
from ndgrad.primitive import composite, primitive
from ndgrad.tape import STATE

Shape = tuple[int, ...]


# Windows: the one linear operation behind convolution and pooling


def _counts(shape: Shape, size: Shape, stride: Shape, dilation: Shape) -> Shape:
    if len(shape) < len(size):
        raise problems.does_not_fit("a window", f"{len(size)} axes are needed", (shape,))
    spatial = shape[len(shape) - len(size) :]
    counts = []
    for n, k, s, d in zip(spatial, size, stride, dilation, strict=True):
        reach = d * (k - 1) + 1
        if n < reach or k < 1 or s < 1 or d < 1:
            raise problems.does_not_fit("a window", f"a window that reaches {reach} does not fit {n} entries", (shape,))
        counts.append((n - reach) // s + 1)
    return tuple(counts)


def _places(offset: Shape, counts: Shape, stride: Shape, dilation: Shape) -> tuple[Any, ...]:
    """Where the entry `offset` of every window lies."""
    rows = zip(offset, counts, stride, dilation, strict=True)
    return tuple(slice(o * d, o * d + s * (c - 1) + 1, s) for o, c, s, d in rows)


def _offsets(size: Shape) -> list[Any]:
    """Every place in a window."""
    return [tuple(map(int, place)) for place in product(*map(range, size))]


def _windows(x: Any, size: Shape, stride: Shape, dilation: Shape) -> Any:
    """x (…, *spatial) → (…, *counts, *size), a copy."""
    counts = _counts(x.shape, size, stride, dilation)
    made = np.empty_like(x, shape=(*x.shape[: x.ndim - len(size)], *counts, *size), order="C")
    for offset in _offsets(size):
        made[(..., *offset)] = x[(..., *_places(offset, counts, stride, dilation))]
    return made


def _fold(g: Any, shape: Shape, size: Shape, stride: Shape, dilation: Shape) -> Any:
    """The transpose of windows: every window's entries added where they came from."""
    made = np.zeros_like(g, shape=shape, order="C")
    counts = _counts(shape, size, stride, dilation)
    for offset in _offsets(size):
        made[(..., *_places(offset, counts, stride, dilation))] += g[(..., *offset)]
    return made


def _windows_shape(x: Shape, size: Shape, stride: Shape, dilation: Shape) -> Shape:
    counts = _counts(x, size, stride, dilation)
    return (*x[: len(x) - len(size)], *counts, *size)


def _folded_shape(x: Shape, shape: Shape, size: Shape, stride: Shape, dilation: Shape) -> Shape:
    if x != _windows_shape(shape, size, stride, dilation):
        raise problems.does_not_fit("fold", f"these are not the windows of {problems.shown(shape)}", (x,))
    return shape


windows = primitive(
    "windows",
    value=lambda F, x, size, stride, dilation: _windows(x, size, stride, dilation),
    vjps=[lambda F, g, x_shape, size, stride, dilation: F.fold(g, x_shape, size, stride, dilation)],
    linear="jointly",
    routes=True,
    shape=_windows_shape,
    internal=True,
)
fold = primitive(
    "fold",
    value=lambda F, x, shape, size, stride, dilation: _fold(x, shape, size, stride, dilation),
    vjps=[lambda F, g, size, stride, dilation: F.windows(g, size, stride, dilation)],
    linear="jointly",
    routes=True,
    shape=_folded_shape,
    internal=True,
)


def _each(value: Any, n: int) -> Shape:
    """One number for all axes, or one for each."""
    return (int(value),) * n if isinstance(value, (int, float, np.integer)) else tuple(int(v) for v in value)


def _convolution(F: Any, x: Any, w: Any, b: Any, stride: Any, padding: Any, dilation: Any, groups: int, n: int) -> Any:
    """x (batch, channels, *spatial), w (out, channels/groups, *size) → (batch, out, *counts)."""
    if len(x.shape) != n + 2 or len(w.shape) != n + 2:
        raise problems.does_not_fit(f"conv{n}d", f"x and w need {n + 2} axes", (x.shape, w.shape))
    if x.shape[1] != w.shape[1] * groups or w.shape[0] % groups:
        reason = f"{x.shape[1]} channels for {groups} groups of {w.shape[1]}"
        raise problems.does_not_fit(f"conv{n}d", reason, (x.shape, w.shape))
    pads = _each(padding, n)
    if any(pads):
        x = F.pad(x, ((0, 0), (0, 0), *((p, p) for p in pads)))
    size = w.shape[2:]
    parts = F.windows(x, size, _each(stride, n), _each(dilation, n))
    counts = parts.shape[2 : 2 + n]
    batch, out = x.shape[0], w.shape[0]
    space = "cde"[:n]
    kernel = "xyz"[:n]
    per = x.shape[1] // groups
    parts = F.reshape(parts, (batch, groups, per, *counts, *size))
    weights = F.reshape(w, (groups, out // groups, per, *size))
    y = F.einsum_of([parts, weights], f"bgi{space}{kernel},goi{kernel}->bgo{space}")
    y = F.reshape(y, (batch, out, *counts))
    return y if b is None else y + F.reshape(b, (out, *(1,) * n))


conv1d = composite(
    "conv1d",
    value=lambda F, x, w, b=None, stride=1, padding=0, dilation=1, groups=1: _convolution(
        F, x, w, b, stride, padding, dilation, groups, 1
    ),
    operands=3,
    example="conv1d([[[1, 2, 3]]], [[[1, 1]]]) -> [[[3, 5]]]",
)
conv2d = composite(
    "conv2d",
    value=lambda F, x, w, b=None, stride=1, padding=0, dilation=1, groups=1: _convolution(
        F, x, w, b, stride, padding, dilation, groups, 2
    ),
    operands=3,
    example="conv2d([[[[1, 2], [3, 4]]]], [[[[1, 1], [1, 1]]]]) -> [[[[10]]]]",
)


def _pooled(F: Any, x: Any, size: Any, stride: Any, padding: Any, largest: bool) -> Any:
    if len(x.shape) < 2:
        raise problems.does_not_fit("a pool", "x needs two spatial axes at its end", (x.shape,))
    shape = _each(size, 2)
    pads = _each(padding, 2)
    if any(pads):
        around = ((0, 0),) * (len(x.shape) - 2) + tuple((p, p) for p in pads)
        x = F.pad(x, around, "constant", -np.inf if largest else 0.0)
    parts = F.windows(x, shape, shape if stride is None else _each(stride, 2), (1, 1))
    return F.max(parts, axis=(-2, -1)) if largest else F.mean(parts, axis=(-2, -1))


max_pool2d = composite(
    "max_pool2d",
    value=lambda F, x, size=2, stride=None, padding=0: _pooled(F, x, size, stride, padding, True),
    example="max_pool2d([[1, 2], [3, 4]]) -> [[4]]",
)
avg_pool2d = composite(
    "avg_pool2d",
    value=lambda F, x, size=2, stride=None, padding=0: _pooled(F, x, size, stride, padding, False),
    example="avg_pool2d([[1, 2], [3, 4]]) -> [[2.5]]",
)


# Convolution of sequences


def _convolve_left(F: Any, g: Any, v: Any, a_shape: Shape) -> Any:
    m = v.shape[0]
    return F.index(F.convolve_full(g, F.flip(v)), slice(m - 1, m - 1 + a_shape[0]))


def _convolved_shape(a: Shape, v: Shape) -> Shape:
    if len(a) != 1 or len(v) != 1 or not a[0] or not v[0]:
        raise problems.does_not_fit("convolve", "two vectors with entries are needed", (a, v))
    return (a[0] + v[0] - 1,)


convolve_full = primitive(
    "convolve_full",
    value=lambda F, a, v: np.convolve(a, v),
    vjps=[
        lambda F, g, v, a_shape: _convolve_left(F, g, v, a_shape),
        lambda F, g, a, v_shape: _convolve_left(F, g, a, v_shape),
    ],
    linear="each",
    shape=_convolved_shape,
    internal=True,
)


def _convolve(F: Any, a: Any, v: Any, mode: str) -> Any:
    y = F.convolve_full(a, v)
    n, m = a.shape[0], v.shape[0]
    if mode == "full":
        return y
    if mode == "same":
        start = (min(n, m) - 1) // 2
        return F.index(y, slice(start, start + max(n, m)))
    if mode == "valid":
        return F.index(y, slice(min(n, m) - 1, max(n, m)))
    raise problems.bad_argument("convolve", f"there is no mode {mode!r}; full, same or valid")


convolve = composite(
    "convolve",
    value=lambda F, a, v, mode="full": _convolve(F, a, v, mode),
    operands=2,
    example="convolve([1, 2, 3], [1, 1]) -> [1, 3, 5, 3]",
)


def _correlate(F: Any, a: Any, v: Any, mode: str) -> Any:
    if a.shape[0] < v.shape[0]:  # NumPy: the shorter one slides, and the result is turned around
        return F.flip(_correlate(F, v, a, mode))
    y = F.convolve_full(a, F.flip(v))
    n, m = a.shape[0], v.shape[0]
    if mode == "same":
        return F.index(y, slice(m // 2, m // 2 + n))
    return y if mode == "full" else _convolve(F, a, F.flip(v), mode)


correlate = composite(
    "correlate",
    value=lambda F, a, v, mode="valid": _correlate(F, a, v, mode),
    operands=2,
    example="correlate([1, 2, 3], [0, 1]) -> [2, 3]",
)


# Normalisation


def _layer_norm(F: Any, x: Any, gamma: Any, beta: Any, axis: Any, eps: float) -> Any:
    centred = x - F.mean(x, axis=axis, keepdims=True)
    y = centred / F.sqrt(F.mean(centred * centred, axis=axis, keepdims=True) + eps)
    y = y if gamma is None else y * gamma
    return y if beta is None else y + beta


layer_norm = composite(
    "layer_norm",
    value=lambda F, x, gamma=None, beta=None, axis=-1, eps=1e-5: _layer_norm(F, x, gamma, beta, axis, eps),
    operands=3,
    example="layer_norm([1, 3], eps=0.0) -> [-1, 1]",
)


def _batch_norm(F: Any, x: Any, gamma: Any, beta: Any, mean: Any, var: Any, eps: float, axis: int) -> Any:
    at = axis % len(x.shape)
    others = tuple(i for i in range(len(x.shape)) if i != at)
    shape = tuple(n if i == at else 1 for i, n in enumerate(x.shape))
    if STATE.training or mean is None or var is None:
        centred = x - F.mean(x, axis=others, keepdims=True)
        y = centred / F.sqrt(F.mean(centred * centred, axis=others, keepdims=True) + eps)
    else:
        y = (x - F.reshape(mean, shape)) / F.sqrt(F.reshape(var, shape) + eps)
    y = y if gamma is None else y * F.reshape(gamma, shape)
    return y if beta is None else y + F.reshape(beta, shape)


batch_norm = composite(
    "batch_norm",
    value=lambda F, x, gamma=None, beta=None, mean=None, var=None, eps=1e-5, axis=1: _batch_norm(
        F, x, gamma, beta, mean, var, eps, axis
    ),
    operands=5,
    example="batch_norm([[1], [3]], eps=0.0) -> [[-1], [1]]",
)


def _dropout(F: Any, x: Any, p: float, axes: Any) -> Any:
    if not 0 <= p < 1:
        raise problems.bad_argument("dropout", "p lies in [0, 1)")
    if not STATE.training or p == 0:
        return F.positive(x)
    shape = tuple(1 if axes is not None and i in axes else n for i, n in enumerate(x.shape))
    kept = F.greater_equal(F.uniform_draws(shape), p)
    return x * (F.astype(kept, x.dtype) * (1 / (1 - p)))


dropout = composite(
    "dropout",
    value=lambda F, x, p=0.5, axes=None: _dropout(F, x, p, axes),
    example="dropout([1, 2]) -> [1, 2]",
)


# Losses


def _cross_entropy(F: Any, logits: Any, labels: Any, axis: int) -> Any:
    """The mean of −log p: labels are class numbers (one axis fewer) or probabilities of the same shape."""
    logs = F.log_softmax(logits, axis)
    if len(labels.shape) == len(logits.shape):
        return -F.mean(F.sum(labels * logs, axis=axis))
    numbers = as_array(concrete(labels)).astype(np.int64)
    picked = F.take_along_axis(logs, np.expand_dims(numbers, axis), axis)
    return -F.mean(picked)


def _cross_entropy_shape(logits: Shape, labels: Shape, axis: int) -> Shape:
    axes_of("cross_entropy", axis, logits)
    if len(labels) != len(logits) - 1:
        raise problems.does_not_fit("cross_entropy", "labels need one axis fewer than logits", (logits, labels))
    return ()


cross_entropy = composite(
    "cross_entropy",
    concrete=True,
    value=lambda F, logits, labels, axis=-1: _cross_entropy(F, logits, labels, axis),
    operands=2,
    shape=_cross_entropy_shape,
    dtype=lambda logits, labels, axis: floating(logits),
    example="cross_entropy([[0, 0]], [1]) -> 0.693147",
)
mse = composite("mse", value=lambda F, a, b: F.mean((a - b) * (a - b)), operands=2, example="mse([1, 2], [1, 4]) -> 2")
embedding = composite(
    "embedding",
    concrete=True,
    value=lambda F, indices, weight: F.index(weight, np.asarray(concrete(indices)).astype(np.int64)),
    operands=2,
    shape=lambda indices, weight: (*indices, *indexed(weight, 0)),
    dtype=lambda indices, weight: weight,
    example="embedding([1, 0], [[1, 2], [3, 4]]) -> [[3, 4], [1, 2]]",
)
