"""Shapes and dtypes of a program before it runs: it is followed once with what is known of its values.

Where both ways are possible, both are followed and what comes out is joined; loops are followed until nothing
changes. Nothing depends on values, so that what is found holds for every run that comes there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from ndgrad.errors import Span
from ndgrad.lang import problems, syntax, transfer
from ndgrad.lang.abstract import (
    UNKNOWN,
    Closure,
    Frame,
    Rows,
    Unsettled,
    Unsure,
    Weak,
    described,
    is_number,
    join,
    joined,
    same,
)
from ndgrad.lang.builtins import DTYPES
from ndgrad.lang.flow import constant
from ndgrad.lang.scopes import assigned
from ndgrad.lang.shape_expressions import Expressions, OutOfSteps
from ndgrad.shapes import Abstract

ROUNDS = 8  # of a loop, until what still changes is given up
STEPS_EACH = 80  # for each node of the program, so that the time is linear


class World(Expressions):
    """The program with one choice of sizes.

    sizes   of the names in declarations
    shapes  what each assignment gives its variable, by id of the name
    """

    def __init__(
        self, body: syntax.Body, sizes: Mapping[str, int], given: Mapping[str, Any] | None, names: Sequence[str]
    ) -> None:
        steps = STEPS_EACH * sum(1 for _ in syntax.walk(body)) + 2000
        super().__init__(Frame((*assigned(body.statements), *names), None), given, steps, self.block)
        self.sizes = sizes
        self.shapes: dict[int, Any] = {}
        for name in names:
            self.set(name, (given or {}).get(name, UNKNOWN), None)
        with suppress(OutOfSteps):
            self.block(body.statements)

    # Statements

    def block(self, statements: Sequence[syntax.Statement]) -> None:
        for statement in statements:
            if self.frame.values is None:
                return
            self.tick()
            getattr(self, _STATEMENTS[statement.__class__])(statement)

    def set(self, name: str, value: Any, node: syntax.Node | None) -> None:
        assert self.frame.values is not None
        self.frame.values[name] = value
        if node is not None:
            before = self.shapes.get(id(node))
            self.shapes[id(node)] = value if before is None else join(before, value)
            self.places[id(node)] = node

    def store(self, target: syntax.Expression, value: Any, place: Span) -> None:
        match target:
            case syntax.Name(name=name):
                self.set(name, value, target)
            case syntax.TupleLiteral(entries=entries):
                parts = self.attempt(target, lambda given: _unpacked(given, len(entries), place), value)
                for i, part in enumerate(entries):
                    self.store(part, UNKNOWN if parts is UNKNOWN else parts[i], place)
            case syntax.Index(value=inside):
                key = self.key(target.key)
                x = self.expression(inside)
                made = self.attempt(
                    target, lambda x, key, value: transfer.written(x, key, value, target, place), x, key, value
                )
                self.store(inside, made, place)

    def assign(self, node: syntax.Assign) -> None:
        value = self.expression(node.value)
        for target in node.targets:
            self.store(target, value, node.value.span)

    def augmented(self, node: syntax.Augmented) -> None:
        target = node.target
        old = self.expression(target)
        value = self.expression(node.value)
        made = self.sign(node, node.operator, old, value, (target.span, node.value.span))
        self.store(target, made, node.value.span)

    def evaluate(self, node: syntax.Evaluate) -> None:
        self.expression(node.value)

    def output(self, node: syntax.Output) -> None:
        for part in node.shown:
            value = self.expression(part.value)
            if part.name is not None:
                self.set(part.name, value, part)

    def assert_(self, node: syntax.Assert) -> None:
        self.condition(node.condition)
        if node.message is not None:
            self.unsure(self.expression, node.message)
        self.guarded = True

    def pass_(self, node: syntax.Statement) -> None:
        return

    def input(self, node: syntax.Input) -> None:
        default = None if node.default is None else self.unsure(self.expression, node.default)
        if self.given is not None:
            value = self.given.get(node.name, UNKNOWN if default is None else default)
            value = self.attempt(node, lambda given: transfer.operand(given, "an input", node.span), value)
            if is_number(value):
                value = Abstract((), float)
        elif node.dims is None or any(d.size == "..." for d in node.dims):
            value = UNKNOWN
        else:
            value = Unsure(tuple(self.size(dimension) for dimension in node.dims))
        dtype = None if node.dtype is None else "float64" if node.dtype == "float" else DTYPES.get(node.dtype)
        if dtype is not None and isinstance(value, Abstract):
            value = Abstract(value.shape, dtype)
        self.set(node.name, value, node)
        self.name_sizes(node, value)

    def size(self, dimension: syntax.Dimension) -> int:
        return dimension.size if isinstance(dimension.size, int) else self.sizes[symbol(dimension)]

    def name_sizes(self, node: syntax.Input, value: Any) -> None:
        """Give the names in a declaration their sizes."""
        dims = node.dims or ()
        dots = [i for i, d in enumerate(dims) if d.size == "..."]
        for i, dimension in enumerate(dims):
            if not isinstance(dimension.size, str) or dimension.size in ("_", "..."):
                continue
            found: Any = Weak(int)
            if self.given is None:
                found = self.size(dimension)
            elif isinstance(value, Abstract) and (len(value.shape) == len(dims) or dots):
                place = i if not dots or i < dots[0] else i - len(dims)
                if -len(value.shape) <= place < len(value.shape):
                    found = value.shape[place]
            self.set(dimension.size, found, None)

    def define(self, node: syntax.Define) -> None:
        self.set(node.name, Closure(node, self.frame, self.defaults(node.parameters)), None)

    def linked(self, node: syntax.Linked) -> None:
        outside, self.frame = self.frame, Frame(assigned(node.library.statements), None)
        try:
            self.block(node.library.statements)
            made = self.frame.values or {}
        finally:
            self.frame = outside
        for name in node.library.functions:
            self.set(name, made.get(name, UNKNOWN), None)

    # Branches and loops

    def if_(self, node: syntax.If) -> None:
        ends: list[dict[str, Any]] = []
        before = self.sure
        open_, leaves = False, False  # whether a condition is not known; whether a branch leaves
        blocks = [(branch.condition, branch.body) for branch in node.branches]
        for condition, body in (*blocks, (None, node.otherwise)):
            holds = True if condition is None else self.condition(condition)
            open_ = open_ or holds is None
            if holds is False:
                continue
            assert self.frame.values is not None
            start = dict(self.frame.values)
            self.sure = before and not open_
            self.block(body)
            if self.frame.values is None:
                leaves = True
            else:
                ends.append(self.frame.values)
            self.frame.values = start
            if holds is True:
                break
        self.sure = before and not (open_ and leaves)
        self.frame.values = joined(ends)

    def while_(self, node: syntax.While) -> None:
        if constant(node.condition) is False:
            return
        endless = constant(node.condition) is True
        self.loop(node, node.body, lambda: self.condition(node.condition), endless, endless)

    def for_(self, node: syntax.For) -> None:
        value = self.expression(node.iterable)
        found = self.attempt(node.iterable, lambda given: transfer.rows(given, node.iterable.span), value)
        row, count = (UNKNOWN, None) if found is UNKNOWN else found
        if count == 0:
            return
        runs = count is not None and (self.given is not None or _is_count(node.iterable))
        self.loop(node, node.body, lambda: self.store(node.target, row, node.iterable.span), runs, False)

    def loop(
        self,
        node: syntax.Statement,
        body: Sequence[syntax.Statement],
        begin: Callable[[], Any],
        runs: bool,
        endless: bool,
    ) -> None:
        """Follow a loop. runs: whether every run comes into it; endless: whether only `break` leaves it."""
        before = self.sure
        assert self.frame.values is not None
        state = dict(self.frame.values)
        ways_out: list[dict[str, Any]] = []
        for round in range(ROUNDS + 2):
            if round >= ROUNDS:  # what still changes is given up
                state.update(dict.fromkeys(assigned((node,)), UNKNOWN))
            self.frame.values = dict(state)
            self.sure = before and runs
            ways_out = []
            again: list[dict[str, Any]] = []
            self.loops.append((ways_out, again))
            begin()
            self.block(body)
            self.loops.pop()
            if self.frame.values is not None:
                again.append(self.frame.values)
            merged = joined([state, *again])
            assert merged is not None
            if merged.keys() == state.keys() and all(same(merged[name], state[name]) for name in state):
                break
            state = merged
        self.sure = before and not any(isinstance(part, syntax.Return) for s in body for part in syntax.walk(s))
        self.frame.values = joined(ways_out if endless else [state, *ways_out])

    def break_(self, node: syntax.Break) -> None:
        if self.loops and self.frame.values is not None:
            self.loops[-1][0].append(self.frame.values)
        self.frame.values = None

    def continue_(self, node: syntax.Continue) -> None:
        if self.loops and self.frame.values is not None:
            self.loops[-1][1].append(self.frame.values)
        self.frame.values = None

    def return_(self, node: syntax.Return) -> None:
        self.returns.append(None if node.value is None else self.expression(node.value))
        self.frame.values = None


def symbol(dimension: syntax.Dimension) -> str:
    """The name under which a size is sampled: each `_` is one of its own."""
    return f"_{dimension.span.start}" if dimension.size == "_" else str(dimension.size)


def symbols(body: syntax.Body) -> list[str]:
    """The sizes that a program's declarations leave open."""
    found: dict[str, None] = {}
    for statement in body.statements:
        if isinstance(statement, syntax.Input):
            for dimension in statement.dims or ():
                if isinstance(dimension.size, str) and dimension.size != "...":
                    found[symbol(dimension)] = None
    return list(found)


def _is_count(node: syntax.Expression) -> bool:
    """Whether this is range(3) or the like."""
    return isinstance(node, syntax.Call) and all(isinstance(a, syntax.Number) for a in node.arguments)


def _unpacked(value: Any, count: int, place: Span) -> tuple[Any, ...]:
    """The parts of a value for the names on the left. E207."""
    if value is UNKNOWN or isinstance(value, Rows):
        raise Unsettled
    if value.__class__ is tuple and len(value) == count:
        return tuple(value)
    if isinstance(value, range) and len(value) == count:
        return tuple(value)
    if isinstance(value, Abstract) and value.shape and value.shape[0] == count:
        return (transfer.rows(value, place)[0],) * count
    raise problems.raised(problems.nothing_to_unpack(place, count, described(value)))


_STATEMENTS = {
    syntax.Assign: "assign",
    syntax.Augmented: "augmented",
    syntax.Evaluate: "evaluate",
    syntax.Output: "output",
    syntax.Input: "input",
    syntax.If: "if_",
    syntax.While: "while_",
    syntax.For: "for_",
    syntax.Break: "break_",
    syntax.Continue: "continue_",
    syntax.Return: "return_",
    syntax.Pass: "pass_",
    syntax.Define: "define",
    syntax.Linked: "linked",
    syntax.Assert: "assert_",
}
