"""Derivatives as functions of functions: grad, jacobian, hessian, hvp, vjp and the like.

All of them nest, in any order and any mode: every differentiation makes leaves of its own, and
computes in recorded arrays while something outside records.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ndgrad import autograd
from ndgrad.ndarray import NDArray, array, new_array
from ndgrad.ops import lookup
from ndgrad.sweep import nodes_below
from ndgrad.tape import STATE, General, Node, tick
from ndgrad.tracing import Traced, jvp

Function = Callable[..., Any]
Wrt = int | Sequence[int]


def as_array(x: Any) -> NDArray:
    return x if isinstance(x, NDArray) else array(x)


def leaf(x: NDArray) -> NDArray:
    """A new leaf with x's value; to whatever records outside it is x itself."""
    made = x.twin() if isinstance(x, Traced) else new_array(x.data)
    if x.node is None:
        made._node = General(None, (), (), (), x.shape, x.dtype)
    else:
        made._node = General(lookup("positive"), (x.node,), (None, None), (), x.shape, x.dtype)
    if isinstance(x, Traced):
        made._node.mark(traced=True)
    if STATE.keep_values:
        made._node.keep(x.data, (x.data,) if made._node.op is not None else ())
    return made


def outer_nodes(y: NDArray, begun: int, own: set[int] | frozenset[int] = frozenset()) -> list[Node]:
    """The nodes recorded before `begun` that y depends on directly: what a function closes over."""
    outer: dict[int, Node] = {}
    if y.node is not None and y.node.id >= begun:
        for node in nodes_below([y.node], begun):
            for parent in node.parents:
                if parent is not None and parent.id < begun and node.id not in own:
                    outer[parent.id] = parent
    elif y.node is not None:
        outer[y.node.id] = y.node
    return list(outer.values())


def _several(wrt: Wrt) -> tuple[int, ...]:
    return (wrt,) if isinstance(wrt, int) else tuple(wrt)


def vjp(function: Function, primals: Sequence[Any], head: Any = None, wrt: Wrt | None = None) -> tuple[Any, Any]:
    """The value of `function` at `primals`, and the cotangents of the primals for the cotangent `head` of the value.

    wrt: the positions to differentiate by; all unless given. head: ones unless given.
    A tuple of cotangents, or one where wrt is an integer. Errors: E401, E404.
    """
    outside = bool(STATE.recording)
    chosen = tuple(range(len(primals))) if wrt is None else _several(wrt)
    for i in chosen:
        if not isinstance(i, (int, np.integer)) or not -len(primals) <= i < len(primals):
            from ndgrad.problems import bad_argument

            raise bad_argument("wrt", f"there is no argument {i!r} among {len(primals)}")
    given = [as_array(x) for x in primals]
    leaves = []
    begun = tick()
    for i in chosen:
        if given[i].dtype.kind != "f":
            from ndgrad.problems import not_a_float

            raise not_a_float(given[i].dtype)
        given[i] = leaf(given[i])
        leaves.append(given[i])
    with autograd.record(STATE.training):
        y = function(*given)
    value = y[0] if isinstance(y, tuple) else y
    if not isinstance(value, NDArray) or value.node is None:
        bars = [new_array(np.zeros(x.shape, x.dtype)) for x in leaves]
    else:
        # What nothing outside leads to needs no graph; a loop of such steps would record itself for nothing.
        graph = outside and (value.__class__ is not NDArray or head is not None or bool(outer_nodes(value, begun)))
        bars = autograd.grad([value], leaves, [head], create_graph=graph, train_mode=STATE.training)
        if outside and not graph:
            value = new_array(value.data)
            y = (value, *y[1:]) if isinstance(y, tuple) else value
    return y, bars[0] if isinstance(wrt, int) else tuple(bars)


def value_and_grad(function: Function, wrt: Wrt = 0) -> Function:
    """A function that gives (value, gradient) by the arguments at `wrt`; a tuple of gradients for several.

    A value with many entries counts as their sum. Of a tuple the first is differentiated, the rest passed on.
    """

    def differentiated(*args: Any, **named: Any) -> tuple[Any, Any]:
        return vjp(lambda *primals: function(*primals, **named), args, None, wrt)

    return differentiated


def grad(function: Function, wrt: Wrt = 0) -> Function:
    """A function that gives the gradient of `function` by the arguments at `wrt`."""
    both = value_and_grad(function, wrt)
    return lambda *args, **named: both(*args, **named)[1]


def _basis(x: NDArray) -> list[NDArray]:
    """One array of x's shape for each entry: 1 there, 0 elsewhere."""
    made = []
    for i in range(x.size):
        unit = np.zeros(x.size, x.dtype)
        unit[i] = 1
        made.append(new_array(unit.reshape(x.shape)))
    return made


def jacobian(function: Function, wrt: int = 0, mode: str | None = None) -> Function:
    """A function that gives ∂y/∂x, of shape y.shape + x.shape, by the argument at `wrt`.

    mode: "reverse" (a sweep per entry of y), "forward" (a pass per entry of x); whichever is fewer unless given.
    """

    def differentiated(*args: Any) -> NDArray:
        given = [as_array(a) for a in args]
        x = given[wrt]

        def of_x(t: NDArray) -> Any:
            return function(*given[:wrt], t, *given[wrt + 1 :])

        if mode == "reverse":
            return _by_rows(of_x, x)
        if mode == "forward":
            return _by_columns(of_x, x, None)
        with autograd.pause(STATE.training):
            y = as_array(of_x(x))
        return _by_rows(of_x, x) if y.size <= x.size else _by_columns(of_x, x, y.shape)

    return differentiated


def _by_rows(of_x: Function, x: NDArray) -> NDArray:
    outside = bool(STATE.recording)
    t = leaf(x)
    with autograd.record(STATE.training):
        y = as_array(of_x(t))
    if y.node is None or not y.size:
        return new_array(np.zeros((*y.shape, *x.shape), x.dtype))
    rows = [
        autograd.grad([y], [t], [head], retain_graph=True, create_graph=outside, train_mode=STATE.training)[0]
        for head in _basis(y)
    ]
    return _stacked(rows, y.shape, x.shape)


def _by_columns(of_x: Function, x: NDArray, shape: tuple[int, ...] | None) -> NDArray:
    columns = [jvp(of_x, [x], [direction])[1] for direction in _basis(x)]
    if not columns:
        return new_array(np.zeros((*(shape or ()), *x.shape), x.dtype))
    y_shape = columns[0].shape
    made = _stacked(columns, x.shape, y_shape)
    n, m = len(x.shape), len(y_shape)
    return made.transpose((*range(n, n + m), *range(n)))


def _stacked(parts: list[Any], outer: tuple[int, ...], inner: tuple[int, ...]) -> NDArray:
    stack, reshape = lookup("stack"), lookup("reshape")
    assert stack is not None
    assert reshape is not None
    return reshape.call(stack.call(parts, 0), (*outer, *inner))  # type: ignore[no-any-return]


def hessian(function: Function, wrt: int = 0) -> Function:
    """A function that gives the second derivatives, of shape x.shape + x.shape: forward over reverse."""
    return jacobian(grad(function, wrt), wrt, mode="forward")


def hvp(function: Function, primal: Any, vector: Any) -> NDArray:
    """The Hessian of `function` at `primal` times `vector`, without the Hessian: forward over reverse."""
    made: NDArray = jvp(grad(function), [primal], [vector])[1]
    return made


def stop_gradient(x: Any) -> NDArray:
    """The value of x, to which no derivative gets back."""
    stopped: NDArray = lookup("stop_gradient").call(as_array(x))  # type: ignore[union-attr]
    return stopped
