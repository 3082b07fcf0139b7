"""Loops and branches as functions: MXNet's `nd.contrib`, over arrays of any kind.

A loop here ends when it ends: there is no greatest number of rounds that must be given, and the outputs
are as long as there were rounds. Everything is recorded as it ran, so it differentiates like any loop.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ndgrad import problems
from ndgrad.ndarray import NDArray, new_array, plain
from ndgrad.ops import lookup

__all__ = ["allclose", "arange_like", "boolean_mask", "cond", "div_sqrt_dim", "foreach", "while_loop"]

# Those that take and give arrays alone
FUNCTIONS = frozenset({"allclose", "arange_like", "boolean_mask", "div_sqrt_dim", "isnan", "isinf", "isfinite"})


def foreach(body: Callable[[Any, Any], tuple[Any, Any]], data: Any, init_states: Any, name: str = "") -> Any:
    """Run body(slice, states) → (output, states) over the first axis of `data`.

    data, init_states: an array or a list of them, and so are what body gets and gives. Returns the outputs,
    stacked along a new first axis, and the last states. E304 for data of different lengths or of none.
    """
    rows = _listed(data)
    lengths = {len(x) for x in rows}
    if len(lengths) != 1 or lengths == {0}:
        shapes = tuple(x.shape for x in rows)
        raise problems.does_not_fit("foreach", "the data need one length, of at least 1", shapes)
    states = init_states
    made: list[list[NDArray]] = []
    output: Any = None
    for i in range(lengths.pop()):
        parts = [x[i] for x in rows]
        output, states = body(parts if isinstance(data, (list, tuple)) else parts[0], states)
        made.append(_listed(output))
    return _alike(output, _stacked(made)), states


def while_loop(
    cond: Callable[..., Any],
    func: Callable[..., tuple[Any, Any]],
    loop_vars: Any,
    max_iterations: int | None = None,
    name: str = "",
) -> Any:
    """While cond(*loop_vars), run func(*loop_vars) → (output, loop_vars).

    Returns the outputs of all rounds, stacked along a new first axis (of size 0 without a round; no padding),
    and the last loop_vars. max_iterations: stop after so many rounds, if it is given. E307 for a func that
    changes the number of loop_vars.
    """
    state = _listed(loop_vars)
    made: list[list[NDArray]] = []
    output: Any = None
    while (max_iterations is None or len(made) < max_iterations) and bool(cond(*state)):
        output, new = func(*state)
        new = _listed(new)
        if len(new) != len(state):
            raise problems.bad_argument("while_loop", f"func gives {len(new)} variables for {len(state)}")
        state = new
        made.append(_listed(output))
    if made:
        outputs = _stacked(made)
    else:
        from ndgrad.autograd import pause

        with pause():  # what a round would give, without its values
            output, _ = func(*state)
        outputs = [x.expand_dims(0)[:0] for x in _listed(output)]
    return _alike(output, outputs), state if isinstance(loop_vars, (list, tuple)) else state[0]


def cond(pred: Any, then_func: Callable[[], Any], else_func: Callable[[], Any], name: str = "") -> Any:
    """then_func() if pred, an array with one entry, is true, else else_func()."""
    return then_func() if bool(pred) else else_func()


def boolean_mask(data: NDArray, index: Any, axis: int = 0) -> NDArray:
    """The slices along an axis for which `index` is not 0."""
    keep = np.asarray(plain(index)) != 0
    return data[(*(slice(None),) * (axis % data.ndim), keep)]


def arange_like(
    data: NDArray, start: float = 0.0, step: float = 1.0, repeat: int = 1, axis: int | None = None
) -> NDArray:
    """start, start + step, …: as many as there are entries, in their shape, or as an axis is long."""
    count = data.size if axis is None else data.shape[axis]
    made = (start + step * (np.arange(count) // repeat)).astype(data.dtype)
    return new_array(made.reshape(data.shape) if axis is None else made)


def div_sqrt_dim(data: NDArray) -> NDArray:
    """data over the root of the size of its last axis."""
    factor: float = data.shape[-1] ** -0.5
    return data * factor


def allclose(a: Any, b: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = True) -> NDArray:
    """1.0 if all entries agree within the tolerances, else 0.0."""
    return new_array(np.float32(np.allclose(plain(a), plain(b), rtol, atol, equal_nan)))


def __getattr__(name: str) -> Any:
    if name in ("isnan", "isinf", "isfinite"):  # which are functions of `nd` here
        from ndgrad import nd

        return getattr(nd, name)
    raise AttributeError(f"nd.contrib has no function {name!r}")


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _alike(like: Any, values: list[Any]) -> Any:
    return values if isinstance(like, (list, tuple)) or like is None else values[0]


def _stacked(rounds: Sequence[Sequence[Any]]) -> list[NDArray]:
    stack = lookup("stack")
    assert stack is not None
    return [
        stack.call([x if isinstance(x, NDArray) else new_array(x) for x in column], 0)
        for column in zip(*rounds, strict=True)
    ]


# The forms that a graph calls: arrays in lists, bodies that take all arrays in a row and give a list.


def _foreach(body: Callable[..., list[Any]], data: list[Any], states: list[Any], free: list[Any]) -> tuple[Any, ...]:
    """foreach of a body (*slices, *states, *free) → [*outputs, *states]."""

    def step(parts: list[Any], now: list[Any]) -> tuple[list[Any], list[Any]]:
        made = body(*parts, *now, *free)
        return made[: len(made) - len(states)], made[len(made) - len(states) :]

    outputs, last = foreach(step, data, states)
    return (*outputs, *last)


def _while_loop(
    going: Callable[..., list[Any]],
    body: Callable[..., list[Any]],
    states: list[Any],
    free: list[Any],
    max_iterations: int | None = None,
) -> tuple[Any, ...]:
    """while_loop of a condition (*states, *free) → [truth] and a body (*states, *free) → [*outputs, *states]."""

    def step(*now: Any) -> tuple[list[Any], list[Any]]:
        made = body(*now, *free)
        return made[: len(made) - len(states)], made[len(made) - len(states) :]

    outputs, last = while_loop(lambda *now: going(*now, *free)[0], step, states, max_iterations)
    return (*outputs, *last)


def _cond(
    pred: Any, then: Callable[..., list[Any]], otherwise: Callable[..., list[Any]], free: list[Any]
) -> tuple[Any, ...]:
    """cond of branches (*free) → [*outputs]."""
    return tuple(cond(pred, lambda: then(*free), lambda: otherwise(*free)))
