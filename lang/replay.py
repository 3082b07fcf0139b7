"""The operations of a recorded run once more, from another value of an input: at real or at complex numbers.

The path is that of the run: a branch not taken stays so, a loop makes the rounds that it made. At
x + ih, with h so small that it changes nothing else, an analytic function has its derivative in the
imaginary part, without any difference of numbers that are nearly equal: the complex step.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from ndgrad.apply import OUTPUT
from ndgrad.namespace import PLAIN
from ndgrad.sweep import nodes_below
from ndgrad.tape import Node

TINY = 1e-20  # the complex step; its square is nothing beside any number
SHORT = 1e-4  # relative, of the steps by which an operation is tried for being analytic


class NotAnalytic(Exception):
    """An operation that cannot be continued to complex numbers; the text says which, and why."""


class Replay:
    """What leads from `variable` to `output`, recorded under keep_values(). `value` is that of the variable."""

    def __init__(self, output: Node, variable: Node, value: Any) -> None:
        self.output = output
        self.variable = variable
        self.value = value
        moving = {variable.id}
        self.steps: list[Node] = []
        for node in reversed(nodes_below([output], variable.id)):
            if node.op is not None and any(p is not None and p.id in moving for p in node.parents):
                moving.add(node.id)
                self.steps.append(node)
        self.reaches = output.id in moving

    def values(self, value: Any, look: Callable[[Node, list[Any], Any], None] | None = None) -> dict[int, Any]:
        """The value of every node on the way, by id, where the variable has `value`.

        look: called for every operation with its node, its operands and what it gives.
        """
        found: dict[int, Any] = {self.variable.id: value}
        for node in self.steps:
            if node.op is OUTPUT:
                parent = node.parents[0]
                assert parent is not None
                found[node.id] = found[parent.id][node.statics[0]]
                continue
            operands = self.operands(node, found)
            found[node.id] = y = applied(node, operands)
            if look is not None:
                look(node, operands, y)
        return found

    def operands(self, node: Node, found: dict[int, Any]) -> list[Any]:
        """The operands of a node: what was found, else what they were in the run."""
        return [
            kept if parent is None or parent.id not in found else found[parent.id]
            for parent, kept in zip(node.parents, node.operands, strict=True)
        ]

    def complex_step(self, direction: Any, weights: Any) -> float:
        """The derivative of Σ weights · output along a direction. Raises NotAnalytic only where `try_complex` does."""
        if not self.reaches:
            return 0.0
        y = self.values(self.value + 1j * TINY * direction)[self.output.id]
        return float(np.sum(weights * np.imag(y)) / TINY)

    def try_complex(self) -> None:
        """NotAnalytic if an operation on the way has no value at complex numbers, or is not analytic there."""
        with quiet():
            self.values(self.value + 0j, _tried)


@contextmanager
def quiet() -> Iterator[None]:
    """Without NumPy's warnings: numbers that are not finite, or that lose an imaginary part, are looked at here."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def applied(node: Node, operands: list[Any]) -> Any:
    """What the operation of a node gives for other operands."""
    op = node.op
    assert op is not None
    try:
        y = op.value(PLAIN, *((tuple(operands),) if op.variadic else operands), *node.statics)
    except Exception:  # whatever an operation raises that was not made for complex numbers
        if any(map(np.iscomplexobj, operands)):
            raise NotAnalytic(f"{_said(node)} takes no complex numbers") from None
        raise
    return tuple(y) if isinstance(y, (tuple, list)) else y


def _tried(node: Node, operands: list[Any], y: Any) -> None:
    """Hold one operation against what analytic functions do. NotAnalytic."""
    moving = [i for i, x in enumerate(operands) if np.iscomplexobj(x)]
    if not moving:
        return
    whole = _flat(y)
    real = _flat(node.value)
    if not np.iscomplexobj(whole):
        raise NotAnalytic(f"{_said(node)} gives no complex numbers")
    if np.any(whole.imag) or not np.allclose(whole.real, real, 1e-9, 1e-12, True):
        raise NotAnalytic(f"{_said(node)} is not analytic")
    if node.op is not None and node.op.linear == "jointly":
        return
    random = np.random.default_rng(node.id)
    moves = {i: SHORT * np.abs(operands[i]) * random.uniform(0.5, 1.0, np.shape(operands[i])) for i in moving}

    def at(turn: complex) -> Any:
        return _flat(applied(node, [x + turn * moves[i] if i in moves else x for i, x in enumerate(operands)]))

    along, across = at(1) - at(-1), (at(1j) - at(-1j)) / 1j
    finite = np.isfinite(along) & np.isfinite(across)
    apart = np.abs(along - across)[finite]
    if np.any(apart > 1e-3 * np.abs(along)[finite] + 1e-10 * np.max(np.abs(whole[np.isfinite(whole)]), initial=0)):
        raise NotAnalytic(f"{_said(node)} is not analytic")


def _flat(y: Any) -> Any:
    parts = y if isinstance(y, tuple) else (y,)
    return np.concatenate([np.ravel(np.asarray(part)) for part in parts])


def _said(node: Node) -> str:
    assert node.op is not None
    name = str(node.statics[0]) if node.op.name == "custom_call" else node.op.name
    where = f" on line {node.span.line}" if node.span is not None else ""
    return f"{name}{where}"


class Complex:
    """The complex step of a run, or why there is none."""

    def __init__(self, replay: Replay | None) -> None:
        self.replay = replay
        self.skipped: str | None = None if replay is not None else "the output does not depend on it"
        if replay is None:
            return
        try:
            replay.try_complex()
        except NotAnalytic as found:
            self.skipped = str(found)

    def along(self, direction: Any, weights: Any) -> float | None:
        """The derivative along a direction, None where the complex step is skipped."""
        if self.skipped is not None or self.replay is None:
            return None
        with quiet():
            return self.replay.complex_step(direction, weights)
