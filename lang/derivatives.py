"""Derivatives as functions of functions: grad(f), jacobian(f), vmap(f), fixed_point(f, x0) and their like.

What they do is the engine's (`ndgrad.transforms`); here functions of programs become functions that
the engine can call, and what comes out becomes values of the program again.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from ndgrad import transforms
from ndgrad.batching import vmap
from ndgrad.errors import Span
from ndgrad.implicit import fixed_point
from ndgrad.lang import problems
from ndgrad.lang.values import Function, Special, described, rows, stacked
from ndgrad.ndarray import NDArray, array
from ndgrad.primitive import Primitive
from ndgrad.recomputed import checkpoint, custom_gradient
from ndgrad.tape import STATE
from ndgrad.tracing import jvp

Call = Callable[..., Any]


def _python(function: Any, span: Span, state: Any) -> Call:
    """A function of the program as one that the engine calls. E206 for what is none."""
    from ndgrad.lang.calls import call_value

    if not isinstance(function, (Function, Primitive, Special)):
        raise problems.raised(problems.not_a_function(span, described(function)))

    def call(*arguments: Any, **named: Any) -> Any:
        return call_value(function, list(arguments), named, state, span, span, ())

    return call


def _array(value: Any, span: Span) -> NDArray:
    from ndgrad.lang.values import operand

    made = operand(value, "a derivative", span)
    return made if isinstance(made, NDArray) else array(made)


def _arrays(values: tuple[Any, ...], wrt: tuple[int, ...], span: Span) -> list[Any]:
    """The arguments, those to differentiate by as arrays. E204 if there are too few."""
    if wrt and max(wrt) >= len(values):
        reason = f"differentiates by argument {max(wrt) + 1}, but got {len(values)}"
        raise problems.raised(problems.wrong_arguments(span, "the derivative", reason))
    return [_array(v, span) if i in wrt else v for i, v in enumerate(values)]


def _positions(function: Any, wrt: Any, span: Span) -> tuple[tuple[int, ...], bool]:
    """The places of the arguments that `wrt` names (an index, a name, or a tuple of these), and whether it is one."""
    single = not isinstance(wrt, tuple)
    names: list[str] = []
    if isinstance(function, Function):
        names = [p.name for p in function.parameters]
    elif isinstance(function, Primitive):
        names = [p.name for p in function.signature]
    found = []
    for one in (wrt,) if single else wrt:
        if isinstance(one, str):
            if one not in names:
                other = problems.closest(one, names)
                cure = f"did you mean {other!r}?" if other else f"it has: {', '.join(names)}"
                raise problems.raised(problems.wrong_arguments(span, "wrt", f"names no parameter: {one!r}", cure))
            found.append(names.index(one))
        elif isinstance(one, int) and not isinstance(one, bool) and one >= 0:
            found.append(one)
        else:
            reason = f"is the name or number of a parameter, not {described(one)}"
            raise problems.raised(problems.wrong_arguments(span, "wrt", reason))
    return tuple(found), single


def _mode(mode: Any, span: Span) -> str | None:
    if mode not in (None, "reverse", "forward"):
        reason = f"is 'reverse' or 'forward', not {mode!r}"
        raise problems.raised(problems.wrong_arguments(span, "mode", reason))
    return mode  # type: ignore[no-any-return]


def _named(name: str, call: Call) -> Special:
    """A function value that takes any arguments."""
    return Special(name, call, 0, None)


def _fixed(call: Call, values: list[Any], at: tuple[int, ...]) -> Call:
    """`call` as a function of the arguments at `at` alone."""

    def of_these(*chosen: Any) -> Any:
        given = list(values)
        for i, value in zip(at, chosen, strict=True):
            given[i] = value
        return call(*given)

    return of_these


def _value_and_grad(span: Span, state: Any, function: Any, wrt: Any = 0, mode: Any = None) -> Special:
    call = _python(function, span, state)
    at, single = _positions(function, wrt, span)
    forward = _mode(mode, span) == "forward"

    def differentiated(here: Span, running: Any, *values: Any) -> Any:
        given = _arrays(values, at, here)
        of_these = _fixed(call, given, at)
        chosen = [given[i] for i in at]
        if forward:
            y = of_these(*chosen)
            grads = [_summed(transforms.jacobian(of_these, k, "forward")(*chosen), chosen[k]) for k in range(len(at))]
        else:
            y, bars = transforms.vjp(of_these, chosen)
            grads = list(bars)
        return y, grads[0] if single else tuple(grads)

    return _named("value_and_grad", differentiated)


def _summed(jacobian: NDArray, x: NDArray) -> NDArray:
    """The gradient of the sum of the outputs."""
    extra = jacobian.ndim - x.ndim
    return jacobian.sum(axis=tuple(range(extra))) if extra else jacobian


def _grad(span: Span, state: Any, function: Any, wrt: Any = 0, mode: Any = None) -> Special:
    both = _value_and_grad(span, state, function, wrt, mode)
    return _named("grad", lambda here, running, *values: both.call(here, running, *values)[1])


def _jacobian(span: Span, state: Any, function: Any, wrt: Any = 0, mode: Any = None) -> Special:
    call = _python(function, span, state)
    at, single = _positions(function, wrt, span)
    chosen_mode = _mode(mode, span)

    def differentiated(here: Span, running: Any, *values: Any) -> Any:
        given = _arrays(values, at, here)
        of_these = _fixed(call, given, at)
        chosen = [given[i] for i in at]
        made = [transforms.jacobian(of_these, k, chosen_mode)(*chosen) for k in range(len(at))]
        return made[0] if single else tuple(made)

    return _named("jacobian", differentiated)


def _hessian(span: Span, state: Any, function: Any, wrt: Any = 0) -> Special:
    call = _python(function, span, state)
    at, single = _positions(function, wrt, span)

    def differentiated(here: Span, running: Any, *values: Any) -> Any:
        given = _arrays(values, at, here)
        of_these = _fixed(call, given, at)
        chosen = [given[i] for i in at]
        made = [transforms.hessian(of_these, k)(*chosen) for k in range(len(at))]
        return made[0] if single else tuple(made)

    return _named("hessian", differentiated)


def _jvp(span: Span, state: Any, function: Any, primal: Any, tangent: Any) -> Any:
    """The derivative of f at x along t."""
    call = _python(function, span, state)
    x = _array(primal, span)
    return jvp(call, [x], [_like(tangent, x, span)])[1]


def _vjp(span: Span, state: Any, function: Any, primal: Any, head: Any) -> Any:
    """The cotangent of x when that of f(x) is h."""
    call = _python(function, span, state)
    return transforms.vjp(call, [_array(primal, span)], _array(head, span), wrt=0)[1]


def _hvp(span: Span, state: Any, function: Any, primal: Any, vector: Any) -> Any:
    """The Hessian of f at x times v."""
    x = _array(primal, span)
    return transforms.hvp(_python(function, span, state), x, _like(vector, x, span))


def _like(value: Any, x: NDArray, span: Span) -> NDArray:
    made = _array(value, span)
    return made if made.dtype == x.dtype or made.node is not None else array(made, x.dtype)


def _vmap(span: Span, state: Any, function: Any) -> Special:
    call = _python(function, span, state)
    return _named("vmap", lambda here, running, *values: vmap(call)(*(_array(v, here) for v in values)))


def _map(span: Span, state: Any, function: Any, values: Any) -> Any:
    """f of every row, stacked."""
    call = _python(function, span, state)
    made = tuple(call(row) for row in rows(values, span))
    return stacked(made, tuple(span for _ in made), span)


def _scan(span: Span, state: Any, function: Any, carry: Any, values: Any) -> Any:
    """(last, all): f(carry, row) gives the next carry and an output, which are stacked."""
    call = _python(function, span, state)
    outputs = []
    for row in rows(values, span):
        made = call(carry, row)
        if not isinstance(made, tuple) or len(made) != 2:
            reason = f"needs a function that returns (carry, output), not {described(made)}"
            raise problems.raised(problems.wrong_arguments(span, "scan", reason))
        carry, output = made
        outputs.append(output)
    return carry, stacked(tuple(outputs), tuple(span for _ in outputs), span)


def _again(state: Any) -> Callable[[], AbstractContextManager[None]]:
    """What a function is run again in: its rounds and calls have been counted, and what it prints has been seen."""
    from ndgrad.lang.rerun import recorded

    return lambda: recorded(state, STATE.training)


def _checkpoint(span: Span, state: Any, function: Any) -> Special:
    kept = checkpoint(_python(function, span, state), _again(state))
    return _named("checkpoint", lambda here, running, *values: kept(*(_array(v, here) for v in values)))


def _custom_gradient(span: Span, state: Any, function: Any, rule: Any) -> Special:
    stated = custom_gradient(_python(function, span, state), _python(rule, span, state))
    return _named("custom_gradient", lambda here, running, *values: stated(*(_array(v, here) for v in values)))


def _fixed_point(span: Span, state: Any, function: Any, start: Any) -> Any:
    """The x with f(x) = x that iteration from x0 reaches; differentiated by the implicit function theorem."""
    return fixed_point(_python(function, span, state), _array(start, span), scope=_again(state))


DERIVATIVES: tuple[Special, ...] = (
    Special("grad", _grad, 1, 3, ("wrt", "mode")),
    Special("value_and_grad", _value_and_grad, 1, 3, ("wrt", "mode")),
    Special("jacobian", _jacobian, 1, 3, ("wrt", "mode")),
    Special("hessian", _hessian, 1, 2, ("wrt",)),
    Special("jvp", _jvp, 3, 3),
    Special("vjp", _vjp, 3, 3),
    Special("hvp", _hvp, 3, 3),
    Special("vmap", _vmap, 1, 1),
    Special("map", _map, 2, 2),
    Special("scan", _scan, 3, 3),
    Special("checkpoint", _checkpoint, 1, 1),
    Special("custom_gradient", _custom_gradient, 2, 2),
    Special("fixed_point", _fixed_point, 2, 2),
)
