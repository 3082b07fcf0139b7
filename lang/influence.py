"""How one entry of an input goes through a recorded run: forwards to the output, and its adjoint on the way back.

Three things are known of every operation between the two:

    change   the derivative of its value by the entry, entry by entry (the tangent of forward mode)
    reach    the entries of its value that the entry of the input goes into, whatever the derivative is
    adjoint  the derivative of ⟨head, output⟩ by its value, and the shares of it that its operands get
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ndgrad import autograd
from ndgrad.apply import OUTPUT
from ndgrad.errors import Span
from ndgrad.lang.kept import Kept, Rounds
from ndgrad.lang.replay import applied, quiet
from ndgrad.namespace import PLAIN, unbroadcast
from ndgrad.ndarray import NDArray, new_array, plain
from ndgrad.sweep import nodes_below, sweep
from ndgrad.tape import Node
from ndgrad.tracing import tangent_of

Array = np.ndarray[Any, Any]


class Influence:
    """The way from one entry of an input to the output of a run that was kept.

    steps    the operations on the way, in the order of the run
    places   where each node is written, by id: where what it is part of is written, if it has no place itself
    rounds   the how-maniest time each ran there
    arrivals the operations that the sweep came to, in its order: (node, adjoint, shares)
    """

    def __init__(self, kept: Kept, name: str, at: tuple[int, ...]) -> None:
        variable, output = kept.variables[name], kept.output
        assert variable.node is not None
        self.kept = kept
        self.variable = variable.node
        self.output = output.node
        self.at = at
        self.steps: list[Node] = []
        self.places: dict[int, Span | None] = {}
        self.rounds: dict[int, int] = {}
        self.change: dict[int, Any] = {}
        self.reach: dict[int, Any] = {}
        self.adjoint: dict[int, Any] = {}
        self.shares: dict[int, dict[int, Any]] = {}
        self.arrivals: list[tuple[Node, Any, dict[int, Any]]] = []
        if self.output is None:
            return
        unit = np.zeros(variable.shape)
        unit[at] = 1
        self.history = nodes_below([self.output])
        self._find_places()
        moving = {self.variable.id}
        for node in reversed(self.history):
            if any(p is not None and p.id in moving for p in node.parents):
                moving.add(node.id)
                self.steps.append(node)
        self.reaches = self.output.id in moving
        with quiet(), autograd.pause():
            self._forwards(unit)
        self._backwards()

    reaches = False
    history: list[Node]

    def _find_places(self) -> None:
        rounds = Rounds()
        for node in reversed(self.history):
            if node.op is not None:
                self.rounds[node.id] = rounds.next(node)
        for node in self.history:
            place = self.places.setdefault(node.id, node.span)
            for parent in node.parents:
                if parent is not None and parent.op is not None and parent.span is None:
                    self.places.setdefault(parent.id, place)

    def _forwards(self, unit: Array) -> None:
        self.change[self.variable.id] = unit
        self.reach[self.variable.id] = unit != 0
        for node in self.steps:
            if node.op is OUTPUT:
                (parent,) = node.parents
                assert parent is not None
                self.change[node.id] = self.change[parent.id][node.statics[0]]
                self.reach[node.id] = self.reach[parent.id][node.statics[0]]
                continue
            self.change[node.id] = changed(node, [self._of(self.change, p) for p in node.parents])
            self.reach[node.id] = self._reached(node)

    def _of(self, known: dict[int, Any], parent: Node | None) -> Any:
        return None if parent is None else known.get(parent.id)

    def _reached(self, node: Node) -> Any:
        """The entries of a value that its operands' reached entries go into."""
        op = node.op
        assert op is not None
        masks = [self._of(self.reach, p) for p in node.parents]
        if op.elementwise:
            made = np.zeros(node.shape, bool)
            for mask in masks:
                if mask is not None:
                    made = made | np.broadcast_to(mask, node.shape)
            return made
        # Positive numbers of all sizes: entries that differ do not cancel. And at any point, since a derivative may
        # be 0 at this one.
        random = np.random.default_rng(node.id)
        dots = [None if m is None else np.where(m, random.uniform(1, 2, np.shape(m)), 0.0) for m in masks]
        if op.linear == "jointly":
            change = changed(node, dots)
        else:
            change = changed(node, dots, [_elsewhere(x, op.domain, random) for x in node.operands])
        parts = change if isinstance(change, tuple) else (change,)
        found = tuple(np.not_equal(part, 0) | ~np.isfinite(part) for part in parts)
        return found if isinstance(change, tuple) else found[0]

    def _backwards(self) -> None:
        def observe(node: Node, g: Any, shares: tuple[tuple[Node | None, Any], ...]) -> None:
            found: dict[int, Any] = {}
            for parent, share in shares:
                if parent is None:
                    continue
                c = np.asarray(plain(share))
                if c.shape != parent.shape:
                    c = unbroadcast(c, parent.shape, PLAIN)
                found[parent.id] = found[parent.id] + c if parent.id in found else c
            if node.op is not OUTPUT:
                self.arrivals.append((node, g, found))
            self.shares[node.id] = found
            self.adjoint[node.id] = g

        assert self.output is not None
        head = np.array(self.kept.head, dtype=self.output.dtype)
        self.adjoint[self.output.id] = head
        sweep([(self.output, head)], [self.variable], observe=observe)

    # What an operation did

    def operands(self, node: Node) -> list[tuple[str, Any]]:
        """The operands of an operation by their names in its signature."""
        assert node.op is not None
        names = node.op.operands if not node.op.variadic else [str(i) for i in range(len(node.operands))]
        return list(zip(names, node.operands, strict=False))

    def there(self, value: Any, like: Any, at: tuple[int, ...]) -> float | None:
        """The entry of an operand beside an entry of something that it was broadcast to; None where it has none."""
        data = np.asarray(value)
        if data.dtype.kind not in "fiub":
            return None
        if data.ndim == 0:
            return float(data)
        try:
            return float(np.broadcast_to(data, np.shape(like))[at])
        except (ValueError, IndexError):
            return None


def changed(node: Node, dots: list[Any], operands: list[Any] | None = None) -> Any:
    """The tangent of a recorded operation's value for tangents of its operands (None: it does not move).

    operands: others than those of the run. Where there is no tangent to be had, every entry has 1.
    """
    op = node.op
    assert op is not None
    still = tuple(np.zeros(np.shape(part)) for part in node.value) if isinstance(node.value, tuple) else None
    try:
        y = node.value if operands is None else applied(node, operands)
        given = node.operands if operands is None else operands
        primals = tuple(_array(x) if dot is not None else x for x, dot in zip(given, dots, strict=True))
        tangents = tuple(None if dot is None else new_array(np.asarray(dot, np.float64)) for dot in dots)
        value: Any = tuple(map(_array, y)) if isinstance(y, tuple) else _array(y)
        change = tangent_of(op, value, primals, tangents, node.statics)
    except Exception:  # a rule that is only stated backwards, or operands that it does not take
        change = np.ones(node.shape) if still is None else tuple(part + 1 for part in still)
    if still is not None:
        return still if change is None else tuple(_spread(c, part) for c, part in zip(change, still, strict=True))
    return np.zeros(node.shape) if change is None else _spread(change, node.value)


def _elsewhere(x: Any, domain: tuple[float, float], random: np.random.Generator) -> Any:
    """An operand at another point, if it is made of floats."""
    data = np.asarray(x)
    return random.uniform(*domain, data.shape) if data.dtype.kind == "f" and data.ndim else x


def _spread(change: Any, of: Any) -> Array:
    if change is None:
        return np.zeros(np.shape(of))
    return np.array(np.broadcast_to(np.asarray(plain(change), np.float64), np.shape(of)))


def _array(x: Any) -> Any:
    return x if isinstance(x, NDArray) else new_array(np.asarray(x))


def first_entry(mask: Any) -> tuple[int, ...]:
    """The index of the first true entry."""
    data = np.asarray(mask)
    return tuple(int(i) for i in np.unravel_index(int(np.argmax(data)), data.shape))


def largest_entry(values: Any) -> tuple[int, ...]:
    """The index of the entry of the largest size, those that are not finite first."""
    data = np.abs(np.asarray(values, np.float64))
    data = np.where(np.isfinite(data), data, np.inf)
    return tuple(int(i) for i in np.unravel_index(int(np.argmax(data)), data.shape))
