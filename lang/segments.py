"""Long recorded loops within a budget of memory: residuals are dropped, and computed again in the sweep.

Rounds of a loop are recorded as ever. When what they keep would exceed its share of the budget, they
become one node, a segment: it holds the values of the variables from before them, and its reverse rule
runs them again, recorded, and walks through that. Where the values held grow too many, neighbours are
joined; a segment that is run again is cut up by the same rule. So a round is computed again about as
often as the logarithm of their number to the base 8, and at least about so many times eight copies of
the variables are held, however small the budget.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from ndgrad.apply import SEGMENT, output
from ndgrad.errors import Span
from ndgrad.frozen import Frozen
from ndgrad.lang.rerun import Rerun, Slot, at, frames_of, recorded
from ndgrad.lang.scopes import FIRST
from ndgrad.lang.scopes import STATE as RUN
from ndgrad.lang.values import Frame
from ndgrad.ndarray import NDArray, plain
from ndgrad.ops import random
from ndgrad.tape import STATE, General, Node, Remote, owner_of, tick

OPEN = 4  # the part of the budget that recorded rounds may take before they become a segment
HELD = 2  # the part that the values held by segments may take
FEW = 8  # segments of a loop that are never joined
LEAST = 1 << 16  # bytes of each part, however small the budget: a segment has its own cost
NODE = 300  # bytes of a node, about
OWN = 2000  # bytes of a segment without the values, about
AHEAD = 4096  # rounds after which a loop that records nothing is looked at again

Rounds = Callable[[int], Iterator[Any]]  # from a round on, the signals that the rounds of a loop end with


class Recomputed(Frozen):
    """What a budget did: how many segments were made, and how many rounds were computed again."""

    segments: int
    rounds: int


class Budget:
    """The memory that the recorded rounds of a run may keep.

    limit    bytes, about
    open     the part for rounds that are recorded and not yet a segment; most, the part for segments
    held     bytes that live segments hold
    """

    def __init__(self, limit: int) -> None:
        self.open = max(limit // OPEN, LEAST)
        self.most = max(limit // HELD, LEAST)
        self.held = 0
        self.segments = 0
        self.again = 0

    def report(self) -> Recomputed:
        return Recomputed(self.segments, self.again)

    def over(self, rounds: Rounds, f: Frame, span: Span, at: int = 0, count: int | None = None) -> Iterator[Any]:
        """Run a loop from round `at` on, all of it or `count` rounds, made into segments as the budget asks.

        rounds: the loop. f: the frame that it runs in. span: where it is written.
        """
        if STATE.recording is not True or STATE.traces:
            yield from _first(rounds(at), count)
            return
        row = _Row(self)
        end = None if count is None else at + count
        segment = Segment(self, rounds, f, span, at)
        seen = segment.buffers()
        since, kept = segment.begun, 0
        look = at + 1
        for signal in rounds(at):
            at += 1
            yield signal
            if at == end or signal is not None:
                return
            if at < look:
                continue
            now = tick()
            kept += _recorded(f, since, seen)
            since = now
            past = at - segment.at
            if kept + kept // past <= self.open:
                left = (self.open - kept) * past // kept if kept else AHEAD
                look = at + max(1, min(left // 2, 4 * past, AHEAD))
                continue
            node = segment.close(at)
            if node is not None:
                row.add(node)
            segment = Segment(self, rounds, f, span, at)
            seen = segment.buffers()
            since, kept, look = segment.begun, 0, at + 1


class _Row:
    """The segments of a loop in turn, as their nodes. Neighbours are joined where segments hold too much.

    unit  how many segments as they were first closed one may stand for
    """

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self.nodes: list[General] = []
        self.unit = 1

    def add(self, node: General) -> None:
        nodes = self.nodes
        nodes.append(node)
        if self.budget.held > self.budget.most and len(nodes) > FEW:
            self.unit *= 2
            old, nodes[:] = nodes[:], []
            for one in old:
                self.put(one)
        elif len(nodes) > 1:
            self.put(nodes.pop())

    def put(self, node: General) -> None:
        """Add a segment, joined with the one before it where they may be one."""
        segment: Segment = node.statics[0]
        if self.nodes:
            last: Segment = self.nodes[-1].statics[0]
            if last.parts + segment.parts <= self.unit:
                segment.join(last)
                node.parents = segment.parents()
                self.nodes.pop()
        self.nodes.append(node)


class Segment(Rerun):
    """Rounds that were recorded, and dropped."""

    def __init__(self, budget: Budget, rounds: Rounds, f: Frame, span: Span, at: int) -> None:
        self.frame = f
        self.training = STATE.training
        self.frames = [(frame, frame[:]) for frame in frames_of(f)]
        self.slots = []
        self.budget = budget
        self.rounds = rounds
        self.span = span
        self.at = at
        self.count = 0
        self.draws = random.generator().bit_generator.state
        self.begun = tick()
        self.parts = 1
        self.bytes = 0

    def __del__(self) -> None:
        self.budget.held -= self.bytes

    def __str__(self) -> str:
        return f"rounds {self.at + 1} to {self.at + self.count} of the loop in line {self.span.line}"

    def buffers(self) -> set[int]:
        """The buffers that there were before, by id."""
        return {id(owner_of(plain(x))) for frame, _ in self.frames for x in _arrays(frame)}

    def parents(self) -> tuple[Node, ...]:
        """The nodes of all that the rounds can read."""
        nodes = {x.node.id: x.node for _, values in self.frames for x in _arrays(values) if x.node is not None}
        return tuple(nodes.values())

    def close(self, at: int) -> General | None:
        """End before round `at`: variables get arrays that know only of this segment. None if nothing was recorded.

        Returns the segment's node, which refers to the segment, and is not referred to by it: that would keep both
        until garbage is collected, which it is not in a sweep.
        """
        f = self.frame
        found: dict[int, tuple[Slot, NDArray]] = {}
        for slot, x in _places(f[FIRST:], FIRST):
            if x.node is not None and x.node.id > self.begun:
                found.setdefault(id(x), (slot, x))
        if not found:
            return None
        self.count = at - self.at
        self.slots = [slot for slot, _ in found.values()]
        node = General(SEGMENT, self.parents(), (None,), (self,), (len(found),), np.dtype(np.float64))
        node.span = self.span
        fresh = {id(x): output(node, i, plain(x)) for i, (_, x) in enumerate(found.values())}
        f[FIRST:] = _renewed(f[FIRST:], fresh)
        self.bytes = OWN + sum(plain(y).nbytes for y in fresh.values())
        self.budget.held += self.bytes
        self.budget.segments += 1
        return node

    def join(self, first: Segment) -> None:
        """Take in the segment before this one."""
        self.at, self.count, self.parts = first.at, first.count + self.count, first.parts + self.parts
        self.frames, self.draws = first.frames, first.draws

    def again(self) -> list[Any]:
        f = self.frame
        found = [(frame, frame[:]) for frame, _ in self.frames]
        self.budget.again += self.count
        try:
            for frame, values in self.frames:
                frame[:] = values
            with recorded(f[RUN], self.training, self.draws):
                for _ in self.budget.over(self.rounds, f, self.span, self.at, self.count):
                    pass
            return [at(f, slot) for slot in self.slots]
        finally:
            for frame, values in found:
                frame[:] = values


def _first(signals: Iterator[Any], count: int | None) -> Iterator[Any]:
    """The first `count` signals."""
    if count is None:
        yield from signals
        return
    for _ in range(count):
        yield next(signals)


def _arrays(values: Iterable[Any]) -> Iterator[NDArray]:
    """The arrays among values, and in tuples among them."""
    for value in values:
        if isinstance(value, NDArray):
            yield value
        elif value.__class__ is tuple:
            yield from _arrays(value)


def _places(values: Iterable[Any], first: int = 0, around: Slot = ()) -> Iterator[tuple[Slot, NDArray]]:
    """The arrays among values that are numbered from `first` on, and in tuples there, each with its place."""
    for i, value in enumerate(values, first):
        if isinstance(value, NDArray):
            yield (*around, i), value
        elif value.__class__ is tuple:
            yield from _places(value, 0, (*around, i))


def _renewed(values: Iterable[Any], fresh: dict[int, NDArray]) -> list[Any]:
    """The values with others in the place of some arrays, by id."""
    return [
        tuple(_renewed(value, fresh)) if value.__class__ is tuple else fresh.get(id(value), value) for value in values
    ]


def _recorded(f: Frame, since: int, seen: set[int]) -> int:
    """How many bytes the nodes younger than `since` keep, on which values in the frame depend; notes the buffers."""
    total = 0
    known: set[int] = set()
    stack = [x.node for x in _arrays(f[FIRST:])]
    while stack:
        node = stack.pop()
        if node is None or node.id <= since or node.id in known:
            continue
        known.add(node.id)
        total += NODE + _size(node.saved, seen)
        stack += node.parents
    return total


def _size(value: Any, seen: set[int]) -> int:
    """The bytes of what a node saves, but for buffers that have been seen."""
    if value.__class__ is tuple or value.__class__ is list:
        return sum([_size(part, seen) for part in value])
    if isinstance(value, NDArray):
        value = plain(value)
    if isinstance(value, (np.ndarray, Remote)):
        value = owner_of(value)
    if id(value) in seen:
        return 0
    size = getattr(value, "nbytes", None)  # of deferred values too
    if not isinstance(size, int) or size < 64:
        return 0
    seen.add(id(value))
    return size
