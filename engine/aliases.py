"""The names that MXNet has for operations that are here under NumPy's names: one table.

A plain string is another name for an operation; a function says what MXNet's arguments mean.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ndgrad import problems
from ndgrad.ndarray import NDArray, array
from ndgrad.ops import find, lookup
from ndgrad.ops.shape import as_shape, axis_at
from ndgrad.primitive import Primitive
from ndgrad.tape import STATE


def _op(name: str) -> Callable[..., Any]:
    op = lookup(name)
    assert op is not None, name
    return op.call


def _as_array(x: Any) -> NDArray:
    return x if isinstance(x, NDArray) else array(x)


def _elemwise(name: str) -> Callable[..., Any]:
    """MXNet's elemwise_*: the operands must have one shape."""

    def call(lhs: Any, rhs: Any) -> Any:
        a, b = _as_array(lhs), _as_array(rhs)
        if a.shape != b.shape:
            raise problems.does_not_fit(f"elemwise_{name}", "the shapes must be equal", (a.shape, b.shape))
        return _op(_BROADCAST[name])(a, b)

    return call


_BROADCAST = {
    "add": "add",
    "plus": "add",
    "sub": "subtract",
    "minus": "subtract",
    "mul": "multiply",
    "div": "divide",
    "mod": "mod",
    "power": "power",
    "maximum": "maximum",
    "minimum": "minimum",
    "hypot": "hypot",
}


def _truth(name: str) -> Callable[..., Any]:
    """MXNet's comparisons give 1.0 and 0.0 in the operand's float dtype."""

    def call(lhs: Any, rhs: Any) -> Any:
        a = _as_array(lhs)
        made = _op(name)(a, rhs)
        return made.astype(a.dtype if a.dtype.kind == "f" else np.float32)

    return call


def reshape(data: Any, shape: Any, reverse: bool = False) -> Any:
    """MXNet's reshape: besides -1, 0 keeps an axis, -2 all that are left, -3 merges two, -4 splits one in two."""
    x = _as_array(data)
    codes = list(as_shape(shape))
    try:
        sizes = _decoded(list(x.shape[::-1] if reverse else x.shape), codes[::-1] if reverse else codes)
    except IndexError:
        raise problems.does_not_fit("reshape", "the codes ask for more axes than there are", (x.shape,)) from None
    except ZeroDivisionError:
        raise problems.bad_argument("reshape", "-4 splits an axis into a size of 0") from None
    return _op("reshape")(x, tuple(sizes[::-1] if reverse else sizes))


def _decoded(have: list[int], codes: list[int]) -> list[int]:
    """The sizes that MXNet's codes stand for."""
    out: list[int] = []
    at = i = 0
    while i < len(codes):
        code = codes[i]
        if code == 0:
            out.append(have[at])
            at += 1
        elif code == -2:
            out += have[at:]
            at = len(have)
        elif code == -3:
            out.append(have[at] * have[at + 1])
            at += 2
        elif code == -4:
            m, n = codes[i + 1], codes[i + 2]
            m, n = (have[at] // n if m == -1 else m), (have[at] // m if n == -1 else n)
            out += [m, n]
            at += 1
            i += 2
        else:
            out.append(code)
            at += 1
        i += 1
    return out


def dot(lhs: Any, rhs: Any, transpose_a: bool = False, transpose_b: bool = False) -> Any:
    """MXNet's dot: sums over the last axis of lhs and the first of rhs."""
    a, b = _as_array(lhs), _as_array(rhs)
    a = _op("transpose")(a) if transpose_a else a
    b = _op("transpose")(b) if transpose_b else b
    if not a.shape or not b.shape:
        raise problems.shapes_do_not_multiply("dot", a.shape, b.shape)
    if a.shape[-1] != b.shape[0]:
        raise problems.shapes_do_not_multiply("dot", a.shape, b.shape)
    return _op("dot")(a, b) if len(b.shape) <= 2 else _op("tensordot")(a, b, 1)


def batch_dot(lhs: Any, rhs: Any, transpose_a: bool = False, transpose_b: bool = False) -> Any:
    """The products of two stacks of matrices, (n, i, k) and (n, k, j)."""
    a, b = _as_array(lhs), _as_array(rhs)
    a = _op("swapaxes")(a, 1, 2) if transpose_a else a
    b = _op("swapaxes")(b, 1, 2) if transpose_b else b
    return _op("matmul")(a, b)


def slice_axis(data: Any, axis: int, begin: int, end: int | None) -> Any:
    """data[begin:end] along one axis. E302 for one that is not there."""
    x = _as_array(data)
    return x[(*(slice(None),) * axis_at("slice_axis", axis, x.ndim), slice(begin, end))]


def slice_(data: Any, begin: Any, end: Any, step: Any = None) -> Any:
    """data[begin:end:step], an entry for each axis."""
    begin, end = (n if isinstance(n, (tuple, list)) else (n,) for n in (begin, end))
    steps = step if step and isinstance(step, (tuple, list)) else (step or None,) * len(begin)
    if not len(begin) == len(end) == len(steps):
        raise problems.bad_argument("slice", "begin, end and step need an entry for each axis")
    return _as_array(data)[tuple(slice(b, e, s) for b, e, s in zip(begin, end, steps, strict=True))]


def pick(data: Any, index: Any, axis: int = -1, keepdims: bool = False) -> Any:
    """One entry along axis for each place of the others."""
    x = _as_array(data)
    rows = np.expand_dims(np.asarray(_as_array(index).data).astype(np.int64), axis)
    made = _op("take_along_axis")(x, np.clip(rows, 0, x.shape[axis] - 1), axis)
    return made if keepdims else _op("squeeze")(made, axis)


def fully_connected(
    data: Any, weight: Any, bias: Any = None, no_bias: bool = False, num_hidden: int = 0, flatten: bool = True
) -> Any:
    """data·weightᵀ + bias; all axes but the first are merged unless flatten is False."""
    x = _as_array(data)
    x = _op("reshape")(x, (x.shape[0], -1)) if flatten else x
    y = _op("matmul")(x, _op("transpose")(_as_array(weight)))
    return y if no_bias or bias is None else y + bias


def activation(data: Any, act_type: str) -> Any:
    """relu, sigmoid, tanh, softrelu (softplus) or softsign."""
    if act_type == "softsign":
        x = _as_array(data)
        return x / (1 + _op("abs")(x))
    names = {"relu": "relu", "sigmoid": "sigmoid", "tanh": "tanh", "softrelu": "softplus"}
    if act_type not in names:
        raise problems.bad_argument("Activation", f"there is no activation {act_type!r}")
    return _op(names[act_type])(data)


def dropout(data: Any, p: float = 0.5, mode: str = "training", axes: Any = ()) -> Any:
    """MXNet's Dropout: in training only, or always with mode="always"; one mask along `axes`."""
    before, STATE.training = STATE.training, STATE.training or mode == "always"
    try:
        return _op("dropout")(data, p, tuple(axes) or None)
    finally:
        STATE.training = before


def batch_norm(
    data: Any,
    gamma: Any,
    beta: Any,
    moving_mean: Any,
    moving_var: Any,
    eps: float = 1e-3,
    momentum: float = 0.9,
    fix_gamma: bool = True,
    use_global_stats: bool = False,
    axis: int = 1,
) -> Any:
    """MXNet's BatchNorm; in training the running statistics move in the forward pass."""
    x = _as_array(data)
    gamma = _as_array(gamma)
    if fix_gamma:
        gamma = _op("ones_like")(gamma)
    training = STATE.training and not use_global_stats
    if training:
        others = tuple(i for i in range(x.ndim) if i != axis % x.ndim)
        values = np.asarray(x.data)
        for running, fresh in ((moving_mean, values.mean(others)), (moving_var, values.var(others))):
            running._writable()[...] = momentum * running.data + (1 - momentum) * fresh
    before, STATE.training = STATE.training, training
    try:
        return _op("batch_norm")(x, gamma, beta, moving_mean.detach(), moving_var.detach(), eps, axis)
    finally:
        STATE.training = before


def full_axes(name: str) -> Callable[..., Any]:
    """A reduction with MXNet's `exclude`: all axes but these."""

    def call(data: Any, axis: Any = None, keepdims: bool = False, exclude: bool = False) -> Any:
        x = _as_array(data)
        if axis == ():
            axis = None
        if exclude and axis is not None:
            given = {a % x.ndim for a in (axis if isinstance(axis, tuple) else (axis,))}
            axis = tuple(i for i in range(x.ndim) if i not in given)
        return _op(name)(x, axis=tuple(axis) if isinstance(axis, list) else axis, keepdims=keepdims)

    return call


ALIASES: dict[str, str | Callable[..., Any]] = {
    **{f"elemwise_{name}": _elemwise(name) for name in ("add", "sub", "mul", "div")},
    **{f"broadcast_{name}": operation for name, operation in _BROADCAST.items()},
    **{f"broadcast_{name}": _truth(name) for name in ("equal", "not_equal", "greater", "greater_equal")},
    "broadcast_lesser": _truth("less"),
    "broadcast_lesser_equal": _truth("less_equal"),
    "equal": _truth("equal"),
    "not_equal": _truth("not_equal"),
    "greater": _truth("greater"),
    "greater_equal": _truth("greater_equal"),
    "lesser": _truth("less"),
    "lesser_equal": _truth("less_equal"),
    **{name: full_axes(name) for name in ("sum", "mean", "max", "min", "prod", "nansum")},
    "sum_axis": full_axes("sum"),
    "max_axis": full_axes("max"),
    "min_axis": full_axes("min"),
    "reshape": reshape,
    "dot": dot,
    "batch_dot": batch_dot,
    "linalg_potrf": "cholesky",
    "linalg_inverse": "inv",
    "linalg_det": "det",
    "linalg_slogdet": "slogdet",
    "linalg_extractdiag": lambda A, offset=0: _op("diagonal")(A, offset, -2, -1),
    "slice_axis": slice_axis,
    "slice": slice_,
    "pick": pick,
    "concat": lambda *arrays, dim=1: _op("concatenate")(list(arrays), dim),
    "Concat": lambda *arrays, dim=1: _op("concatenate")(list(arrays), dim),
    "stack": lambda *arrays, axis=0: _op("stack")(
        list(arrays[0]) if len(arrays) == 1 and isinstance(arrays[0], (list, tuple)) else list(arrays), axis
    ),
    "add_n": lambda *arrays: _sum_of(arrays),
    "ElementWiseSum": lambda *arrays: _sum_of(arrays),
    "swapaxes": lambda data, dim1=0, dim2=0: _op("swapaxes")(data, dim1, dim2),
    "SwapAxis": lambda data, dim1=0, dim2=0: _op("swapaxes")(data, dim1, dim2),
    "flatten": lambda data: _op("reshape")(_as_array(data), (_as_array(data).shape[0], -1)),
    "Flatten": lambda data: _op("reshape")(_as_array(data), (_as_array(data).shape[0], -1)),
    "broadcast_axis": lambda data, axis, size: _broadcast_axis(data, axis, size),
    "broadcast_axes": lambda data, axis, size: _broadcast_axis(data, axis, size),
    "broadcast_like": lambda lhs, rhs: _op("broadcast_to")(lhs, rhs.shape),
    "reverse": "flip",
    "rsqrt": lambda data: 1 / _op("sqrt")(data),
    "rcbrt": lambda data: 1 / _op("cbrt")(data),
    "degrees": lambda data: _as_array(data) * (180 / np.pi),
    "radians": lambda data: _as_array(data) * (np.pi / 180),
    "rint": "round",
    "fix": "trunc",
    "BlockGrad": "stop_gradient",
    "identity": "positive",
    "cast": lambda data, dtype: _op("astype")(data, dtype),
    "Cast": lambda data, dtype: _op("astype")(data, dtype),
    "smooth_l1": lambda data, scalar=1.0: _op("huber")(data, 1 / scalar**2) * scalar**2,
    "FullyConnected": fully_connected,
    "Activation": activation,
    "LeakyReLU": lambda data, act_type="leaky", slope=0.25: _op("leaky_relu" if act_type == "leaky" else act_type)(
        data, *((slope,) if act_type in ("leaky", "elu") else ())
    ),
    "Dropout": dropout,
    "BatchNorm": batch_norm,
    "LayerNorm": lambda data, gamma, beta, axis=-1, eps=1e-5: _op("layer_norm")(data, gamma, beta, axis, eps),
    "Embedding": lambda data, weight, **sizes: _op("embedding")(data, weight),
    "SoftmaxActivation": "softmax",
    "softmax_cross_entropy": lambda data, label: _op("cross_entropy")(data, label) * _as_array(data).shape[0],
    "random_uniform": lambda low=0.0, high=1.0, shape=(1,), dtype=None, ctx=None: _cast(
        _op("random_uniform")(low, high, shape), dtype
    ),
    "random_normal": lambda loc=0.0, scale=1.0, shape=(1,), dtype=None, ctx=None: _cast(
        _op("random_normal")(loc, scale, shape), dtype
    ),
}


def _cast(x: Any, dtype: Any) -> Any:
    return x if dtype is None else x.astype(dtype)


def _sum_of(arrays: tuple[Any, ...]) -> Any:
    if not arrays:
        raise problems.wrong_call("add_n", "needs an array")
    total = _as_array(arrays[0])
    for x in arrays[1:]:
        total = total + x
    return total


def _broadcast_axis(data: Any, axis: Any, size: Any) -> Any:
    x = _as_array(data)
    axes = axis if isinstance(axis, (tuple, list)) else (axis,)
    sizes = size if isinstance(size, (tuple, list)) else (size,) * len(axes)
    if len(sizes) != len(axes):
        raise problems.bad_argument("broadcast_axis", f"{len(sizes)} sizes for {len(axes)} axes")
    wanted = dict(zip((a % x.ndim for a in axes), sizes, strict=True))
    return _op("broadcast_to")(x, tuple(wanted.get(i, n) for i, n in enumerate(x.shape)))


_NAMED = {"data": 0, "lhs": 0, "rhs": 1}  # MXNet's names of first and second operands


def aliased(name: str) -> Callable[..., Any] | None:
    """The function that MXNet calls `name`, or None."""
    found = ALIASES.get(name)
    if found is None:
        from ndgrad.mxnet import FUNCTIONS

        found = FUNCTIONS.get(name)
    if isinstance(found, str):
        return aliased(found) or _op(found)
    return found


def behind(name: str) -> Primitive | None:
    """The operation that `nd.NAME` calls just as it is, or None where a function of MXNet's reads the arguments."""
    found = ALIASES.get(name)
    if found is None:
        from ndgrad.mxnet import FUNCTIONS

        found = FUNCTIONS.get(name)
    if found is None:
        return find(name)
    if not isinstance(found, str):
        return None
    return behind(found) or lookup(found)


def alias_names() -> list[str]:
    """Every name that `aliased` knows."""
    from ndgrad.mxnet import FUNCTIONS

    return sorted({*ALIASES, *FUNCTIONS})


def renamed(op: Primitive, named: dict[str, Any]) -> dict[str, Any]:
    """The keyword arguments of an operation, with MXNet's names of its operands as its own."""
    if not named or named.keys().isdisjoint(_NAMED):
        return named
    return {_own_name(op, key): value for key, value in named.items()}


def _own_name(op: Primitive, key: str) -> str:
    place = _NAMED.get(key)
    if place is None or key in op.operands or place >= len(op.operands):
        return key
    return op.operands[place]
