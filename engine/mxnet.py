"""MXNet's functions that are more than another name: layers, losses with a gradient of their own, orderings, updates.

All are made of operations, so they are recorded, fused and differentiated like these; parameters have
MXNet's names. `aliases` looks here for what it does not have itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ndgrad import problems
from ndgrad.aliases import _as_array, _op, full_axes
from ndgrad.autograd import Function
from ndgrad.ndarray import NDArray, new_array, plain

# Layers


def convolution(
    data: Any,
    weight: Any,
    bias: Any = None,
    kernel: Any = None,
    stride: Any = 1,
    dilate: Any = 1,
    pad: Any = 0,
    num_filter: int = 0,
    num_group: int = 1,
    no_bias: bool = False,
    **tuning: Any,
) -> Any:
    """Convolution of (batch, channels, *space) by (num_filter, channels/num_group, *kernel), in one or two axes."""
    x = _as_array(data)
    if x.ndim not in (3, 4):
        raise problems.does_not_fit("Convolution", "data need one or two axes of space", (x.shape,))
    name = "conv1d" if x.ndim == 3 else "conv2d"
    return _op(name)(x, weight, None if no_bias else bias, stride or 1, pad or 0, dilate or 1, num_group)


def pooling(
    data: Any,
    kernel: Any = (1, 1),
    pool_type: str = "max",
    global_pool: bool = False,
    stride: Any = None,
    pad: Any = 0,
    pooling_convention: str = "valid",
    count_include_pad: bool = True,
    **tuning: Any,
) -> Any:
    """Pooling over the last two axes: the max, avg or sum of each window (stride 1 unless given, as in MXNet)."""
    x = _as_array(data)
    if pooling_convention != "valid" or not count_include_pad:
        raise problems.bad_argument("Pooling", "windows are counted by the 'valid' convention, padding included")
    if pool_type not in ("max", "avg", "sum"):
        raise problems.bad_argument("Pooling", f"there is no pool_type {pool_type!r}; max, avg or sum")
    if global_pool:
        axes = tuple(range(2, x.ndim))
        return _op({"max": "max", "avg": "mean", "sum": "sum"}[pool_type])(x, axis=axes, keepdims=True)
    steps = stride if stride is not None and stride != () else 1
    if pool_type == "max":
        return _op("max_pool2d")(x, kernel, steps, pad or 0)
    mean = _op("avg_pool2d")(x, kernel, steps, pad or 0)
    return mean if pool_type == "avg" else mean * int(np.prod(kernel))


def l2_normalization(data: Any, eps: float = 1e-10, mode: str = "instance") -> Any:
    """data over the root of its squares' sum: of each "instance", along the "channel" axis, or over "spatial" axes."""
    x = _as_array(data)
    axes = {"instance": tuple(range(1, x.ndim)), "channel": (1,), "spatial": tuple(range(2, x.ndim))}
    if mode not in axes:
        raise problems.bad_argument("L2Normalization", f"there is no mode {mode!r}; instance, channel or spatial")
    return x / _op("sqrt")(_op("sum")(x * x, axis=axes[mode], keepdims=True) + eps)


def instance_norm(data: Any, gamma: Any, beta: Any, eps: float = 1e-3) -> Any:
    """Each channel of each instance with mean 0 and variance 1, times gamma, plus beta."""
    x = _as_array(data)
    axes, shape = tuple(range(2, x.ndim)), (1, -1, *(1,) * (x.ndim - 2))
    centred = x - _op("mean")(x, axis=axes, keepdims=True)
    y = centred / _op("sqrt")(_op("mean")(centred * centred, axis=axes, keepdims=True) + eps)
    return y * _op("reshape")(gamma, shape) + _op("reshape")(beta, shape)


def group_norm(data: Any, gamma: Any, beta: Any, num_groups: int = 1, eps: float = 1e-5) -> Any:
    """Each group of channels of each instance with mean 0 and variance 1, times gamma, plus beta (one per group)."""
    x = _as_array(data)
    parts = _op("reshape")(x, (x.shape[0], num_groups, -1))
    centred = parts - _op("mean")(parts, axis=-1, keepdims=True)
    y = centred / _op("sqrt")(_op("mean")(centred * centred, axis=-1, keepdims=True) + eps)
    y = y * _op("reshape")(gamma, (1, -1, 1)) + _op("reshape")(beta, (1, -1, 1))
    return _op("reshape")(y, x.shape)


def up_sampling(data: Any, scale: int, sample_type: str = "nearest", **others: Any) -> Any:
    """Each pixel `scale` times as high and wide, by repetition."""
    if sample_type != "nearest":
        raise problems.bad_argument("UpSampling", "sample_type is 'nearest'")
    return _op("repeat")(_op("repeat")(data, scale, -1), scale, -2)


# Outputs whose gradient is that of a loss


class _SoftmaxOutput(Function):
    """softmax, with the gradient of its cross-entropy; what arrives from above does not matter."""

    def __init__(self, axis: int, scale: float, ignore: float | None, normalization: str) -> None:
        self.axis = axis  # the last one, or 1: each place behind it then counts as a part of its example
        self.scale = scale
        self.ignore = ignore
        self.normalization = normalization

    def forward(self, data: Any, label: Any) -> Any:
        y = _op("softmax")(data, self.axis)
        self.save_for_backward(y, label)
        return y

    def backward(self, dy: Any) -> Any:
        y, label = map(plain, self.saved_tensors)
        if label.shape == y.shape:
            bar = y - label
            valid = np.ones(y.shape[0])
        else:
            classes = np.expand_dims(np.asarray(label).astype(np.int64), self.axis)
            there = np.arange(y.shape[self.axis]).reshape([-1 if i == self.axis % y.ndim else 1 for i in range(y.ndim)])
            bar = y - (classes == there)
            valid = np.ones(np.shape(label))
            if self.ignore is not None:
                valid = np.asarray(label) != self.ignore
                bar = bar * np.expand_dims(valid, self.axis)
        over = {"null": 1.0, "batch": float(y.shape[0]), "valid": max(float(np.count_nonzero(valid)), 1.0)}
        places = int(np.prod(y.shape[2:])) if self.axis == 1 and self.normalization != "valid" else 1
        return new_array(np.asarray(bar * (self.scale / over[self.normalization] / places), dtype=y.dtype)), None


def softmax_output(
    data: Any,
    label: Any,
    grad_scale: float = 1.0,
    ignore_label: float = -1.0,
    multi_output: bool = False,
    use_ignore: bool = False,
    preserve_shape: bool = False,
    normalization: str = "null",
) -> Any:
    """The softmax of data; going back, the gradient of the cross-entropy with label, whatever arrives.

    label: class numbers, or probabilities of data's shape. Classes are along axis 1 with multi_output, else the last.
    """
    if normalization not in ("null", "batch", "valid"):
        raise problems.bad_argument("SoftmaxOutput", f"there is no normalization {normalization!r}")
    x = _as_array(data)
    shape = x.shape
    flat = x.ndim > 2 and not multi_output and not preserve_shape
    x = _op("reshape")(x, (shape[0], -1)) if flat else x
    made = _SoftmaxOutput(1 if multi_output else -1, grad_scale, ignore_label if use_ignore else None, normalization)
    y = made(x, _as_array(label))
    return _op("reshape")(y, shape) if flat else y


class _Regression(Function):
    """A link, with the gradient of its loss; what arrives from above does not matter."""

    def __init__(self, kind: str, scale: float) -> None:
        self.kind = kind
        self.scale = scale

    def forward(self, data: Any, label: Any) -> Any:
        y = _op("sigmoid")(data) if self.kind == "logistic" else data.copy()
        self.save_for_backward(y, label)
        return y

    def backward(self, dy: Any) -> Any:
        y, label = map(plain, self.saved_tensors)
        bar = y - np.reshape(label, y.shape)
        bar = np.sign(bar) if self.kind == "mae" else bar
        each = self.scale * y.shape[0] / max(y.size, 1)
        return new_array(np.asarray(bar * each, dtype=y.dtype)), None


def _regression(kind: str) -> Callable[..., Any]:
    def call(data: Any, label: Any, grad_scale: float = 1.0) -> Any:
        x, target = _as_array(data), _as_array(label)
        if x.size != target.size:
            raise problems.does_not_fit("a regression output", "as many labels as predictions", (x.shape, target.shape))
        return _Regression(kind, grad_scale)(x, target)

    return call


class _MakeLoss(Function):
    """Itself, with a gradient of grad_scale."""

    def __init__(self, scale: float) -> None:
        self.scale = scale

    def forward(self, data: Any) -> Any:
        return data.copy()

    def backward(self, dy: Any) -> Any:
        return new_array(np.full(dy.shape, self.scale, dy.dtype))


# Choosing and ordering


def topk(
    data: Any,
    axis: int | None = -1,
    k: int = 1,
    ret_typ: str = "indices",
    is_ascend: bool = False,
    dtype: Any = "float32",
) -> Any:
    """The k largest entries along an axis (smallest with is_ascend), in order: their indices, value, both or a mask."""
    x = _as_array(data)
    if axis is None:
        x, axis = _op("reshape")(x, (-1,)), 0
    if ret_typ not in ("indices", "value", "both", "mask"):
        raise problems.bad_argument("topk", f"there is no ret_typ {ret_typ!r}; indices, value, both or mask")
    size = x.shape[axis]
    if not 0 <= k <= size:
        raise problems.bad_argument("topk", f"k is at most {size}, the size of the axis")
    order = _op("argsort")(x if is_ascend else -x, axis)
    lead = (slice(None),) * (axis % x.ndim)
    places = order[(*lead, slice(0, k or size))]
    if ret_typ == "indices":
        return places.astype(dtype)
    if ret_typ == "mask":
        ranks = _op("argsort")(order, axis)
        return (ranks < (k or size)).astype(x.dtype)
    values = _op("take_along_axis")(x, places, axis)
    return values if ret_typ == "value" else [values, places.astype(dtype)]


def sort(data: Any, axis: int | None = -1, is_ascend: bool = True) -> Any:
    """The entries in order along an axis; of all entries with axis=None."""
    made = _op("sort")(_as_array(data), axis)
    return made if is_ascend else _op("flip")(made, 0 if axis is None else axis)


def argsort(data: Any, axis: int | None = -1, is_ascend: bool = True, dtype: Any = "float32") -> Any:
    """The places of the entries in order along an axis, as floats unless dtype says otherwise."""
    x = _as_array(data)
    return _op("argsort")(x if is_ascend else -x, axis).astype(dtype)


def take(a: Any, indices: Any, axis: int = 0, mode: str = "clip") -> Any:
    """Entries of an axis by number; those outside are clipped, wrapped, or with "raise" an error (E303)."""
    x, rows = _as_array(a), _as_array(indices)
    n = x.shape[axis]
    if mode not in ("clip", "wrap", "raise"):
        raise problems.bad_argument("take", f"there is no mode {mode!r}; clip, wrap or raise")
    if mode == "clip":
        rows = _op("clip")(rows, 0, n - 1)
    elif mode == "wrap":
        rows = rows % n
    return _op("take")(x, rows, axis)


def gather_nd(data: Any, indices: Any) -> Any:
    """data[indices[0], indices[1], …]."""
    rows = _as_array(indices).astype("int64")
    return _as_array(data)[tuple(rows[i] for i in range(rows.shape[0]))]


def scatter_nd(data: Any, indices: Any, shape: Any) -> Any:
    """Zeros of `shape` with data at indices[0], indices[1], …; entries that meet add up."""
    rows = np.asarray(plain(_as_array(indices))).astype(np.int64)
    return _op("scatter")(data, tuple(shape), tuple(rows))


def slice_like(data: Any, shape_like: Any, axes: Any = ()) -> Any:
    """data cut to the sizes of another array, along all axes or those given."""
    x, like = _as_array(data), _as_array(shape_like)
    chosen = {a % x.ndim for a in axes} if axes else set(range(x.ndim))
    return x[tuple(slice(0, like.shape[i]) if i in chosen else slice(None) for i in range(x.ndim))]


def split(data: Any, num_outputs: int, axis: int = 1, squeeze_axis: bool = False) -> Any:
    """Equal parts along an axis, as a list; one part is given as it is. squeeze_axis drops the axis where it is 1."""
    parts = list(_op("split")(_as_array(data), num_outputs, axis))
    if squeeze_axis:
        parts = [_op("squeeze")(part, axis) for part in parts]
    return parts if len(parts) > 1 else parts[0]


def sequence_mask(
    data: Any, sequence_length: Any = None, use_sequence_length: bool = False, value: float = 0.0, axis: int = 0
) -> Any:
    """data (time, batch, …) with `value` after each sequence's length."""
    x = _as_array(data)
    if not use_sequence_length:
        return x
    live = _within(x, sequence_length, axis)
    return _op("where")(live, x, value)


def _within(x: Any, lengths: Any, axis: int) -> Any:
    """Which entries of (time, batch) or (batch, time) come before the length of their sequence."""
    times = np.arange(x.shape[axis])
    shape = [x.shape[axis] if i == axis else 1 for i in range(x.ndim)]
    each = [x.shape[1 - axis] if i == 1 - axis else 1 for i in range(x.ndim)]
    return _op("less")(times.reshape(shape), _op("reshape")(_as_array(lengths), tuple(each)))


def sequence_last(data: Any, sequence_length: Any = None, use_sequence_length: bool = False, axis: int = 0) -> Any:
    """The last entry of each sequence of data (time, batch, …)."""
    x = _as_array(data)
    if not use_sequence_length:
        return x[-1] if axis == 0 else x[:, -1]
    last = _as_array(sequence_length).astype("int64") - 1
    each = np.arange(x.shape[1 - axis])
    return x[last, each] if axis == 0 else x[each, last]


def sequence_reverse(data: Any, sequence_length: Any = None, use_sequence_length: bool = False, axis: int = 0) -> Any:
    """Each sequence of data (time, batch, …) backwards, what comes after its length left in place."""
    x = _as_array(data)
    if not use_sequence_length:
        return _op("flip")(x, 0)
    n = x.shape[0]
    lengths = np.asarray(plain(_as_array(sequence_length))).astype(np.int64)[None, :]
    times = np.arange(n)[:, None]
    rows = np.where(times < lengths, lengths - 1 - times, times)
    return x[rows, np.arange(x.shape[1])[None, :]]


# Shapes and numbers


def pad(data: Any, mode: str = "constant", pad_width: Any = (), constant_value: float = 0.0) -> Any:
    """data with a border: pad_width is (before, after) for each axis in a row; mode is constant, edge or reflect."""
    x = _as_array(data)
    widths = tuple(zip(pad_width[::2], pad_width[1::2], strict=False))
    if len(pad_width) != 2 * x.ndim:
        raise problems.bad_argument("pad", f"pad_width needs {2 * x.ndim} numbers for {x.ndim} axes")
    return _op("pad")(x, widths, mode, constant_value)


def broadcast_to(data: Any, shape: Any) -> Any:
    """data in a larger shape; a size of 0 keeps the axis."""
    x = _as_array(data)
    wanted = tuple(shape) if isinstance(shape, (tuple, list)) else (shape,)
    have = (1,) * (len(wanted) - x.ndim) + x.shape
    return _op("broadcast_to")(x, tuple(n or m for n, m in zip(wanted, have, strict=False)))


def one_hot(indices: Any, depth: int, on_value: float = 1.0, off_value: float = 0.0, dtype: Any = "float32") -> Any:
    """A vector of `depth` entries for each index: on_value there, off_value elsewhere."""
    made = _op("one_hot")(indices, depth)
    return (made * (on_value - off_value) + off_value).astype(dtype)


def norm(data: Any, ord: int = 2, axis: Any = None, out_dtype: Any = None, keepdims: bool = False) -> Any:
    """The sum of magnitudes (ord=1) or the root of the sum of squares (ord=2), over all axes or those given."""
    x = _as_array(data)
    if ord not in (1, 2):
        raise problems.bad_argument("norm", f"ord is 1 or 2, not {ord!r}")
    over = tuple(axis) if isinstance(axis, list) else axis
    y = _op("sum")(_op("abs")(x), over, keepdims) if ord == 1 else _op("norm2")(x, over, keepdims)
    return y if out_dtype is None else y.astype(out_dtype)


def softmax(data: Any, axis: int = -1, length: Any = None, temperature: float | None = None, dtype: Any = None) -> Any:
    """exp(data / temperature) over its sum along an axis; with `length`, over so many entries of the last axis."""
    x = _as_array(data)
    x = x if temperature is None else x / temperature
    if length is not None:
        live = _op("less")(np.arange(x.shape[-1]), _op("expand_dims")(_as_array(length), -1))
        y = _op("where")(live, _op("softmax")(_op("where")(live, x, -np.inf), axis), 0.0)
    else:
        y = _op("softmax")(x, axis)
    return y if dtype is None else y.astype(dtype)


def log_softmax(data: Any, axis: int = -1, temperature: float | None = None, dtype: Any = None) -> Any:
    """The logarithm of softmax, without its overflow."""
    x = _as_array(data)
    y = _op("log_softmax")(x if temperature is None else x / temperature, axis)
    return y if dtype is None else y.astype(dtype)


def moments(data: Any, axes: Any = None, keepdims: bool = False) -> Any:
    """The mean and the variance."""
    x = _as_array(data)
    over = tuple(axes) if isinstance(axes, (list, tuple)) else axes
    return [_op("mean")(x, over, keepdims), _op("var")(x, over, 0, keepdims)]


def depth_to_space(data: Any, block_size: int) -> Any:
    """(n, c, h, w) → (n, c/b², h·b, w·b)."""
    x, b = _as_array(data), block_size
    n, c, h, w = x.shape
    apart = _op("reshape")(x, (n, b, b, c // b**2, h, w))
    return _op("reshape")(_op("transpose")(apart, (0, 3, 4, 1, 5, 2)), (n, c // b**2, h * b, w * b))


def space_to_depth(data: Any, block_size: int) -> Any:
    """(n, c, h, w) → (n, c·b², h/b, w/b)."""
    x, b = _as_array(data), block_size
    n, c, h, w = x.shape
    apart = _op("reshape")(x, (n, c, h // b, b, w // b, b))
    return _op("reshape")(_op("transpose")(apart, (0, 3, 5, 1, 2, 4)), (n, c * b**2, h // b, w // b))


def unravel_index(data: Any, shape: Any) -> Any:
    """The indices, one row for each axis, of places counted through an array of `shape`."""
    places = np.asarray(plain(_as_array(data))).astype(np.int64)
    return new_array(np.stack(np.unravel_index(places, tuple(shape))))


def ravel_multi_index(data: Any, shape: Any) -> Any:
    """The places, counted through an array of `shape`, of indices with one row for each axis."""
    rows = np.asarray(plain(_as_array(data))).astype(np.int64)
    return new_array(np.ravel_multi_index(tuple(rows), tuple(shape)))


def khatri_rao(*args: Any) -> Any:
    """The Kronecker products of the columns of matrices with as many columns each."""
    made = _as_array(args[0])
    for x in args[1:]:
        product = _op("expand_dims")(made, 1) * _op("expand_dims")(_as_array(x), 0)
        made = _op("reshape")(product, (-1, made.shape[1]))
    return made


def _truths(name: str) -> Callable[..., Any]:
    def call(lhs: Any, rhs: Any) -> Any:
        a, b = _as_array(lhs), _as_array(rhs)
        kind = a.dtype if a.dtype.kind == "f" else np.float32
        if name == "xor":
            return _op("not_equal")(_op("not_equal")(a, 0), _op("not_equal")(b, 0)).astype(kind)
        return _op(f"logical_{name}")(a, b).astype(kind)

    return call


def _nanprod(data: Any, axis: Any = None, keepdims: bool = False, exclude: bool = False) -> Any:
    x = _as_array(data)
    return full_axes("prod")(_op("where")(_op("isnan")(x), 1.0, x), axis, keepdims, exclude)


# Linear algebra


def gemm(
    A: Any, B: Any, C: Any, transpose_a: bool = False, transpose_b: bool = False, alpha: float = 1.0, beta: float = 1.0
) -> Any:
    """alpha·A·B + beta·C, the factors transposed as said."""
    return alpha * _product(A, B, transpose_a, transpose_b) + beta * _as_array(C)


def gemm2(A: Any, B: Any, transpose_a: bool = False, transpose_b: bool = False, alpha: float = 1.0) -> Any:
    """alpha·A·B, the factors transposed as said."""
    made = _product(A, B, transpose_a, transpose_b)
    return made if alpha == 1.0 else alpha * made


def _product(A: Any, B: Any, transpose_a: bool, transpose_b: bool) -> Any:
    return _op("matmul")(_turned(A) if transpose_a else A, _turned(B) if transpose_b else B)


def _turned(A: Any) -> Any:
    return _op("swapaxes")(_as_array(A), -1, -2)


def syrk(A: Any, transpose: bool = False, alpha: float = 1.0) -> Any:
    """alpha·A·Aᵀ, or alpha·Aᵀ·A."""
    return alpha * (_op("matmul")(_turned(A), A) if transpose else _op("matmul")(A, _turned(A)))


def trsm(
    A: Any, B: Any, transpose: bool = False, rightside: bool = False, lower: bool = True, alpha: float = 1.0
) -> Any:
    """X with A·X = alpha·B (X·A with rightside), A triangular, transposed as said."""
    a, b, solve = _as_array(A), _as_array(B), _op("solve_triangular")
    if rightside:
        made = _turned(solve(_turned(a), _turned(b), not lower) if not transpose else solve(a, _turned(b), lower))
    else:
        made = solve(_turned(a), b, not lower) if transpose else solve(a, b, lower)
    return alpha * made


def trmm(
    A: Any, B: Any, transpose: bool = False, rightside: bool = False, lower: bool = True, alpha: float = 1.0
) -> Any:
    """alpha·A·B (B·A with rightside), A taken as triangular, transposed as said."""
    a = _op("tril" if lower else "triu")(_as_array(A))
    a = _turned(a) if transpose else a
    return alpha * (_op("matmul")(B, a) if rightside else _op("matmul")(a, B))


def potri(A: Any) -> Any:
    """The inverse of A·Aᵀ, A lower triangular."""
    half = _op("inv")(_op("tril")(_as_array(A)))
    return _op("matmul")(_turned(half), half)


def _makediag(A: Any, offset: int = 0) -> Any:
    x = _as_array(A)
    if x.ndim == 1:
        return _op("diag")(x, offset)
    raise problems.does_not_fit("linalg_makediag", "one vector is needed", (x.shape,))


def _sumlogdiag(A: Any) -> Any:
    return _op("sum")(_op("log")(_op("diagonal")(_as_array(A), 0, -2, -1)), -1)


# Updates of parameters, in place


def _stepped(weight: NDArray, made: Any, out: NDArray | None) -> NDArray:
    target = weight if out is None else out
    target[:] = made
    return target


def _gradient(weight: Any, grad: Any, wd: float, rescale: float, clip: float) -> Any:
    g = grad * rescale
    return (_op("clip")(g, -clip, clip) if clip > 0 else g) + wd * weight


def sgd_update(
    weight: Any, grad: Any, lr: float, wd: float = 0.0, rescale_grad: float = 1.0, clip_gradient: float = -1.0,
    lazy_update: bool = True, out: Any = None,
) -> Any:  # fmt: skip
    """weight -= lr·(grad + wd·weight), into `out`, or into weight itself."""
    return _stepped(weight, weight - lr * _gradient(weight, grad, wd, rescale_grad, clip_gradient), out)


def sgd_mom_update(
    weight: Any, grad: Any, mom: Any, lr: float, momentum: float = 0.0, wd: float = 0.0, rescale_grad: float = 1.0,
    clip_gradient: float = -1.0, lazy_update: bool = True, out: Any = None,
) -> Any:  # fmt: skip
    """mom = momentum·mom - lr·(grad + wd·weight); weight += mom."""
    mom[:] = momentum * mom - lr * _gradient(weight, grad, wd, rescale_grad, clip_gradient)
    return _stepped(weight, weight + mom, out)


def nag_mom_update(
    weight: Any, grad: Any, mom: Any, lr: float, momentum: float = 0.0, wd: float = 0.0, rescale_grad: float = 1.0,
    clip_gradient: float = -1.0, out: Any = None,
) -> Any:  # fmt: skip
    """Nesterov's step: mom = momentum·mom + g; weight -= lr·(g + momentum·mom)."""
    g = _gradient(weight, grad, wd, rescale_grad, clip_gradient)
    mom[:] = momentum * mom + g
    return _stepped(weight, weight - lr * (g + momentum * mom), out)


def signsgd_update(
    weight: Any, grad: Any, lr: float, wd: float = 0.0, rescale_grad: float = 1.0, clip_gradient: float = -1.0,
    out: Any = None,
) -> Any:  # fmt: skip
    """weight = (1 - lr·wd)·weight - lr·sign(grad)."""
    return _stepped(weight, (1 - lr * wd) * weight - lr * _op("sign")(_as_array(grad)), out)


def adam_update(
    weight: Any, grad: Any, mean: Any, var: Any, lr: float, beta1: float = 0.9, beta2: float = 0.999,
    epsilon: float = 1e-8, wd: float = 0.0, rescale_grad: float = 1.0, clip_gradient: float = -1.0,
    lazy_update: bool = True, out: Any = None,
) -> Any:  # fmt: skip
    """Adam's step, with its two running means; the correction of their start belongs into lr, as in MXNet."""
    g = _gradient(weight, grad, wd, rescale_grad, clip_gradient)
    mean[:] = beta1 * mean + (1 - beta1) * g
    var[:] = beta2 * var + (1 - beta2) * g * g
    return _stepped(weight, weight - lr * mean / (_op("sqrt")(var) + epsilon), out)


def rmsprop_update(
    weight: Any, grad: Any, n: Any, lr: float, gamma1: float = 0.95, epsilon: float = 1e-8, wd: float = 0.0,
    rescale_grad: float = 1.0, clip_gradient: float = -1.0, out: Any = None,
) -> Any:  # fmt: skip
    """RMSProp's step, with its running mean of squares."""
    g = _gradient(weight, grad, wd, rescale_grad, clip_gradient)
    n[:] = gamma1 * n + (1 - gamma1) * g * g
    return _stepped(weight, weight - lr * g / _op("sqrt")(n + epsilon), out)


def _drawn(name: str) -> Callable[..., Any]:
    def call(*args: Any, **named: Any) -> Any:
        from ndgrad import random

        return getattr(random, name)(*args, **named)

    return call


FUNCTIONS: dict[str, str | Callable[..., Any]] = {
    "Convolution": convolution,
    "Pooling": pooling,
    "L2Normalization": l2_normalization,
    "InstanceNorm": instance_norm,
    "GroupNorm": group_norm,
    "UpSampling": up_sampling,
    "unravel_index": unravel_index,
    "ravel_multi_index": ravel_multi_index,
    "khatri_rao": khatri_rao,
    "nag_mom_update": nag_mom_update,
    "signsgd_update": signsgd_update,
    "SoftmaxOutput": softmax_output,
    "Softmax": softmax_output,
    "LinearRegressionOutput": _regression("linear"),
    "LogisticRegressionOutput": _regression("logistic"),
    "MAERegressionOutput": _regression("mae"),
    "MakeLoss": lambda data, grad_scale=1.0: _MakeLoss(grad_scale)(data),
    "make_loss": lambda data: _MakeLoss(1.0)(data),
    "topk": topk,
    "sort": sort,
    "argsort": argsort,
    "take": take,
    "batch_take": lambda a, indices: _as_array(a)[np.arange(len(a)), _as_array(indices).astype("int64")],
    "gather_nd": gather_nd,
    "scatter_nd": scatter_nd,
    "slice_like": slice_like,
    "split": split,
    "SliceChannel": split,
    "split_v2": lambda ary, indices_or_sections, axis=0, squeeze_axis=False: [
        _op("squeeze")(part, axis) if squeeze_axis else part
        for part in _op("split")(_as_array(ary), indices_or_sections, axis)
    ],
    "SequenceMask": sequence_mask,
    "SequenceLast": sequence_last,
    "SequenceReverse": sequence_reverse,
    "pad": pad,
    "Pad": pad,
    "broadcast_to": broadcast_to,
    "one_hot": one_hot,
    "norm": norm,
    "softmax": softmax,
    "log_softmax": log_softmax,
    "softmin": lambda data, axis=-1: _op("softmax")(-_as_array(data), axis),
    "moments": moments,
    "depth_to_space": depth_to_space,
    "space_to_depth": space_to_depth,
    "reshape_like": lambda lhs, rhs: _op("reshape")(lhs, _as_array(rhs).shape),
    "shape_array": lambda data: new_array(np.array(_as_array(data).shape, dtype=np.int64)),
    "size_array": lambda data: new_array(np.array([_as_array(data).size], dtype=np.int64)),
    "softsign": lambda data: _as_array(data) / (1 + _op("abs")(_as_array(data))),
    "hard_sigmoid": lambda data, alpha=0.2, beta=0.5: _op("clip")(alpha * _as_array(data) + beta, 0.0, 1.0),
    "gamma": lambda data: _op("exp")(_op("gammaln")(_as_array(data))),
    "nanprod": _nanprod,
    "true_divide": "divide",
    "modulo": "mod",
    "where": lambda condition, x, y: _op("where")(_op("not_equal")(_as_array(condition), 0), x, y),
    "argmax_channel": lambda data: _op("argmax")(_as_array(data), -1).astype("float32"),
    **{f"broadcast_logical_{name}": _truths(name) for name in ("and", "or", "xor")},
    **{f"logical_{name}": _truths(name) for name in ("and", "or", "xor")},
    "linalg_gemm": gemm,
    "linalg_gemm2": gemm2,
    "linalg_syrk": syrk,
    "linalg_trsm": trsm,
    "linalg_trmm": trmm,
    "linalg_potri": potri,
    "linalg_makediag": _makediag,
    "linalg_sumlogdiag": _sumlogdiag,
    "sgd_update": sgd_update,
    "sgd_mom_update": sgd_mom_update,
    "adam_update": adam_update,
    "rmsprop_update": rmsprop_update,
    "uniform": _drawn("uniform"),
    "normal": _drawn("normal"),
    "shuffle": _drawn("shuffle"),
    "sample_multinomial": _drawn("multinomial"),
    **{f"random_{name}": _drawn(name) for name in ("exponential", "gamma", "poisson", "randint")},
    "Reshape": "reshape",
    "pow": "power",
}
