"""Fixed points, differentiated by the implicit function theorem and not through their iterations.

At x = f(x, θ) the cotangent of θ is wᵀ ∂f/∂θ, where w = g + Jᵀw and J = ∂f/∂x; a tangent is v = Jv + ∂f/∂θ·θ_dot.
Both are fixed points again, of steps that are affine, and are differentiated as such: so derivatives
of derivatives come out right in any order and any nesting of modes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ndgrad import autograd, problems
from ndgrad.apply import attach
from ndgrad.batching import Batched, with_batch
from ndgrad.captures import Replay, Scope
from ndgrad.ndarray import NDArray, new_array, plain
from ndgrad.ops.custom import custom_call
from ndgrad.sweep import sweep
from ndgrad.tape import STATE, Node, tick
from ndgrad.tracing import Dual, Traced, split
from ndgrad.transforms import as_array, leaf, outer_nodes

Function = Callable[..., Any]
Array = np.ndarray[Any, Any]

DENSE = 256  # unknowns of a linear system that is written out, if it does not settle at once
PATIENT = 100  # rounds in which a linear system is to settle by itself
RESTART, RESTARTS = 50, 40  # of GMRES


class _Implicit:
    """The rule of a fixed point.

    outer: the nodes of θ. kept: the step recorded once at the point, as the nodes of its value and its argument.
    The step is run again only where the rule is differentiated, for then the point depends on θ too.
    """

    def __init__(self, replay: Replay, outer: list[Node], kept: tuple[Node, Node], value: Any) -> None:
        self.replay = replay
        self.outer = outer
        self.kept = kept
        self.value = value

    def __str__(self) -> str:
        return "fixed_point"

    def pull(self, g: Any, y: Any, arrays: Any) -> Any:
        graph = isinstance(g, NDArray)
        end, start = self.kept
        if graph:
            inside = leaf(y if isinstance(y, NDArray) else new_array(y))
            again = as_array(self.replay.again(inside))
            if again.node is None or inside.node is None or again.shape != inside.shape:
                raise problems.changed_since("fixed_point")
            end, start = again.node, inside.node
        stops = frozenset((start.id, *(node.id for node in self.outer)))

        def pulled(w: Any, targets: list[Node]) -> dict[int, Any]:
            found, _ = sweep([(end, w)], targets, graph=graph, stops=stops)
            return {key: bar for key, (_, bar) in found.items()}

        def adjoint(w: Any) -> Any:
            bar = pulled(w, [start]).get(start.id)
            return g if bar is None else g + bar

        w = _linear(adjoint, g) if graph else _solved(adjoint, np.asarray(g))
        bars = pulled(w, self.outer)
        return [bars.get(node.id) for node in self.outer]


def fixed_point(
    function: Function, start: Any, tolerance: float = 1e-12, most: int = 10_000, scope: Scope | None = None
) -> NDArray:
    """The x with function(x) = x that iterating from `start` reaches, in the shape of `start` and the function's dtype.

    Its derivatives by whatever the function depends on come from the implicit function theorem, not from the
    iterations. They take the solution of a linear system with as many unknowns as x has entries: by iterating
    too, by a dense matrix if that is slow and there are at most 256 entries, else by GMRES; its relative error is
    near that of the dtype. For derivatives of derivatives the function is run again, with the variables that it
    had (see `checkpoint`). scope: makes a context manager in which it is run again.

    E411 if the iteration does not settle to `tolerance` (relative) within `most` steps; E304 if a step changes
    the shape; E410 if the linear system cannot be solved; E405 if an array that the function reads was written to.
    """
    x = _bare(as_array(start))
    if x.dtype.kind != "f":
        x = x.astype(STATE.float_dtype)
    with autograd.pause(STATE.training):
        x = _settled(function, x, tolerance, most)
    return _differentiable(function, x, scope)


def _bare(x: NDArray) -> NDArray:
    """The value of x without nodes and tangents; a batch stays a batch."""
    while isinstance(x, Dual):
        x = x.primal
    return Batched(x.level, _bare(x.value)) if isinstance(x, Batched) else x.detach()


def _settled(function: Function, x: NDArray, tolerance: float, most: int) -> NDArray:
    """Iterate until the values change no more."""
    for _ in range(most):
        following = _bare(as_array(function(x)))
        if following.shape != x.shape:
            raise problems.does_not_fit("fixed_point", "a step changes the shape", (x.shape, following.shape))
        if following.dtype.kind != "f":
            following = following.astype(x.dtype)
        a, b = plain(x), plain(following)
        x = following
        if not np.all(np.isfinite(b)):
            break
        if _close(a, b, max(tolerance, 4 * float(np.finfo(x.dtype).eps))):
            return x
    raise problems.does_not_settle(most)


def _close(a: Any, b: Any, near: float) -> bool:
    """Whether b is a, but for a part `near` of its largest entry."""
    return bool(np.max(np.abs(b - a), initial=0.0) <= near * np.max(np.abs(b), initial=1e-300))


def _differentiable(function: Function, x: NDArray, scope: Scope | None = None) -> NDArray:
    """The fixed point x of the function, with tangents, batches and a node where it depends on such."""
    replay = Replay(function, "fixed_point", scope)
    begun = tick()
    inside = leaf(x)
    if STATE.recording is None:  # arrays that record by themselves: what they meet is recorded too
        with autograd.record(STATE.training):
            y = as_array(replay.first(inside))
    else:
        y = as_array(replay.first(inside))
    value = _at_level(function, x, y) if isinstance(y, Traced) else x
    if STATE.recording is False or y.node is None or inside.node is None:
        return value
    outer = outer_nodes(y, begun)
    rule = _Implicit(replay, outer, (y.node, inside.node), plain(value))
    data = tuple(np.zeros(n.shape, n.dtype) for n in outer)
    if not isinstance(value, Traced):
        return attach(custom_call, plain(x), data, data, tuple(outer), (rule,))  # type: ignore[no-any-return]
    made = attach(custom_call, value.twin(), data, data, tuple(outer), (rule,))
    if made.node is not None:
        value._node = made.node
        value._node.mark(traced=True)
    return value


def _at_level(function: Function, x: NDArray, y: Traced) -> Traced:
    """The fixed point as a Dual or a Batched like y, a step from x; its parts are fixed points of a level below."""
    level = y.level
    if isinstance(y, Batched):
        n = y.value.shape[0]
        batch = x.value if isinstance(x, Batched) and x.level == level else with_batch(x, level, n)
        return Batched(
            level, _differentiable(lambda t: with_batch(as_array(function(Batched(level, t))), level, n), batch)
        )
    primal = _differentiable(lambda t: split(as_array(function(t)), level)[0], x)
    tangent = _linear(lambda t: split(as_array(function(Dual(level, primal, t))), level)[1], split(y, level)[1])
    return Dual(level, primal, tangent)


# Linear systems: the fixed points of affine steps


def _linear(step: Function, start: NDArray) -> NDArray:
    """The fixed point of an affine step of NDArrays."""
    with autograd.pause(STATE.training):
        like = _bare(step(_bare(start)))
        solution = _solved(lambda t: plain(step(_like(like, t))), np.asarray(plain(like)))
    return _differentiable(step, _like(like, solution))


def _like(x: NDArray, data: Any) -> NDArray:
    """An array of these values that is a batch where x is one."""
    return Batched(x.level, _like(x.value, data)) if isinstance(x, Batched) else new_array(data)


def _solved(step: Callable[[Array], Any], start: Array) -> Array:
    """The fixed point of an affine step of plain arrays. E410 if there is none, or it is not found."""
    n, dtype = start.size, start.dtype
    eps = float(np.finfo(dtype).eps)
    u = start
    for _ in range(min(n, PATIENT)):
        following = np.asarray(step(u))
        if _close(u, following, 4 * eps) or not np.all(np.isfinite(following)):
            return following
        u = following
    fixed = np.asarray(step(np.zeros_like(start)))

    def moved(t: Array) -> Array:
        """What is left of t: (1 - J) t."""
        t = np.asarray(t, dtype).reshape(start.shape)
        made: Array = (t - (np.asarray(step(t)) - fixed)).reshape(n)
        return made

    if n > DENSE:
        from scipy.sparse.linalg import LinearOperator, gmres

        operator = LinearOperator((n, n), matvec=moved, dtype=dtype)
        found, _ = gmres(operator, fixed.reshape(n), u.reshape(n), rtol=4 * eps, restart=RESTART, maxiter=RESTARTS)
        made: Array = np.asarray(found, dtype).reshape(start.shape)
        bounded = np.max(np.abs(made)) <= np.max(np.abs(fixed)) / (10 * eps)  # else it is singular, but for rounding
        if bounded and _close(made, np.asarray(step(made)), 1000 * eps):
            return made
        raise problems.derivative_failed("fixed_point", "its linear system cannot be solved")
    matrix = np.stack([moved(unit) for unit in np.eye(n, dtype=dtype)], axis=-1)
    try:
        solution: Array = np.linalg.solve(matrix, fixed.reshape(n)).astype(dtype).reshape(start.shape)
    except np.linalg.LinAlgError as error:
        raise problems.derivative_failed("fixed_point", str(error)) from None
    return solution
