"""vmap: a function of single examples run on a whole batch, operation by operation.

A `Batched` is an array that looks like one example and holds them all, the batch on the first axis.
Elementwise operations and products of matrices broadcast over that axis as they are; operations
along an axis shift it; whatever has no rule here is applied example by example and stacked, which is
slower and always right.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ndgrad import problems
from ndgrad.ndarray import NDArray, array, new_array, plain
from ndgrad.ops import lookup
from ndgrad.ops.shape import axis_at
from ndgrad.primitive import Primitive
from ndgrad.tape import STATE, tick
from ndgrad.tracing import Dual, Traced, recorded


class Batched(Traced):
    """`value` holds the examples along its first axis; shape and ndim are those of one example."""

    __slots__ = ("value",)

    def __init__(self, level: int, value: NDArray) -> None:
        super().__init__(value.data)
        self.level = level
        self.value = value

    def twin(self) -> Batched:
        return Batched(self.level, self.value)

    def _become(self, made: NDArray) -> None:
        if not isinstance(made, Batched) or made.level != self.level:
            raise problems.cannot_hold_traced()
        self._data, self._node, self.value = made._data, made._node, made.value

    @property
    def shape(self) -> tuple[int, ...]:
        return self.value.shape[1:]

    @property
    def ndim(self) -> int:
        return self.value.ndim - 1

    @property
    def size(self) -> int:
        return math.prod(self.shape)


def _call(name: str) -> Callable[..., Any]:
    op = lookup(name)
    assert op is not None
    return op.call


def apply_batched(op: Primitive, given: tuple[Any, ...], statics: tuple[Any, ...], level: int) -> Any:
    """Apply `op` to all examples of the batch at `level`; recorded where an operand is tracked."""
    rule = _RULES.get(op.name) if not op.elementwise else _elementwise
    y = None if rule is None else rule(op, given, statics, level)
    if y is None:
        y = _one_by_one(op, given, statics, level)
    parts = y if isinstance(y, tuple) else (y,)
    made = tuple(Batched(level, part) for part in parts)
    return recorded(op, made if isinstance(y, tuple) else made[0], given, statics)


def _is_batched(x: Any, level: int) -> bool:
    return isinstance(x, Batched) and x.level == level


def _ndim(x: Any) -> int:
    return x.ndim if isinstance(x, (NDArray, np.ndarray, np.generic)) else np.ndim(x)


def _values(given: Sequence[Any], level: int) -> list[Any]:
    return [x.value if _is_batched(x, level) else x for x in given]


def _batch_size(given: Sequence[Any], level: int) -> int:
    size: int = next(x.value.shape[0] for x in given if _is_batched(x, level))
    return size


def with_batch(x: Any, level: int, n: int) -> NDArray:
    """x as an array with the batch axis in front, repeated if it has none."""
    if _is_batched(x, level):
        return x.value  # type: ignore[no-any-return]
    single = x if isinstance(x, NDArray) else new_array(np.asarray(x))
    return _call("broadcast_to")(single, (n, *single.shape))  # type: ignore[no-any-return]


def _elementwise(op: Primitive, given: tuple[Any, ...], statics: tuple[Any, ...], level: int) -> Any:
    """Line the examples' axes up by putting axes of size 1 behind the batch axis."""
    widest = max(_ndim(x) for x in given if x is not None)
    operands = []
    for x in given:
        if _is_batched(x, level) and x.ndim < widest:
            shape = (x.value.shape[0], *(1,) * (widest - x.ndim), *x.shape)
            operands.append(_call("reshape")(x.value, shape))
        else:
            operands.append(x.value if _is_batched(x, level) else x)
    return op.call(*operands, *statics)


def _shifted(axis: Any, ndim: int) -> Any:
    """An axis of one example as an axis of the batch."""
    if axis is None:
        return tuple(range(1, ndim + 1))
    if isinstance(axis, tuple):
        return tuple(_shifted(a, ndim) for a in axis)
    return int(axis) % ndim + 1 if ndim else axis


def _along(op: Primitive, given: tuple[Any, ...], statics: tuple[Any, ...], level: int) -> Any:
    """An operation of one operand whose static `axis` is to be moved by one."""
    (x,) = given
    named = dict(zip(op.statics, statics, strict=True))
    from ndgrad.ops.reductions import axes_of

    axes_of(op.name, named["axis"], x.shape)
    named["axis"] = _shifted(named["axis"], x.ndim)
    return op.call(x.value, *named.values())


def _reshape(op: Primitive, given: tuple[Any, ...], statics: tuple[Any, ...], level: int) -> Any:
    from ndgrad.ops.shape import reshaped

    (x,) = given
    return op.call(x.value, (x.value.shape[0], *reshaped(x.shape, statics[0])))


def _broadcast_to(op: Primitive, given: tuple[Any, ...], statics: tuple[Any, ...], level: int) -> Any:
    from ndgrad.ops.shape import as_shape

    (x,) = given
    shape = as_shape(statics[0])
    n = x.value.shape[0]
    apart = _call("reshape")(x.value, (n, *(1,) * (len(shape) - x.ndim), *x.shape))
    return op.call(apart, (n, *shape))


def _transpose(op: Primitive, given: tuple[Any, ...], statics: tuple[Any, ...], level: int) -> Any:
    (x,) = given
    axes = statics[0] if statics[0] is not None else tuple(range(x.ndim))[::-1]
    return op.call(x.value, (0, *(int(a) % x.ndim + 1 for a in axes)))


def _matmul(op: Primitive, given: tuple[Any, ...], statics: tuple[Any, ...], level: int) -> Any:
    """Vectors become matrices, so that the batch axis is one of the stack's."""
    a, b = given
    if _ndim(a) == 0 or _ndim(b) == 0:
        raise problems.shapes_do_not_multiply("@", a.shape, b.shape)
    n = _batch_size(given, level)
    stack = max(_ndim(a) - 2, _ndim(b) - 2, 0)
    x = _as_matrix(a, level, n, stack, row=True)
    z = _as_matrix(b, level, n, stack, row=False)
    y = op.call(x, z)
    if _ndim(a) == 1:
        y = _call("reshape")(y, (*y.shape[:-2], y.shape[-1]))
    if _ndim(b) == 1:
        y = _call("reshape")(y, y.shape[:-1])
    return y


def _as_matrix(x: Any, level: int, n: int, stack: int, row: bool) -> Any:
    shape = tuple(x.shape)
    if len(shape) == 1:
        shape = (1, *shape) if row else (*shape, 1)
    lead = (n,) if _is_batched(x, level) else (1,)
    value = x.value if _is_batched(x, level) else x
    return _call("reshape")(value, (*lead, *(1,) * (stack - len(shape) + 2), *shape))


def _joined(op: Primitive, given: tuple[Any, ...], statics: tuple[Any, ...], level: int) -> Any:
    n = _batch_size(given, level)
    ndim = _ndim(given[0]) + (op.name == "stack")
    return op.call([with_batch(x, level, n) for x in given], int(statics[0]) % ndim + 1)


def _index(op: Primitive, given: tuple[Any, ...], statics: tuple[Any, ...], level: int) -> Any:
    """Integers and slices only; index arrays go example by example."""
    from ndgrad.ops.indexing import is_basic

    (x,) = given
    (key,) = statics
    if not is_basic(key):
        return None
    key = key if isinstance(key, tuple) else (key,)
    return op.call(x.value, (slice(None), *key))


def _stack_of_matrices(op: Primitive, given: tuple[Any, ...], statics: tuple[Any, ...], level: int) -> Any:
    """Operations that take stacks of matrices anyway."""
    if len(given) == 1:
        return op.call(given[0].value, *statics)
    n = _batch_size(given, level)
    if any(_ndim(x) != 2 for x in given):
        return None
    return op.call(*(with_batch(x, level, n) for x in given), *statics)


class _EachExample:
    """The rule of a `custom_call` on a batch: that of one example, under vmap."""

    def __init__(self, rule: Any, value: NDArray) -> None:
        self.rule = rule
        self.value = value

    def pull(self, g: Any, y: Any, arrays: Any) -> Any:
        given = [x if isinstance(x, NDArray) else new_array(x) for x in (g, y, *arrays)]
        there: list[bool] = []

        def pulled(g: NDArray, y: NDArray, *arrays: NDArray) -> tuple[NDArray, ...]:
            bars = self.rule.pull(g, y, arrays)
            there[:] = [bar is not None for bar in bars]
            return tuple([bar for bar in bars if bar is not None])

        bars = iter(vmap(pulled)(*given))
        made = [next(bars) if some else None for some in there]
        return made if isinstance(g, NDArray) else [None if bar is None else plain(bar) for bar in made]


def batch_level(value: Any) -> int:
    """The level of the batch that a value is, its tangents aside; 0 if it is none."""
    while isinstance(value, Dual):
        value = value.primal
    return value.level if isinstance(value, Batched) else 0


def _custom_call(op: Primitive, given: tuple[Any, ...], statics: tuple[Any, ...], level: int) -> Any:
    (rule,) = statics
    value = rule.value
    while isinstance(value, Dual) and value.level > level:  # its tangent has been seen to
        value = value.primal
    n = _batch_size((value, *given), level)
    return op.call([with_batch(x, level, n) for x in given], _EachExample(rule, with_batch(value, level, n)))


_RULES: dict[str, Callable[..., Any]] = {
    "reshape": _reshape,
    "broadcast_to": _broadcast_to,
    "transpose": _transpose,
    "matmul": _matmul,
    "stack": _joined,
    "concatenate": _joined,
    "index": _index,
    "custom_call": _custom_call,
    **dict.fromkeys(("sum", "mean", "max", "min", "prod", "var", "std", "norm2", "norm_p", "logsumexp"), _along),
    **dict.fromkeys(("softmax", "log_softmax", "cumsum_along", "cumprod_along", "all", "any"), _along),
    **dict.fromkeys(
        ("inv", "pinv", "solve", "det", "slogdet", "cholesky", "qr", "svd", "eigh", "expm"), _stack_of_matrices
    ),
    **dict.fromkeys(("float", "int", "bool", "astype", "stop_gradient"), _stack_of_matrices),
}


def _one_by_one(op: Primitive, given: tuple[Any, ...], statics: tuple[Any, ...], level: int) -> Any:
    """Every example on its own, the results stacked."""
    n = _batch_size(given, level)
    index = _call("index")
    results = []
    for i in range(n):
        example = tuple(index(x.value, i) if _is_batched(x, level) else x for x in given)
        results.append(op.call(*((example,) if op.variadic else example), *statics))
    stack = _call("stack")
    if results and isinstance(results[0], tuple):
        return tuple(stack(list(parts), 0) for parts in zip(*results, strict=True))
    if not results:
        raise problems.bad_argument("vmap", "the batch is empty")
    return stack(results, 0)


def vmap(function: Callable[..., Any], in_axes: Any = 0) -> Callable[..., Any]:
    """`function` of single examples, as a function of batches.

    in_axes: the axis of each argument along which the examples lie (None: the same for all), one
    number for all arguments. The results have the examples on their first axis.
    """

    def mapped(*args: Any) -> Any:
        axes = in_axes if isinstance(in_axes, (tuple, list)) else [in_axes] * len(args)
        if len(axes) != len(args):
            raise problems.bad_argument("vmap", f"in_axes has {len(axes)} entries for {len(args)} arguments")
        given = [a if isinstance(a, NDArray) or axis is None else array(a) for a, axis in zip(args, axes, strict=True)]
        for a, axis in zip(given, axes, strict=True):
            if axis is not None and a.shape:
                axis_at("vmap", axis, len(a.shape))
        sizes = {a.shape[axis] for a, axis in zip(given, axes, strict=True) if axis is not None and a.shape}
        if len(sizes) != 1 or any(axis is not None and not a.shape for a, axis in zip(given, axes, strict=True)):
            shapes = tuple(np.shape(plain(a)) for a in given)
            raise problems.does_not_fit("vmap", "the arguments need one batch size", shapes)
        (n,) = sizes
        STATE.traces += 1
        level = tick()
        try:
            wrapped = [
                a if axis is None else Batched(level, _call("moveaxis")(a, axis, 0) if axis else a)
                for a, axis in zip(given, axes, strict=True)
            ]
            y = function(*wrapped)
        finally:
            STATE.traces -= 1
        if isinstance(y, tuple):
            return tuple(with_batch(part, level, n) for part in y)
        return with_batch(y, level, n)

    return mapped
