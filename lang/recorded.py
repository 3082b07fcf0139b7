"""The record of a run as terms: named values, and the small expressions that lead from one to the next."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from ndgrad.apply import OUTPUT
from ndgrad.lang.derivation_data import Binding
from ndgrad.lang.notation import (
    Name,
    Term,
    adjoint_name,
    applied,
    called,
    is_name,
    made,
    name_of,
    partials_of,
    parts_of,
    subscripted,
    term_of,
    valued,
)
from ndgrad.namespace import unbroadcast
from ndgrad.ndarray import NDArray, plain
from ndgrad.sweep import nodes_below, sweep
from ndgrad.tape import Lean, Node, Origin

if TYPE_CHECKING:
    from ndgrad.lang.counted import Counted
    from ndgrad.lang.syntax import Body

LONGEST = 60  # characters of what is written for a constant
DEEPEST = 8  # operations within operations of it
LARGEST_STEP = 60  # operations of one step, written out
DEEPEST_STEP = 10  # operations within operations of one step
FLAT = ("add", "subtract")  # operations that are written in a row


class Terms:
    """The nodes between a variable and an output, those that have names, and the expressions between these."""

    names: dict[int, Name | Binding]  # by id of the node
    body: Body | None = None  # what the program says
    counting = False  # whether plain numbers are written as the program writes them
    headed = False  # whether the output is weighed by a head other than ones

    def __init__(
        self,
        bindings: Sequence[Binding],
        origins: Mapping[int, Origin],
        variable: Node,
        wrt: str,
        output: Node,
        of: str,
        body: Body | None = None,
    ) -> None:
        self.given = bindings
        self.body = body
        self.by_name: set[tuple[int, int]] = set()  # the operands, by span and place, that plain numbers change in
        self.variable = variable
        self.output = output
        self.of = of
        self.wrt = wrt
        self.constants: dict[int, Name | Binding] = {}
        self.bindings: dict[int, Binding] = {}
        self.kept: list[Any] = []
        self.origins = origins
        self.told: dict[int, Term] = {}
        self.learn(bindings)
        self.names.setdefault(variable.id, name_of(wrt))
        self.names.setdefault(output.id, name_of(of))
        self.order = nodes_below([output])
        self.useful = {variable.id}
        self.steps: list[Node] = []  # oldest first
        self.places: list[int] = []  # where each of them stands among all nodes
        self.find_steps()
        if self.split():
            self.steps, self.places = [], []
            self.find_steps()
        self.terms: dict[int, Term] = {}
        self.leaves: dict[int, Any] = {}

    def find_steps(self) -> None:
        """The named values that depend on the variable."""
        names, useful = self.names, self.useful
        for place, node in enumerate(reversed(self.order)):
            number = node.id
            for parent in (node.p, node.q) if node.__class__ is Lean and node.op.arity == 2 else node.parents:
                if parent is not None and parent.id in useful:
                    useful.add(number)
                    break
            if number in names and number in useful:
                self.steps.append(node)
                self.places.append(place)

    def split(self) -> bool:
        """Name what is within expressions that nobody could read, nor derive in one step; whether there were any."""
        letter = free_letter(self.given)
        number = 0
        for top, place, before in zip(self.steps, self.places, [0, *self.places], strict=False):
            if place - before <= DEEPEST_STEP:
                continue
            sizes: dict[int, tuple[int, int]] = {}
            for node in reversed(self.between(top)):
                below = [sizes[p.id] for p in node.parents if p is not None and p.id in sizes]
                op = node.op
                size = 1 + sum(size for size, _ in below)
                depth = (op is not None and op.name not in FLAT) + max((depth for _, depth in below), default=0)
                sizes[node.id] = size, depth
                if node is top or op is None or op.outputs > 1 or node.id not in self.useful:
                    continue
                if size >= LARGEST_STEP or depth >= DEEPEST_STEP:
                    number += 1
                    self.names[node.id] = Name(letter, number)
                    del sizes[node.id]
        return number > 0

    def learn(self, bindings: Sequence[Binding]) -> None:
        """Take the names that the program gave: the first that a value has."""
        held = self.bindings
        for binding in bindings:
            value = binding.value
            if not isinstance(value, NDArray):
                continue
            node = value.node
            if node is not None:
                held.setdefault(node.id, binding)
            else:
                data = plain(value)
                self.kept.append(data)
                self.constants.setdefault(id(data), binding)
        self.names = dict(held)

    def name(self, node: Node) -> str:
        return written(self.names[node.id])

    # Terms

    def symbol(self, node: Node) -> Term:
        """A node as its name."""
        return Term(node.value if node.op is not None else self.leaf_value(node), name=self.name(node))

    def leaf_value(self, node: Node) -> Any:
        if node.id in self.bindings:
            return plain(self.bindings[node.id].value)
        if not self.leaves:
            for child in self.order:
                for parent, operand in zip(child.parents, child.operands, strict=False):
                    if parent is not None and parent.op is None:
                        self.leaves[parent.id] = operand
        return self.leaves.get(node.id, np.zeros(node.shape, node.dtype))

    def term(self, node: Node, top: Node) -> Term:
        """A node's value in terms of named values; `top` itself is spelled out."""
        if node is not top and node.id in self.names:
            return self.symbol(node)
        known = self.terms.get(node.id)
        if known is not None:
            return known
        for inner in reversed(self.between(top)):
            if inner.id not in self.terms:
                self.terms[inner.id] = self.spelled(inner)
        return self.terms[node.id]

    def spelled(self, node: Node) -> Term:
        op = node.op
        if op is None:
            return self.constant(self.leaf_value(node) if node.value is None else node.value)
        if op is OUTPUT:
            assert node.parents[0] is not None
            inner = self.terms[node.parents[0].id]
            return Term(node.value, op=op, args=(inner,), statics=node.statics)
        statics = self.statics(node.statics)
        return applied(op, tuple(self.operands(node)), statics, node.value, derived=node.span is None)

    def statics(self, given: tuple[Any, ...]) -> tuple[Any, ...]:
        """The static parameters of an operation; arrays among them are written as the program has them."""
        return tuple(self.statics(x) if x.__class__ is tuple else self.key(x) for x in given)

    def key(self, value: Any) -> Any:
        if value.__class__ is not np.ndarray:
            return value
        term = self.constant(value)
        return called(value, str(term)) if term.op is not None or is_name(term.name) else value

    def operands(self, node: Node) -> list[Term]:
        made_: list[Term] = []
        for parent, operand in zip(node.parents, node.operands, strict=True):
            if parent is None:
                made_.append(self.number(node, len(made_)) if self.counting else self.constant(operand))
            elif parent.id in self.names:
                made_.append(self.symbol(parent))
            else:
                made_.append(self.terms[parent.id])
        return made_

    def constant(self, operand: Any) -> Term:
        """What has no derivative, as it is written: by its name, or as an expression of others that have one."""
        name = self.constants.get(id(operand))
        if name is not None:
            return Term(operand, name=written(name))
        known = self.told.get(id(operand))
        if known is None:
            origin = self.origins.get(id(operand))
            made = None if origin is None else self.told_of(origin, DEEPEST)
            known = term_of(operand)
            if made is not None and len(str(made)) <= LONGEST and (_has_name(made) or known.name.startswith("⟨")):
                known = made
            if origin is not None:  # else nothing holds the operand, and another may get its id
                self.told[id(operand)] = known
        return known

    @cached_property
    def counted(self) -> Counted | None:
        from ndgrad.lang.counted import Counted

        return None if self.body is None else Counted(self.body, self.given)

    @contextmanager
    def counting_numbers(self) -> Iterator[None]:
        """Meanwhile plain numbers are written as the program writes them: 0.1/k where it is 1/90 in that round."""
        known, self.terms, self.counting = self.terms, {}, True
        try:
            yield
        finally:
            self.terms, self.counting = known, False

    def number(self, node: Node, place: int) -> Term:
        """An operand that has no derivative, by the names in it if these tell rounds apart."""
        operand = node.operands[place]
        found = None
        if self.counted is not None and (id(node.span), place) in self.by_name:
            found = self.counted.read([node], place, [operand])
        return self.constant(operand) if found is None else found[0]

    def told_of(self, origin: Origin, depth: int) -> Term | None:
        """An operation as it is written; None where operations are nested too deep for a reader."""
        if depth == 0:
            return None
        terms: list[Term] = []
        for parent, operand in zip(origin.parents, origin.operands, strict=True):
            term: Term | None
            if parent is not None and parent.id in self.names:
                term = self.symbol(parent)
            elif parent is not None and parent.op is not None and parent.op is not OUTPUT:
                made = Origin(parent.value, parent.op, parent.operands, parent.parents, parent.statics)
                term = self.told_of(made, depth - 1)
            elif id(operand) in self.origins and id(operand) not in self.constants:
                term = self.told_of(self.origins[id(operand)], depth - 1)
            else:
                term = self.constant(operand)
            if term is None:
                return None
            terms.append(term)
        if (
            origin.op.name == "eye"
            and len(set(np.shape(origin.value))) == 1
            and origin.value.trace() == len(origin.value)
        ):
            return Term(origin.value, name="I")
        return applied(origin.op, tuple(terms), self.statics(origin.statics), origin.value)

    def between(self, top: Node) -> list[Node]:
        """`top` and the unnamed nodes that its expression is made of, newest first."""
        seen = {top.id}
        found = [top]
        stack = [p for p in top.parents if p is not None]
        while stack:
            node = stack.pop()
            if node.id in seen or node.id in self.names:
                continue
            seen.add(node.id)
            found.append(node)
            stack.extend(p for p in node.parents if p is not None)
        return sorted(found, key=lambda n: n.id, reverse=True)

    # Backwards

    def shares(self, top: Node, g: Any) -> list[tuple[Node, Term, Term | None]]:
        """For each named value under `top`: its share of the adjoint, and ∂top/∂it where a factor says it."""
        arriving = Term(g, name=adjoint_name(self.of, self.name(top), self.headed))
        if top is self.output and np.all(np.equal(g, 1)):
            arriving = Term(g, number=1)
        whole = self.pulled(top, arriving)
        factors: dict[int, Term] = {}
        if all(n.op is not None and n.op.elementwise for n in self.between(top)):
            factors = {node.id: term for node, term in self.pulled(top, Term(1, number=1), summed=False)}
        if not all(np.all(np.isfinite(term.value)) for term in (*(share for _, share in whole), *factors.values())):
            whole, factors = self.masked(top, g, whole, factors)
        return [(node, term, factors.get(node.id)) for node, term in whole]

    def masked(
        self, top: Node, g: Any, whole: Sequence[tuple[Node, Term]], factors: Mapping[int, Term]
    ) -> tuple[list[tuple[Node, Term]], dict[int, Term]]:
        """Shares and factors with the values that the reverse sweep gives them: where no path reaches an entry, as
        where a condition in brackets is false, it is zero whatever stands beside the bracket."""
        below = [node for node, _ in whole]
        stops = frozenset(node.id for node in below)

        def values(head: Any) -> dict[int, Any]:
            found, _ = sweep([(top, np.array(head, dtype=top.dtype))], below, stops=stops)
            return {number: np.asarray(plain(bar)) for number, (_, bar) in found.items()}

        shares, slopes = values(np.broadcast_to(g, top.shape)), values(np.ones(top.shape))
        told = {i: _told(term, slopes.get(i)) for i, term in factors.items()}
        return [(node, _told(term, shares.get(node.id))) for node, term in whole], told

    def pulled(self, top: Node, g: Term, summed: bool = True) -> list[tuple[Node, Term]]:
        """The reverse sweep over one expression, in terms: named nodes with their cotangents.

        summed: cotangents take their operand's shape, as broadcasting's transpose says.
        """
        self.term(top, top)
        bars: dict[int, Any] = {top.id: g}
        reached: dict[int, Node] = {}
        for node in self.between(top):
            bar: Any = bars.get(node.id)
            if bar is None or node.op is None or node.id not in self.useful:
                continue
            if node.op is OUTPUT:
                main = node.parents[0]
                assert main is not None
                assert main.op is not None
                bars.setdefault(main.id, [None] * main.op.outputs)[node.statics[0]] = bar
                continue
            operands, statics = tuple(self.operands(node)), self.statics(node.statics)
            bar = tuple(bar) if isinstance(bar, list) else bar
            y = self.symbol(node) if node.id in self.names else self.terms[node.id]
            for parent, c in zip(node.parents, partials_of(node.op, bar, y, operands, statics), strict=True):
                if parent is None or c is None or parent.id not in self.useful:
                    continue
                if summed and c.shape != parent.shape:
                    c = unbroadcast(c, parent.shape, _sums)
                held = bars.get(parent.id)
                bars[parent.id] = c if held is None else held + c
                if parent.id in self.names:
                    reached[parent.id] = parent
        return [(node, bars[i]) for i, node in sorted(reached.items(), reverse=True)]


def free_letter(bindings: Sequence[Binding]) -> str:
    """A letter for values that the program gives no name: one that it has no use for."""
    taken = {binding.name for binding in bindings}
    return next(letter for letter in "tvuqhm" if letter not in taken or letter == "m")


def _told(term: Term, value: Any) -> Term:
    """A term for another value, where that has its shape: a factor that is summed over afterwards has not."""
    return term if value is None or np.shape(value) != term.shape else valued(term, value)


def written(name: Name | Binding) -> str:
    """A name as formulas have it."""
    return subscripted(name.name, name.number)


def _has_name(term: Term) -> bool:
    return any(isinstance(part, Term) and is_name(part.name) for part in parts_of(term))


class _Sums:
    """unbroadcast's namespace over terms."""

    @staticmethod
    def sum(x: Term, axis: tuple[int, ...], keepdims: bool = False) -> Term:
        if len(axis) == x.ndim and not keepdims:
            return made("sum", x)
        return made("sum", x, axis=axis[0] if len(axis) == 1 else axis, keepdims=keepdims)

    @staticmethod
    def broadcast_to(x: Term, shape: Any) -> Term:
        return made("broadcast_to", x, shape)


_sums = _Sums()
