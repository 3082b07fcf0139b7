"""Forward mode: tangents that travel with the values, through the same rules, with no tape.

A `Dual` is an array that carries a primal and a tangent at a level. Each jvp opens a level of its
own, and an operation works at the highest level among its operands, treating the rest as constants:
that is what keeps nested derivatives apart. Primals and tangents may be recorded or traced again,
so modes nest in any order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import isfinite
from typing import Any

import numpy as np

from ndgrad import problems
from ndgrad.apply import attach, fault, plain_function
from ndgrad.namespace import PLAIN, RECORDED
from ndgrad.ndarray import NDArray, new_array, plain
from ndgrad.primitive import Primitive
from ndgrad.tape import KEEPING, STATE, tick

_new = NDArray.__new__


class Traced(NDArray):
    """An array inside a transformation; `level` tells which."""

    __slots__ = ("level",)
    level: int
    traced = True

    def twin(self) -> Traced:
        """Another array that is the same thing, without its node."""
        raise TypeError(f"{type(self).__name__} does not say how to make its like")


class Dual(Traced):
    """A primal and its tangent, both of one shape and dtype."""

    __slots__ = ("primal", "tangent")

    def __init__(self, level: int, primal: NDArray, tangent: NDArray) -> None:
        super().__init__(primal.data)
        self.level = level
        self.primal = primal
        self.tangent = tangent

    def twin(self) -> Dual:
        return Dual(self.level, self.primal, self.tangent)

    def _become(self, made: NDArray) -> None:
        if not isinstance(made, Dual) or made.level != self.level:
            raise problems.cannot_hold_traced()
        self._data, self._node = made._data, made._node
        self.primal, self.tangent = made.primal, made.tangent

    @property
    def shape(self) -> tuple[int, ...]:
        return self.primal.shape

    @property
    def ndim(self) -> int:
        return self.primal.ndim

    @property
    def size(self) -> int:
        return self.primal.size


def is_traced(value: Any) -> bool:
    return isinstance(value, Traced)


def apply_traced(op: Primitive, given: tuple[Any, ...], statics: tuple[Any, ...]) -> Any:
    """Apply `op` at the highest level among its operands; recorded too, where an operand is tracked."""
    level = max(x.level for x in given if isinstance(x, Traced))
    if not any(isinstance(x, Dual) and x.level == level for x in given):
        from ndgrad.batching import apply_batched

        return apply_batched(op, given, statics, level)
    primals = tuple(x.primal if isinstance(x, Dual) and x.level == level else x for x in given)
    dots = tuple(x.tangent if isinstance(x, Dual) and x.level == level else None for x in given)
    y = op.call(*((primals,) if op.variadic else primals), *statics)
    y_dot = tangent_of(op, y, primals, dots, statics)
    out: Any
    if isinstance(y, tuple):
        out = tuple(_dual(level, part, dot) for part, dot in zip(y, y_dot or [None] * len(y), strict=True))
    else:
        out = _dual(level, y, y_dot)
    return recorded(op, out, given, statics)


def pushed(op: Primitive, args: tuple[Any, ...]) -> Any:
    """op(args) with its tangent, where args are small arrays that nothing records; else NotImplemented.

    What `apply_traced` does for most operations of most programs, without looking for all that there may be.
    """
    if op.selects or op.untracked or op.partials is None or STATE.recording is KEEPING:
        return NotImplemented
    level = 0
    for x in args:
        if x.__class__ is Dual and x.level > level:
            level = x.level
    values, dots = [], []
    for x in args:
        kind = x.__class__
        if kind is Dual and x.level == level and x._node is None:
            dot = x.tangent
            if dot.__class__ is not NDArray or dot._node is not None:
                return NotImplemented
            dots.append(dot._data)
            x = x.primal
            kind = x.__class__
        else:
            dots.append(None)
        if kind is NDArray and x._node is None:
            values.append(x._data)
        elif kind is float or kind is int:
            values.append(x)
        else:
            return NotImplemented
    if not level:
        return NotImplemented
    try:
        y = plain_function(op)(*values)
    except Exception as error:
        raise fault(op, error, tuple(values), ()) from None
    made = new_array(y)
    if y.dtype.kind != "f":
        return made
    y_dot = None
    with np.errstate(all="ignore"):
        slots = (PLAIN, None, y, *values)
        for partial, dot in zip(op.pulls, dots, strict=True):
            if dot is None or partial is None:
                continue
            d = partial(slots)
            part = _scaled(d, dot) if d.__class__ is int else _unmoved(PLAIN, d, dot)
            if part is not None:
                y_dot = part if y_dot is None else y_dot + part
    if y_dot is None:
        return made
    if y_dot.shape != y.shape or y_dot.dtype != y.dtype:
        y_dot = np.broadcast_to(y_dot, y.shape).astype(y.dtype)[()]
    both = _new(Dual)
    both._data, both._node = y, None
    both.level, both.primal, both.tangent = level, made, new_array(y_dot)
    return both


def _scaled(d: int, dot: Any) -> Any:
    """d·dot for a whole number, None for 0."""
    return None if d == 0 else dot if d == 1 else -dot if d == -1 else dot * d


def recorded(op: Primitive, out: Any, given: tuple[Any, ...], statics: tuple[Any, ...]) -> Any:
    """`out`, with nodes of its own if an operand has one: the reverse sweep then runs on traced arrays."""
    parents = tuple(x.node if isinstance(x, NDArray) else None for x in given)
    if all(p is None for p in parents):
        return out
    # What is saved are twins: an array changes in place when it is written to, and y itself would hold its node,
    # which holds y.
    kept = tuple(part.twin() for part in out) if isinstance(out, tuple) else out.twin()
    made = attach(op, kept, given, tuple(map(_twin, given)), parents, statics)
    for mine, wrapped in zip(
        out if isinstance(out, tuple) else (out,), made if isinstance(made, tuple) else (made,), strict=True
    ):
        if wrapped.node is not None and mine is not wrapped:
            mine._node = wrapped.node
            mine._node.mark(traced=True)
            for parent in mine._node.parents:
                if parent is not None and parent.op is op:
                    parent.mark(traced=True)
    return out


def _twin(x: Any) -> Any:
    """A traced array once more, with its node; anything else as it is."""
    if not isinstance(x, Traced):
        return x
    made = x.twin()
    made._node = x._node
    return made


def _dual(level: int, y: NDArray, y_dot: Any) -> NDArray:
    if y_dot is None or y.dtype.kind != "f":
        return y
    if not isinstance(y_dot, NDArray):
        y_dot = new_array(y_dot)
    if isinstance(y_dot, Dual) and y_dot.level == level:  # by what a stated rule closes over: a constant here
        y_dot = y_dot.primal
    if y_dot.shape != y.shape:
        y_dot = RECORDED.broadcast_to(y_dot, y.shape)
    if y_dot.dtype != y.dtype:
        y_dot = y_dot.astype(y.dtype)
    return Dual(level, y, y_dot)


def tangent_of(
    op: Primitive, y: Any, primals: tuple[Any, ...], dots: tuple[NDArray | None, ...], statics: tuple[Any, ...]
) -> Any:
    """The tangent of y = op(primals), or None where no operand's tangent reaches it."""
    if op.untracked or all(dot is None for dot in dots):
        return None
    with np.errstate(all="ignore"):
        if op.partials is not None:
            return _elementwise_tangent(op, y, primals, dots, statics)
        if op.linear == "jointly":
            parts = tuple(_zeros_like(x) if dot is None else dot for x, dot in zip(primals, dots, strict=True))
            return op.call(*((parts,) if op.variadic else parts), *statics)
        if op.linear == "each":
            return _multilinear_tangent(op, primals, dots, statics)
        shapes = tuple(map(shape_of, primals))
        if op.jvps is not None:
            slots = (RECORDED, None, y, *primals, *shapes, *statics, *dots)
            return _sum(push(slots) for push, dot in zip(op.pushes, dots, strict=True) if dot is not None and push)
        if op.jvp is not None:
            rule = op.reader(op.jvp)
            assert rule is not None
            if op.variadic:
                return rule((RECORDED, None, y, primals, shapes, *statics, dots))
            return rule((RECORDED, None, y, *primals, *shapes, *statics, *dots))
        return _transposed_tangent(op, y, primals, dots, statics)


def shape_of(x: Any) -> tuple[int, ...]:
    """The shape that an operand shows: that of one example inside vmap."""
    return x.shape if isinstance(x, (NDArray, np.ndarray, np.generic)) else np.shape(x)


def _zeros_like(x: Any) -> Any:
    return new_array(np.zeros(shape_of(x), x.dtype if hasattr(x, "dtype") else np.float64))


def _sum(parts: Any) -> Any:
    total = None
    for part in parts:
        if part is not None:
            total = part if total is None else total + part
    return total


def _elementwise_tangent(
    op: Primitive, y: Any, primals: tuple[Any, ...], dots: tuple[NDArray | None, ...], statics: tuple[Any, ...]
) -> Any:
    """Σ ∂y/∂x · x_dot, in plain arrays where nothing is recorded or traced."""
    F = RECORDED
    everything = (y, *primals, *dots)
    if not any(isinstance(x, Traced) or getattr(x, "node", None) is not None for x in everything):
        F = PLAIN
        y, *rest = map(plain, everything)
        primals, dots = tuple(rest[: len(primals)]), tuple(rest[len(primals) :])
    slots = (F, None, y, *primals, *statics)
    parts = []
    for partial, dot in zip(op.pulls, dots, strict=True):
        if dot is None or partial is None:
            continue
        d = partial(slots)
        if d.__class__ is int:
            parts.append(_scaled(d, dot))
        elif op.selects:
            parts.append(F.where(F.not_equal(d, 0), d * dot, 0.0))
        else:
            parts.append(_unmoved(F, d, dot))
    return _sum(parts)


def _unmoved(F: Any, d: Any, dot: Any) -> Any:
    """d · dot, and 0 where the direction does not move the operand, however steep the operation is there."""
    made = d * dot
    values = plain(made)
    if values.__class__ is np.ndarray and values.ndim == 1 and isfinite(values.dot(values)):
        return made
    if np.isfinite(values).all():
        return made
    return F.where(F.logical_and(F.equal(dot, 0), F.logical_not(F.isfinite(d))), 0.0, made)


def _multilinear_tangent(
    op: Primitive, primals: tuple[Any, ...], dots: tuple[NDArray | None, ...], statics: tuple[Any, ...]
) -> Any:
    parts = []
    for i, dot in enumerate(dots):
        if dot is not None:
            replaced = (*primals[:i], dot, *primals[i + 1 :])
            parts.append(op.call(*((replaced,) if op.variadic else replaced), *statics))
    return _sum(parts)


def _transposed_tangent(
    op: Primitive, y: Any, primals: tuple[Any, ...], dots: tuple[NDArray | None, ...], statics: tuple[Any, ...]
) -> Any:
    """The tangent from the vjp alone: the vjp is linear in g, and its own transpose is the jvp."""
    from ndgrad.autograd import grad, record

    several = isinstance(y, tuple)
    with record():
        parts = y if several else (y,)
        leaves = [new_array(np.zeros(part.shape, part.dtype)) for part in parts]
        for leaf in leaves:
            leaf.attach_grad()
        shapes = tuple(map(shape_of, primals))
        g = tuple(leaves) if several else leaves[0]
        if op.variadic:
            slots: tuple[Any, ...] = (RECORDED, g, y, primals, shapes, *statics)
        else:
            slots = (RECORDED, g, y, *primals, *shapes, *statics)
        if op.vjp is not None:
            rule = op.reader(op.vjp)
            assert rule is not None
            bars = rule(slots)
        else:
            bars = [pull(slots) if pull and dot is not None else None for pull, dot in zip(op.pulls, dots, strict=True)]
        # A cotangent that nothing recorded is a constant: it does not depend on g.
        pairs = [(bar, dot) for bar, dot in zip(bars, dots, strict=True) if dot is not None and _moves(bar)]
        heads = [bar for bar, _ in pairs]
        tangents = grad(heads, leaves, [dot for _, dot in pairs], create_graph=True)
    return tuple(tangents) if several else tangents[0]


def _moves(bar: Any) -> bool:
    return isinstance(bar, NDArray) and bar.node is not None


def jvp(function: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
    """The value of `function` at `primals` and its derivative along `tangents`, in one forward pass.

    Returns (y, y_dot), both NDArrays (tuples where the function returns a tuple); y_dot has y's shape.
    Memory is constant in the length of the computation. E404 if a tangent's shape is not its primal's.
    """
    from ndgrad.ndarray import array

    if len(primals) != len(tangents):
        raise problems.bad_argument("jvp", f"{len(tangents)} tangents for {len(primals)} primals")
    STATE.traces += 1
    level = tick()  # later ones are further in; none comes twice, for what was recorded outlives its level
    try:
        duals = []
        for primal, tangent in zip(primals, tangents, strict=True):
            x = primal if isinstance(primal, NDArray) else array(primal)
            t = tangent if isinstance(tangent, NDArray) else array(tangent, dtype=x.dtype)
            if t.shape != x.shape:
                raise problems.head_does_not_fit(t.shape, x.shape)
            duals.append(Dual(level, x, t))
        y = function(*duals)
    finally:
        STATE.traces -= 1
    if isinstance(y, tuple):
        return tuple(split(part, level)[0] for part in y), tuple(split(part, level)[1] for part in y)
    return split(y, level)


def split(y: Any, level: int) -> tuple[Any, Any]:
    """The primal and the tangent of y at a level."""
    if isinstance(y, Dual) and y.level == level:
        return y.primal, y.tangent
    return y, _zeros_like(y)
