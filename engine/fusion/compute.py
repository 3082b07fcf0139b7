"""Which deferred values are computed together, and in how many passes over memory.

A pass walks one shape once. Values that need a finished reduction, or that meet an operand of a smaller shape
which is itself deferred, wait for the next pass. What is computed is stored for whoever holds it: the values asked for,
those that a variable holds (so that a loop never computes its beginning again), and what a later pass
would take long to compute a second time. Everything else lives in a register for the length of a tile.
"""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ndgrad.fusion.lazy import BROADCAST, CAST, PATCH, REDUCE, SMALL, VIEW, WHERE, Lazy, Shape, computed
from ndgrad.fusion.report import COUNTS
from ndgrad.fusion.schedule import Pass
from ndgrad.namespace import as_array
from ndgrad.tape import STATE, Remote

LOCK = threading.RLock()


def _unlock() -> None:
    """In a process made by fork: whoever held the lock is not there."""
    global LOCK
    LOCK = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_unlock)

CHEAP = frozenset({
    np.add, np.subtract, np.multiply, np.divide, np.negative, np.square, np.absolute, np.sqrt, np.sign, np.maximum,
    np.minimum, np.reciprocal, np.equal, np.not_equal, np.less, np.less_equal, np.greater, np.greater_equal, np.isnan,
    np.isfinite, np.isinf, np.logical_and, np.logical_or, np.logical_not, np.bitwise_and, np.bitwise_or, np.invert,
    "cast", "where", "patch",
})  # fmt: skip
COSTLY = 8  # an exponential, in sums
WORTH_STORING = 20  # in sums: what a later pass reads from memory rather than computes again


def pending(targets: Sequence[Lazy]) -> list[Lazy]:
    """What the targets are made of and that is not computed yet, operands first."""
    order: list[Lazy] = []
    entered: set[int] = set()
    done: set[int] = set()
    stack = [x for x in targets if x.known is None]
    while stack:
        x = stack[-1]
        key = id(x)
        if key in done:
            stack.pop()
        elif key in entered:
            stack.pop()
            done.add(key)
            order.append(x)
        else:
            entered.add(key)
            for a in x.args:
                if a.__class__ is Lazy and a.known is None and id(a) not in entered:
                    stack.append(a)  # noqa: PERF401
    return order


def _held(x: Lazy) -> bool:
    return any(h() is not None for h in x.holders or ())


def compute(targets: Sequence[Lazy], into: dict[int, np.ndarray[Any, Any]] | None = None) -> None:
    """Give every target its value, in as few passes as may be.

    into: buffers that the values of some targets go to, by the id of the target; of its shape and dtype, and
    read by none of the operations.
    """
    with LOCK:
        order = pending(targets)
        if not order:
            return
        COUNTS.groups += 1
        device = None if STATE.remote is None else STATE.remote.among(order)
        alone = None if device is None else STATE.remote.alone
        for outputs in _passes(order, {id(x) for x in targets}, alone):
            first = outputs[0]
            if first.op is VIEW:
                for x in outputs:
                    x.settle(np.reshape(x.args[0].known, x.shape)[()])
            elif first.op is BROADCAST:
                for x in outputs:
                    x.settle(np.broadcast_to(x.args[0].known, x.shape))
            elif alone is not None and alone(first):
                for x in outputs:
                    _at_once(x)
            elif math.prod(domain_of(first)) < (SMALL if device is None else 1):
                for x in pending(outputs):
                    _at_once(x)
            else:
                Pass(domain_of(first), outputs, device).run(into or {})


def _at_once(x: Lazy) -> None:
    """Compute a small value from its operands, as NumPy would."""
    args = [computed(a) for a in x.args]
    with np.errstate(all="ignore"):
        if x.op is REDUCE:
            ufunc, axes = x.param
            made = ufunc.reduce(args[0], axis=axes, keepdims=True, dtype=x.dtype)
        elif x.op is CAST:
            made = as_array(args[0]).astype(x.dtype)
        elif x.op is WHERE:
            made = np.where(*args)
        elif x.op is PATCH:
            made = np.where(args[1], x.param(args[2]), args[0])
        elif x.op is BROADCAST:
            made = np.broadcast_to(args[0], x.shape)
        else:
            made = x.op(*args)
    x.settle(made if isinstance(made, Remote) else np.asarray(made)[()])


def domain_of(x: Lazy) -> Shape:
    """The shape that is walked to compute x."""
    return x.args[0].shape if x.op is REDUCE else x.shape


def _passes(order: list[Lazy], wanted: set[int], alone: Callable[[Lazy], bool] | None = None) -> list[list[Lazy]]:
    """The values to store, pass by pass. alone: whether an operation is done by itself, of stored operands."""
    level: dict[int, int] = {}
    weight: dict[int, int] = {}
    stored: dict[int, Lazy] = {}
    several = False
    for x in order:
        op, key = x.op, id(x)
        at, cost = 0, 1 if op in CHEAP else COSTLY
        apart = op is VIEW or op is BROADCAST or (alone is not None and alone(x))
        domain = domain_of(x)
        for a in x.args:
            if a.__class__ is not Lazy:
                continue
            if a.op is BROADCAST and not apart:
                a = a.args[0]
            if a.known is not None:
                continue
            below = level[id(a)]
            if apart or a.op is REDUCE or a.op is VIEW or a.shape != domain or (alone is not None and alone(a)):
                stored[id(a)] = a
                below += 1
                several = True
            else:
                cost += weight[id(a)]
            if below > at:
                at = below
        level[key] = at
        weight[key] = cost if cost < WORTH_STORING else WORTH_STORING
        if key in wanted or (x.holders is not None and _held(x)):
            stored[key] = x
    if several:
        for x in order:  # what a later pass would compute again
            for a in x.args:
                key = id(a)
                if key in level and level[key] < level[id(x)] and key not in stored and weight[key] == WORTH_STORING:
                    stored[key] = a
    elif (
        len({domain_of(x) for x in stored.values()}) == 1
        and all(x.op is not BROADCAST for x in stored.values())
        and (alone is None or not any(map(alone, stored.values())))
    ):
        return [list(stored.values())]
    groups: dict[Any, list[Lazy]] = {}
    for x in order:
        if id(x) in stored:
            kind: Any = x.op if x.op is VIEW or x.op is BROADCAST else domain_of(x)
            if alone is not None and alone(x):
                kind = "alone"
            groups.setdefault((level[id(x)], str(kind)), []).append(x)
    return [groups[key] for key in sorted(groups)]
