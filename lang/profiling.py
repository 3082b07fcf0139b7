"""The time of every line of a program, forward and backward.

A profiled run is compiled with a clock around every statement and every expression that computes
something: the time goes to the innermost one, so a line has what it takes itself and what no line
that it calls accounts for. The reverse sweep tells of every node that it arrives at, and nodes know
where they are written. Operations are computed one by one meanwhile: deferred ones would be paid for where their values
are asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Any

from ndgrad.errors import Source, Span
from ndgrad.frozen import Frozen
from ndgrad.lang import syntax
from ndgrad.lang.interpreter import Compiler
from ndgrad.lang.result import Result
from ndgrad.lang.running import Head
from ndgrad.lang.running import Run as ProgramRun
from ndgrad.lang.scopes import Scope
from ndgrad.lang.state import State
from ndgrad.lang.values import Frame, Run
from ndgrad.ndarray import NDArray
from ndgrad.tape import STATE, Node

_LEAVES = (syntax.Name, syntax.Number, syntax.Text, syntax.Truth, syntax.Nothing, syntax.Everything)
_NEVER = 1 << 62  # bytes from which arrays are deferred


class Line(Frozen):
    """What one line took.

    file      the file that it is in, None for the program itself
    line      its number, from 1, and `text`, what is written there
    calls     how often it ran: the most of any of its parts, so a loop on one line counts its rounds
    forward, backward   seconds
    """

    file: str | None
    line: int
    text: str
    calls: int
    forward: float
    backward: float


class Profile(Frozen):
    """The lines that ran, the slowest first."""

    lines: tuple[Line, ...]

    @property
    def forward(self) -> float:
        """Seconds of all lines together, forward."""
        return sum(line.forward for line in self.lines)

    @property
    def backward(self) -> float:
        """Seconds of all lines together, backward."""
        return sum(line.backward for line in self.lines)


class _Place:
    """A line while it is being timed. The times are cells, which the clock fills."""

    __slots__ = ("backward", "counts", "forward")

    def __init__(self) -> None:
        self.counts: list[list[int]] = []
        self.forward = [0.0]
        self.backward = [0.0]


class _Clock:
    """Where the time goes: every moment between `start` and `stop` belongs to one cell."""

    def __init__(self) -> None:
        self.places: dict[tuple[Source, int], _Place] = {}
        self.outside = [0.0]
        self.cell = self.outside
        self.since = perf_counter()

    def switch(self, cell: list[float]) -> list[float]:
        """Let the time from now on go to `cell`. Returns where it went before."""
        now = perf_counter()
        before = self.cell
        before[0] += now - self.since
        self.cell = cell
        self.since = now
        return before

    def place(self, span: Span) -> _Place:
        key = span.source, span.line
        found = self.places.get(key)
        if found is None:
            found = self.places[key] = _Place()
        return found

    def around(self, work: Run, span: Span) -> Run:
        """`work`, whose time and calls count for the line of `span`."""
        place = self.place(span)
        cell, switch = place.forward, self.switch
        count = [0]
        place.counts.append(count)

        def run(f: Frame) -> Any:
            count[0] += 1
            before = switch(cell)
            try:
                return work(f)
            finally:
                switch(before)

        return run

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Time that belongs to no line, unless something within says so."""
        before = self.switch(self.outside)
        try:
            yield
        finally:
            self.switch(before)

    def profile(self, program: Source) -> Profile:
        """What has been found so far."""
        lines = [
            Line(
                None if source is program else source.name,
                number,
                source.line(number).strip(),
                max((count[0] for count in place.counts), default=0),
                place.forward[0],
                place.backward[0],
            )
            for (source, number), place in self.places.items()
        ]
        ran = [line for line in lines if line.calls]
        return Profile(tuple(sorted(ran, key=lambda line: line.forward + line.backward, reverse=True)))


def _timing(clock: _Clock, kind: type[Compiler]) -> type[Compiler]:
    """A compiler of that kind whose closures tell the clock."""

    class Timing(kind):  # type: ignore[valid-type, misc]
        compiles = False  # the lines of a compiled loop cannot be told apart

        def compile(self, node: syntax.Expression) -> Run:
            made: Run = super().compile(node)
            if isinstance(node, _LEAVES) or id(node) in self.constants:
                return made
            return clock.around(made, node.span)

        def links(self, node: syntax.Comparison) -> list[Any]:
            def timed(compare: Any, span: Span) -> Any:
                cell = clock.place(span).forward

                def run(a: Any, b: Any) -> Any:
                    before = clock.switch(cell)
                    try:
                        return compare(a, b)
                    finally:
                        clock.switch(before)

                return run

            return [(left, right, timed(compare, span), span) for left, right, compare, span in super().links(node)]

        def block(self, statements: tuple[syntax.Statement, ...]) -> Run:
            closures = []
            for statement in statements:
                closures.append(clock.around(super().block((statement,)), statement.span))  # noqa: PERF401 - super()

            def run(f: Frame) -> Any:
                for closure in closures:
                    signal = closure(f)
                    if signal is not None:
                        return signal
                return None

            return run

    return Timing


class _Visits(list[Node]):
    """Takes the nodes of a sweep: from the arrival at one to the next, the time is that of its line, backward.

    A node that no line is known of is part of what the one before it was made by.
    """

    def __init__(self, clock: _Clock) -> None:
        super().__init__()
        self.clock = clock
        self.known: dict[int, tuple[Span, list[float]]] = {}  # by the id of the span, which is kept for it

    def append(self, node: Node) -> None:
        span = node.span
        if span is None or node.op is None:
            return
        found = self.known.get(id(span))
        if found is None:
            found = self.known[id(span)] = span, self.clock.place(span).backward
        self.clock.switch(found[1])


class Profiled(ProgramRun):
    """A run that takes the time of every line."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.clock = _Clock()
        kind = Compiler
        if self.asked.nan_check:
            from ndgrad.lang.nan_check import Checking

            kind = Checking
        self.compiler = _timing(self.clock, kind)
        self.made: dict[frozenset[str], tuple[Scope, Run]] = {}

    def go(self) -> Result:
        before = STATE.defer_from
        STATE.defer_from = _NEVER
        try:
            result = super().go()
        finally:
            STATE.defer_from = before
        result.profile = self.clock.profile(self.program.source)
        return result

    def compiled(self, bound: frozenset[str]) -> tuple[Scope, Run]:
        if bound not in self.made:
            self.made[bound] = self.program.compiled(bound, self.trace, compiler=self.compiler)
        return self.made[bound]

    def gradients(self, wanted: tuple[str, ...], state: State, heads: list[Head]) -> dict[str, NDArray]:
        self.visits = _Visits(self.clock)
        with self.clock.aside():
            return super().gradients(wanted, state, heads)
