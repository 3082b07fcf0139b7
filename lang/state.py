"""What a run carries along: its inputs, outputs, limits, and the record of what it did."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ndgrad.errors import Span
from ndgrad.lang.conditions import Path
from ndgrad.ndarray import NDArray
from ndgrad.tape import Origin


class State:
    """What a run has done so far.

    given        values bound by the caller, by name; inputs, the arrays made of them
    wanted       names to differentiate by
    stopped      what ended the run from outside, and its limit: ("time", seconds) or ("memory", bytes)
    outputs      what `output` showed, by name, with the place
    last         names and values of the last statement, where there is no output
    sizes        what the names in the shapes of inputs stand for, with the place
    follow       whether every float input is tracked, so that the record tells how all values were made
    budget       how much recorded loops may keep (`segments.Budget`), None for any
    compiles     whether loops over small arrays may be compiled
    compiled     operations that compiled loops computed; kept, how many of them for the way back
    tracing      what traces a round now, to be compiled (`decisions.Tracer`), else None
    bindings     (name, number, value, span, text) of every assignment, if they are recorded
    origins      how values came about that no derivative goes through, by the id of their data, if that is recorded
    """

    __slots__ = (
        "__weakref__",
        "bindings",
        "bound_by",
        "budget",
        "compiled",
        "compiles",
        "depth",
        "follow",
        "given",
        "inputs",
        "kept",
        "last",
        "limit",
        "origins",
        "outputs",
        "path",
        "show",
        "sizes",
        "steps",
        "stopped",
        "times",
        "tracing",
        "wanted",
    )

    def __init__(
        self,
        given: dict[str, Any],
        wanted: frozenset[str],
        limit: int,
        show: Callable[[str], None],
        bound_by: dict[str, str],
        traced: bool,
    ) -> None:
        self.given = given
        self.wanted = wanted
        self.limit = self.steps = limit
        self.stopped: tuple[str, float] | None = None
        self.show = show
        self.bound_by = bound_by
        self.depth = 0
        self.budget: Any = None
        self.follow = traced
        self.compiles = not traced
        self.compiled = self.kept = 0
        self.tracing: Any = None
        self.inputs: dict[str, NDArray] = {}
        self.outputs: dict[str, tuple[Any, Span]] = {}
        self.last: list[tuple[str, Any, Span]] = []
        self.sizes: dict[str, tuple[int, Span]] = {}
        self.path = Path()
        self.bindings: list[tuple[str, int, Any, Span, str]] | None = [] if traced else None
        self.origins: dict[int, Origin] = {}
        self.times: dict[str, int] = {}

    def bind(self, name: str, value: Any, span: Span, text: str) -> None:
        """Record that `name` got `value`."""
        assert self.bindings is not None
        number = self.times.get(name, -1) + 1
        self.times[name] = number
        self.bindings.append((name, number, value, span, text))
