"""How one entry of an input goes through a recorded run: forwards to the output, and its adjoint on the way back.

Three things can be known of every operation between the two, each computed when it is asked for:

    change   the derivative of its value by the entry, entry by entry (the tangent of forward mode)
    reach    the entries of its value that the entry of the input goes into, whatever the derivative is
    arrival  the derivative of ⟨head, output⟩ by its value, and the shares of it that its operands get
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np

from ndgrad import autograd
from ndgrad.apply import OUTPUT
from ndgrad.errors import Span
from ndgrad.frozen import Frozen
from ndgrad.lang.kept import Kept, Rounds
from ndgrad.lang.replay import applied
from ndgrad.namespace import PLAIN, unbroadcast
from ndgrad.ndarray import NDArray, new_array, plain
from ndgrad.sweep import nodes_below, sweep
from ndgrad.tape import Node
from ndgrad.tracing import tangent_of

Array = np.ndarray[Any, Any]


class Arrival(Frozen):
    """An operation on the way back: the adjoint of its value, and the shares of it that its operands get, by id."""

    node: Node
    adjoint: Any
    shares: dict[int, Any]


class Influence:
    """The way from one entry of an input to the output of a run that was kept.

    steps     the operations on the way, in the order of the run; reaches, whether there is a way
    places    where each node is written, by id: where what it is part of is written, if it has no place itself
    texts     the expressions of those that have no place themselves, "" where that of the place will do
    rounds    the how-maniest time each ran there
    """

    def __init__(self, kept: Kept, name: str, at: tuple[int, ...]) -> None:
        variable, output = kept.variables[name], kept.output
        assert variable.node is not None
        self.kept = kept
        self.variable = variable.node
        self.output = output.node
        self.unit = np.zeros(variable.shape)
        self.unit[at] = 1
        self.steps: list[Node] = []
        self.places: dict[int, Span | None] = {}
        self.texts: dict[int, str] = {}
        self.rounds: dict[int, int] = {}
        self.reaches = False
        if self.output is None:
            return
        self.history = nodes_below([self.output])
        self._find_places()
        moving = {self.variable.id}
        for node in reversed(self.history):
            if any(p is not None and p.id in moving for p in node.parents):
                moving.add(node.id)
                self.steps.append(node)
        self.reaches = self.output.id in moving

    def _find_places(self) -> None:
        rounds = Rounds()
        for node in reversed(self.history):
            if node.op is not None:
                self.rounds[node.id] = rounds.next(node)
        assert self.output is not None
        names = self.kept.names
        self.places[self.output.id] = self.kept.span
        for node in self.history:
            if node.span is not None:
                self.places[node.id] = node.span
            elif node.id in names:
                self.places[node.id] = names[node.id].span
                self.texts[node.id] = names[node.id].expression
            for parent in node.parents:
                if parent is not None and parent.op is not None and parent.span is None:
                    self.places.setdefault(parent.id, self.places.get(node.id))
                    self.texts.setdefault(parent.id, self.texts.get(node.id, ""))

    @cached_property
    def change(self) -> dict[int, Any]:
        """The derivative of every value by the entry, by the id of its node."""
        return self._forwards(self.unit, changed)

    @cached_property
    def reach(self) -> dict[int, Any]:
        """The entries of every value that the entry goes into."""
        return self._forwards(self.unit != 0, _reached)

    def _forwards(self, unit: Array, rule: Callable[[Node, list[Any]], Any]) -> dict[int, Any]:
        """What a rule makes of every node from what it made of the node's operands."""
        found: dict[int, Any] = {self.variable.id: unit}
        with autograd.pause():
            for node in self.steps:
                if node.op is OUTPUT:
                    (parent,) = node.parents
                    assert parent is not None
                    found[node.id] = found[parent.id][node.statics[0]]
                else:
                    found[node.id] = rule(node, [None if p is None else found.get(p.id) for p in node.parents])
        return found

    @cached_property
    def arrivals(self) -> list[Arrival]:
        """The operations that the sweep came to, in its order."""
        found: list[Arrival] = []

        def observe(node: Node, g: Any, shares: tuple[tuple[Node | None, Any], ...]) -> None:
            if node.op is OUTPUT:
                return
            summed: dict[int, Any] = {}
            for parent, share in shares:
                if parent is None:
                    continue
                c = np.asarray(plain(share))
                if c.shape != parent.shape:
                    c = unbroadcast(c, parent.shape, PLAIN)
                summed[parent.id] = summed[parent.id] + c if parent.id in summed else c
            found.append(Arrival(node, g, summed))

        assert self.output is not None
        head = np.array(self.kept.head, dtype=self.output.dtype)
        sweep([(self.output, head)], [self.variable], observe=observe)
        return found


def slopes(node: Node, operand: int) -> Any:
    """The partial derivatives of an elementwise operation by an operand, in the shape of its value."""
    pull = node.op.pulls[operand] if node.op is not None else None
    if pull is None:
        return np.zeros(node.shape)
    made = np.asarray(pull((PLAIN, None, node.value, *node.operands, *node.statics)), np.float64)
    return made if made.shape == node.shape else np.broadcast_to(made, node.shape)


def row(node: Node, parent: Node, entry: tuple[int, ...]) -> Any:
    """The derivatives of one entry of a recorded value by all entries of an operand."""
    made = node.parents[0] if node.op is OUTPUT else node
    assert made is not None
    g = np.zeros(node.shape, node.dtype)
    g[entry] = 1
    stops = frozenset(p.id for p in made.parents if p is not None)
    found, _ = sweep([(node, g)], [parent], stops=stops)
    return np.asarray(plain(found[parent.id][1]), np.float64) if parent.id in found else np.zeros(parent.shape)


def changed(node: Node, dots: list[Any]) -> Any:
    """The tangent of a recorded operation's value for tangents of its operands (None: it does not move)."""
    op = node.op
    assert op is not None
    if not op.elementwise:
        return _tangent(node, dots, node.value, node.operands)
    made: Any = 0.0
    for i, dot in enumerate(dots):
        if dot is None:
            continue
        d = slopes(node, i)
        if node.shape:
            made = made + np.where(np.equal(dot, 0) | (op.selects & np.equal(d, 0)), 0.0, d * dot)
        elif dot and (d or not op.selects):
            made = made + d * dot
    return np.asarray(made) if np.shape(made) == node.shape else np.zeros(node.shape)


def _reached(node: Node, masks: list[Any]) -> Any:
    """The entries of a value that those of its operands go into, whatever the derivative is."""
    op = node.op
    assert op is not None
    if op.elementwise:
        made = np.zeros(node.shape, bool)
        for mask in masks:
            if mask is not None:
                made = made | mask
        return made
    # Positive numbers of all sizes: entries that differ do not cancel. And at any point, since a derivative may
    # be 0 at this one.
    random = np.random.default_rng(node.id)
    dots = [None if m is None else np.where(m, random.uniform(1, 2, np.shape(m)), 0.0) for m in masks]
    operands = node.operands
    if op.linear != "jointly":
        operands = tuple(_elsewhere(x, op.domain, random) for x in node.operands)
    change = _tangent(node, dots, None, operands)
    parts = change if isinstance(change, tuple) else (change,)
    found = tuple(np.not_equal(part, 0) | ~np.isfinite(part) for part in parts)
    return found if isinstance(change, tuple) else found[0]


def _tangent(node: Node, dots: list[Any], y: Any, operands: tuple[Any, ...]) -> Any:
    """The tangent at these operands, y their value (None: to be computed); ones where there is none to be had."""
    op = node.op
    assert op is not None
    still = tuple(np.zeros(np.shape(part)) for part in node.value) if isinstance(node.value, tuple) else None
    try:
        y = applied(node, list(operands)) if y is None else y
        primals = tuple(_array(x) if dot is not None else x for x, dot in zip(operands, dots, strict=True))
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


def own_entry(operand: Any, shape: tuple[int, ...], at: tuple[int, ...]) -> tuple[int, ...]:
    """The entry of an operand that goes into the entry `at` of what it was broadcast to, of this shape."""
    own = np.shape(operand)
    if not own:
        return ()
    return tuple(0 if n == 1 else i for n, i in zip(own, at[len(shape) - len(own) :], strict=True))


def first_entry(mask: Any) -> tuple[int, ...]:
    """The index of the first true entry."""
    data = np.asarray(mask)
    return tuple(int(i) for i in np.unravel_index(int(np.argmax(data)), data.shape))


def largest_entry(values: Any) -> tuple[int, ...]:
    """The index of the entry of the largest size, those that are not finite first."""
    data = np.abs(np.asarray(values, np.float64))
    data = np.where(np.isfinite(data), data, np.inf)
    return tuple(int(i) for i in np.unravel_index(int(np.argmax(data)), data.shape))
