"""Derivatives as functions of functions: grad, jacobian, hessian, hvp, vjp, checkpoint and the like.

All of them nest, in any order and any mode: every differentiation makes leaves of its own, and
computes in recorded arrays while something outside records.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ndgrad import autograd, problems
from ndgrad.apply import attach
from ndgrad.ndarray import NDArray, array, new_array, plain
from ndgrad.ops import lookup
from ndgrad.ops.custom import custom_call
from ndgrad.sweep import nodes_below, sweep
from ndgrad.tape import STATE, General, Node, tick
from ndgrad.tracing import Dual, Traced, jvp

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


def _several(wrt: Wrt) -> tuple[int, ...]:
    return (wrt,) if isinstance(wrt, int) else tuple(wrt)


def vjp(function: Function, primals: Sequence[Any], head: Any = None, wrt: Wrt | None = None) -> tuple[Any, Any]:
    """The value of `function` at `primals`, and the cotangents of the primals for the cotangent `head` of the value.

    wrt: the positions to differentiate by; all unless given. head: ones unless given.
    A tuple of cotangents, or one where wrt is an integer. Errors: E401, E404.
    """
    outside = bool(STATE.recording)
    chosen = tuple(range(len(primals))) if wrt is None else _several(wrt)
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
        graph = outside and (value.__class__ is not NDArray or head is not None or bool(_outer_nodes(value, begun)))
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


# Derivatives stated by hand


class _Stated:
    """The rule of a `custom_gradient`."""

    def __init__(self, value: Any, rule: Function) -> None:
        self.value = value
        self.rule = rule

    def __str__(self) -> str:
        return "custom_gradient"

    def pull(self, g: Any, y: Any, arrays: Any) -> Any:
        wrapped = [x if isinstance(x, NDArray) else new_array(x) for x in arrays]
        bars = self.rule(g if isinstance(g, NDArray) else new_array(g), *wrapped)
        bars = bars if isinstance(bars, (tuple, list)) else (bars,)
        return [as_array(b) if isinstance(g, NDArray) else plain(as_array(b)) for b in bars]


def custom_gradient(function: Function, rule: Function) -> Function:
    """`function`, differentiated by `rule(g, *arguments)`: the cotangents of the arguments, g that of the value."""

    def called(*args: Any) -> NDArray:
        given = [as_array(a) for a in args]
        with autograd.pause(STATE.training):
            y = as_array(function(*given))
        return _with_rule(y, given, _Stated(y, rule))

    return called


def _with_rule(y: NDArray, given: list[NDArray], rule: Any) -> NDArray:
    if any(isinstance(x, Traced) for x in given):
        made: NDArray = custom_call.call(given, rule)
        return made
    rule.value = plain(y)
    data = tuple(x.data for x in given)
    return attach(custom_call, plain(y), tuple(given), data, tuple(x.node for x in given), (rule,))  # type: ignore[no-any-return]


class _Recomputed:
    """The rule of a `checkpoint`: run the function again, recorded, and sweep through it."""

    def __init__(self, function: Function, count: int, outer: list[Node]) -> None:
        self.function = function
        self.count = count
        self.outer = outer
        self.value: Any = None

    def __str__(self) -> str:
        return "checkpoint"

    def pull(self, g: Any, y: Any, arrays: Any) -> Any:
        outside = isinstance(g, NDArray)
        leaves = [leaf(x if isinstance(x, NDArray) else new_array(x)) for x in arrays[: self.count]]
        with autograd.record(STATE.training):
            again = self.function(*leaves)
        targets = [*(x.node for x in leaves if x.node is not None), *self.outer]
        with autograd.record(STATE.training) if outside else autograd.pause(STATE.training):
            stops = frozenset(x.node.id for x in leaves if x.node is not None)
            found, _ = sweep([(again.node, g)], targets, graph=outside, stops=stops)
        return [found[node.id][1] if node.id in found else None for node in targets]


def _outer_nodes(y: NDArray, begun: int, own: set[int] | frozenset[int] = frozenset()) -> list[Node]:
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


def checkpoint(function: Function) -> Function:
    """`function`, whose intermediate values are not kept for the backward sweep but computed again in it."""

    def called(*args: Any) -> NDArray:
        given = [as_array(a) for a in args]
        if not STATE.recording or any(isinstance(x, Traced) for x in given):
            made: NDArray = function(*given)
            return made
        start = tick()
        leaves = [leaf(x) for x in given]
        y = function(*leaves)
        if not isinstance(y, NDArray) or y.node is None or y.node.id < start:
            return y  # type: ignore[no-any-return]
        around = _outer_nodes(y, start, {x.node.id for x in leaves if x.node is not None})
        parents = (*(x.node for x in given), *around)
        rule = _Recomputed(function, len(given), around)
        data = (*(x.data for x in given), *[np.zeros(n.shape, n.dtype) for n in around])
        return attach(custom_call, y.data, data, data, parents, (rule,))  # type: ignore[no-any-return]

    return called


# Fixed points


class _Implicit:
    """The rule of a `fixed_point` x = f(x, θ): θ gets wᵀ ∂f/∂θ with w = g + Jᵀ w, J = ∂f/∂x, all at the point.

    The point is the result itself, so that the rule can be differentiated again.
    """

    def __init__(self, function: Function, outer: list[Node]) -> None:
        self.function = function
        self.outer = outer
        self.value: Any = None

    def __str__(self) -> str:
        return "fixed_point"

    def pull(self, g: Any, y: Any, arrays: Any) -> Any:
        outside = isinstance(g, NDArray)
        point = y if isinstance(y, NDArray) else new_array(y)
        head = g if isinstance(g, NDArray) else new_array(np.asarray(g))
        solve = lookup("solve")
        assert solve is not None
        with autograd.record(STATE.training) if outside else autograd.pause(STATE.training):
            n = point.size
            step = jacobian(self.function, mode="reverse")(point).reshape((n, n))
            w = solve.call(new_array(np.eye(n, dtype=point.dtype)) - step.T, head.reshape((n,))).reshape(point.shape)
        inside = leaf(point)
        with autograd.record(STATE.training):
            again = self.function(inside)
        stops = frozenset({inside.node.id} if inside.node is not None else ())
        with autograd.record(STATE.training) if outside else autograd.pause(STATE.training):
            found, _ = sweep([(again.node, w if outside else plain(w))], self.outer, graph=outside, stops=stops)
        return [found[node.id][1] if node.id in found else None for node in self.outer]


def fixed_point(function: Function, start: Any, tolerance: float = 1e-12, most: int = 10_000) -> NDArray:
    """The x with function(x) = x that iterating from `start` reaches.

    Its derivatives by whatever the function depends on come from the implicit function theorem, not
    from the iterations. E411 if the iteration does not settle to `tolerance` (relative) within `most` steps.
    """
    x = as_array(start).detach()
    if x.dtype.kind != "f":
        x = x.astype(STATE.float_dtype)
    with autograd.pause(STATE.training):
        x = _settled(lambda t: as_array(function(t)).detach(), x, tolerance, most)
        y = as_array(function(x))
        if isinstance(y, Traced):  # tangents settle like the values do
            return _settled(function, y, tolerance, most)
    if not STATE.recording:
        return x
    begun = tick()
    y = as_array(function(leaf(x)))
    outer = _outer_nodes(y, begun)
    rule = _Implicit(function, outer)
    rule.value = plain(x)
    data = tuple(np.zeros(n.shape, n.dtype) for n in outer)
    return attach(custom_call, plain(x), data, data, tuple(outer), (rule,))  # type: ignore[no-any-return]


def _settled(step: Function, x: NDArray, tolerance: float, most: int) -> NDArray:
    """Iterate until neither values nor tangents change any more."""
    near = max(tolerance, 4 * float(np.finfo(x.dtype).eps))
    for _ in range(most):
        following = as_array(step(x))
        if following.shape != x.shape:
            raise problems.does_not_fit("fixed_point", "a step changes the shape", (x.shape, following.shape))
        pairs = list(zip(_parts(x), _parts(following), strict=False))
        x = following
        if not all(np.all(np.isfinite(after)) for _, after in pairs):
            break
        if all(np.max(np.abs(b - a), initial=0.0) <= near * np.max(np.abs(b), initial=1e-300) for a, b in pairs):
            return x
    raise problems.does_not_settle(most)


def _parts(x: Any) -> list[Any]:
    """The plain arrays that an array is made of: its value, and its tangents at every level."""
    if isinstance(x, Dual):
        return [*_parts(x.primal), *_parts(x.tangent)]
    return [plain(x)]
