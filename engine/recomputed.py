"""Functions whose derivative is found in another way: stated by hand, or from running them again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ndgrad import autograd, problems
from ndgrad.apply import attach
from ndgrad.captures import Replay, Scope, kept, unchanged
from ndgrad.ndarray import NDArray, new_array, plain
from ndgrad.ops.custom import custom_call
from ndgrad.sweep import sweep
from ndgrad.tape import STATE, Node, tick
from ndgrad.tracing import Traced
from ndgrad.transforms import as_array, leaf, outer_nodes

Function = Callable[..., Any]


class _Stated:
    """The rule of a `custom_gradient`, as it was when the function was called.

    What it closes over are operands of the call too, without a derivative: the rule may be differentiated by them.
    """

    def __init__(self, value: Any, rule: Function, count: int) -> None:
        self.value = value
        self.differentiated = count
        self.rule, self.arrays = kept(rule)
        self.time = tick()

    def __str__(self) -> str:
        return "custom_gradient"

    def pull(self, g: Any, y: Any, arrays: Any) -> Any:
        unchanged(self.arrays, self.time, "custom_gradient")
        wrapped = [x if isinstance(x, NDArray) else new_array(x) for x in arrays[: self.differentiated]]
        bars = self.rule(g if isinstance(g, NDArray) else new_array(g), *wrapped)
        bars = bars if isinstance(bars, (tuple, list)) else (bars,)
        made = [as_array(b) for b in bars]
        made = made if isinstance(g, NDArray) else [plain(b) for b in made]
        return [*made, *[None] * (len(arrays) - self.differentiated)]


def custom_gradient(function: Function, rule: Function) -> Function:
    """`function`, differentiated by `rule(g, *arguments)`: the cotangents of the arguments, g that of the value.

    The rule runs in the backward sweep, with its variables as they were when the function was called: those of
    the functions around it, those of its module that it and the functions there that it calls name, and arrays
    in tuples, lists and dicts among them. What it reads in other ways (attributes of objects, variables of other
    modules, entries that are no arrays) it reads as it is then. E405 if such an array was written to in between.
    """

    def called(*args: Any) -> NDArray:
        given = [as_array(a) for a in args]
        with autograd.pause(STATE.training):
            y = as_array(function(*given))
        stated = _Stated(y, rule, len(given))
        known = [x.node for x in given if x.node is not None]
        more = [x for x in stated.arrays if (x.traced or x.node is not None) and x.node not in known]
        return _with_rule(y, [*given, *more], stated)

    return called


def _with_rule(y: NDArray, given: list[NDArray], rule: Any) -> NDArray:
    if isinstance(y, Traced) or any(isinstance(x, Traced) for x in given):
        made: NDArray = custom_call.call(given, rule)
        return made
    rule.value = plain(y)
    data = tuple(x.data for x in given)
    return attach(custom_call, plain(y), tuple(given), data, tuple(x.node for x in given), (rule,))  # type: ignore[no-any-return]


class _Recomputed:
    """The rule of a `checkpoint`: run the function again, recorded, and sweep through it."""

    def __init__(self, replay: Replay, value: Any, count: int, outer: list[Node]) -> None:
        self.replay = replay
        self.value = value
        self.count = count
        self.outer = outer

    def __str__(self) -> str:
        return "checkpoint"

    def pull(self, g: Any, y: Any, arrays: Any) -> Any:
        outside = isinstance(g, NDArray)
        begun = tick()
        leaves = [leaf(x if isinstance(x, NDArray) else new_array(x)) for x in arrays[: self.count]]
        again = self.replay.again(*leaves)
        own = [x.node for x in leaves if x.node is not None]
        self.same(again, y, begun, {node.id for node in own})
        targets = [*own, *self.outer]
        with autograd.record(STATE.training) if outside else autograd.pause(STATE.training):
            # What the function closes over may depend on one another: each is an end of its own.
            stops = frozenset(node.id for node in targets)
            found, _ = sweep([(again.node, g)], targets, graph=outside, stops=stops)
        return [found[node.id][1] if node.id in found else None for node in targets]

    def same(self, again: Any, y: Any, begun: int, own: set[int]) -> None:
        """E405 unless running again gave the value that there was, from the same recorded arrays."""
        if isinstance(again, NDArray) and again.node is not None and again.shape == np.shape(plain(y)):
            known = {node.id for node in self.outer}
            if all(node.id in known for node in outer_nodes(again, begun, own)) and _agree(plain(again), plain(y)):
                return
        raise problems.changed_since("checkpoint")


def _agree(a: Any, b: Any) -> bool:
    """Whether two arrays are equal but for rounding."""
    a, b = np.asarray(a), np.asarray(b)
    if a.dtype != b.dtype or np.array_equal(a, b):
        return bool(a.dtype == b.dtype)
    near = float(np.finfo(b.dtype).eps) ** 0.5
    with np.errstate(all="ignore"):
        finite = np.isfinite(b)
        largest = float(np.max(np.abs(b), initial=0.0, where=finite))
        return bool(np.all((np.abs(a - b) <= near * largest) | (a == b) | ~(finite | np.isfinite(a))))


def checkpoint(function: Function, scope: Scope | None = None) -> Function:
    """`function`, whose intermediate values are not kept for the backward sweep but computed again in it.

    It is computed again with the variables and random numbers of the call, in its mode (training or not): the
    variables of the functions around it, those of its module that it and the functions there that it calls
    name, and arrays in tuples, lists and dicts among them. Other things that it reads (attributes of objects,
    variables of other modules, entries that are no arrays) must not change in between. E405 where it gives
    another value than before, or an array that it reads was written to.

    scope: makes a context manager in which the function is run again.
    """

    def called(*args: Any) -> NDArray:
        given = [as_array(a) for a in args]
        if not STATE.recording or any(isinstance(x, Traced) for x in given):
            made: NDArray = function(*given)
            return made
        replay = Replay(function, "checkpoint", scope)
        start = tick()
        leaves = [leaf(x) for x in given]
        y = replay.first(*leaves)
        if not isinstance(y, NDArray) or isinstance(y, Traced) or y.node is None or y.node.id < start:
            return y  # type: ignore[no-any-return]
        around = outer_nodes(y, start, {x.node.id for x in leaves if x.node is not None})
        parents = (*(x.node for x in given), *around)
        rule = _Recomputed(replay, y.data, len(given), around)
        data = (*(x.data for x in given), *[np.zeros(n.shape, n.dtype) for n in around])
        return attach(custom_call, y.data, data, data, parents, (rule,))  # type: ignore[no-any-return]

    return called
