"""Loops over small arrays as straight Python source, once they have made some rounds.

A loop whose rounds do the same operations on the same shapes is traced through its own closures: the variables are
stand-ins for one round, and what comes out is a `ndgrad.plans.rounds.Rounds`, one function that runs rounds and one
that goes back through them. From then on the loop runs in stretches of rounds by it, and a stretch is one node of the
record. Where anything is out of the ordinary, the closures run the rounds as ever: at the last round, at an
error, where a round branches as none before it, while a run is traced or profiled, in forward mode, and in a
second derivative or a gradient that is not finite, for which a stretch is run again, recorded.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from ndgrad.apply import SEGMENT, output
from ndgrad.errors import Span
from ndgrad.lang import syntax
from ndgrad.lang.conditions import Path
from ndgrad.lang.decisions import Tracer, clause_of, is_noted, record_of
from ndgrad.lang.interpreter import CONTINUE
from ndgrad.lang.kinds import (
    Kinds,
    Refused,
    alike,
    bare,
    compared_in,
    filled,
    has_entries,
    is_made,
    is_number,
    leaves_of,
    outcome_of,
    paths_in,
    renumbered,
    runs,
    sequence_of,
)
from ndgrad.lang.rerun import Slot, at, frames_of
from ndgrad.lang.scalars import ARITHMETIC, OPERATIONS, negative
from ndgrad.lang.scopes import FIRST, assigned, target_names
from ndgrad.lang.scopes import STATE as RUN
from ndgrad.lang.stretches import Stretch
from ndgrad.lang.values import UNBOUND, Frame, Lazy, Run
from ndgrad.ndarray import NDArray, new_array
from ndgrad.ops import find
from ndgrad.plans.rounds import Clause, Guard, Rounds, RoundTrace
from ndgrad.plans.tracing import Reg
from ndgrad.tape import KEEPING, STATE, General

if TYPE_CHECKING:
    from ndgrad.lang.interpreter import Compiler

SHORTEST, LONGEST = 32, 4096  # rounds of a stretch
QUICK = 0.01  # seconds that a stretch may take and still be followed by a longer one
VARIANTS = 8  # kinds of values that one loop is compiled for at a time
PAYS = 400  # compiled rounds that are worth compiling a loop for further kinds of values
FEW, SHORT = 8, 8  # stretches in turn, of fewer rounds than that, after which a loop is left to the closures
LEFT = 255  # executions that a loop is left alone for at most, where it is tried in vain
COPIES = 1 << 26  # bytes of arrays that an execution may copy to write to, and keep for a second derivative
TRIES = 3  # rounds of one execution at which a loop is tried in vain

_PLAIN = (syntax.Assign, syntax.Augmented, syntax.Pass)


class Unpaid(Refused):
    """The loop has been compiled for many kinds of values, and has not made many rounds of each."""


def _power(a: Any, b: Any) -> Any:
    """a ** b. Refused for integers where it is a fraction: its kind would depend on the round."""
    if a.__class__ is int and b.__class__ is int and b < 0:
        raise Refused
    return ARITHMETIC["**"](a, b)


SCALARS: dict[str, Callable[..., Any]] = {
    **{OPERATIONS[sign]: ARITHMETIC[sign] for sign in ("+", "-", "*", "/", "//", "%")},
    "power": _power,
    "negative": negative,
}


class Variant:
    """A loop compiled for values of some kinds.

    carried   where the values that change are read from; fixed: where those that do not are. A place begins with the
              number of a frame (0: the loop's own), or with -1 for the sequence of a `for`
    layout    for each slot that a round changes, the value with a number for each leaf: into carried and ends
    cost      rounds and calls that one round counts for
    others    the variants for the same values, this one among them, the last used first
    decisions for each guard, where its condition is written, and what makes the record of it of all values
    """

    def __init__(
        self,
        rounds: Rounds,
        carried: list[Slot],
        fixed: list[Slot],
        layout: dict[int, Any],
        cost: int,
        decisions: list[tuple[Guard, Span, Any]],
    ) -> None:
        self.decisions = decisions
        self.others: list[Variant] = []
        self.rounds = rounds
        self.carried = carried
        self.fixed = fixed
        self.layout = layout
        self.cost = cost
        values = [*(value for _, value in rounds.carried), *rounds.ends]
        self.values = values
        given = len(values) - rounds.shown
        self.tracked = [i < given and rounds.tracks(value) for i, value in enumerate(values)]
        self.tracks = any(self.tracked)
        self.plain = [is_number(value, rounds.numbers) for value in values]


class Loop:
    """A loop of a program that may be compiled. `step`: whether its sequence gives a value to each round."""

    def __init__(self, compiler: Compiler, node: syntax.While | syntax.For, body: Run, store: Any = None) -> None:
        self.compiler = compiler
        self.node = node
        self.body = body
        self.store = store
        self.variants: dict[Any, list[Variant] | None] = {}
        self.traces = 0  # rounds traced so far
        self.rounds = 0  # rounds that compiled code has made so far
        self.turns = 0  # executions that were left to the closures, since their branches were taken in turn
        self.resting = self.rest = 0  # executions that it is left alone for now, and how many it was at last
        self.hopeless = False
        self.ready = False

    def prepare(self) -> None:
        """Look at what is written: which variables matter, and whether there is anything that is never compiled."""
        self.ready = True
        node, compiler = self.node, self.compiler
        statements = [s for s in syntax.walk(node) if isinstance(s, syntax.Statement) and s is not node]
        if not all(isinstance(s, (*_PLAIN, syntax.For, syntax.If)) for s in _outside_branches(node.body)):
            self.hopeless = True
            return
        names = {part.name for part in syntax.walk(node) if isinstance(part, syntax.Name)}
        self.outer = any(isinstance(part, syntax.Lambda) for part in syntax.walk(node))
        slots = set()
        for name in names:
            found = compiler.scope.find(name)
            if found is not None and found[0] == 0:
                slots.add(found[1])
            elif found is not None:
                self.outer = True
        called = [part.function for part in syntax.walk(node) if isinstance(part, syntax.Call)]
        if any(isinstance(f, syntax.Name) and compiler.builtin(f.name) is None for f in called):
            self.outer = True
        self.assigned = {compiler.slot(name) for name in assigned(node.body)}
        given = target_names(node.target) if isinstance(node, syntax.For) else ()
        self.own = {compiler.slot(name.name) for name in given}  # what is given a value before a round reads it
        self.assigned |= self.own
        self.slots = sorted(slots)
        self.condition: Any = None
        if isinstance(node, syntax.While):
            self.condition = clause_of(compiler, node.condition)
        self.notes = [
            note
            for s in statements
            if isinstance(s, _PLAIN) and not isinstance(s, syntax.Pass)
            for note in [compiler.final(s, _names_of(s))]
            if note is not None
        ]

    def begin(self, f: Frame, values: Any = None) -> Turn | None:
        """What runs stretches of this execution of the loop, None where it is not to be compiled."""
        state = f[RUN]
        if self.hopeless or not state.compiles or state.budget is not None:
            return None
        if self.resting > 0:
            self.resting -= 1
            return None
        if STATE.recording is KEEPING or STATE.traces or STATE.tracer is not None or STATE.remote is not None:
            return None
        if not self.ready:
            self.prepare()
            if self.hopeless:
                return None
        if self.store is not None and not has_entries(values):
            return None
        self.outer = self.outer or any(map(runs, map(f.__getitem__, self.slots)))
        return Turn(self, f, values)

    def leave(self) -> None:
        """Leave the loop alone for some executions, twice as many as the last time: asking again and again costs."""
        self.resting = self.rest = min(2 * self.rest + 1, LEFT)

    # The kinds of values

    def read_slots(self, f: Frame) -> Sequence[int]:
        return range(FIRST, len(f)) if self.outer else self.slots

    def key(self, frames: list[Frame], values: Any, recording: bool, fixing: bool) -> Any:
        """What the compiled rounds depend on. Refused for values that they cannot take.

        fixing: whether the numbers that no round changes are compiled in.
        """
        f = frames[0]
        kinds = Kinds(recording, frames)
        parts = [
            None if slot in self.own else kinds.of(f[slot], fixing and slot not in self.assigned)
            for slot in self.read_slots(f)
        ]
        for frame in frames[1:]:
            parts += [kinds.of(value, True) for value in frame[FIRST:]]
        if values is not None and values.__class__ is not range:
            parts += sequence_of(values, lambda x: kinds.of(x, fixing))
        return (STATE.float_dtype, STATE.training, STATE.kinks, recording, len(frames), *parts)

    def ways(self, frames: list[Frame], values: Any, recording: bool, number: int) -> Iterator[Variant]:
        """The loop compiled for the values that there are now in its frame, the first, and those around it.

        First the ways through its branches that have been compiled, the last taken first; then that which the round
        of this number takes, which is compiled when it is asked for.
        """
        tried = None
        for fixing in (False, True):
            key = self.key(frames, values, recording, fixing)
            if key == tried:
                return  # there is nothing to fix
            tried = key
            known = self.variants.get(key)
            if known is None and key in self.variants:
                continue  # compiled in vain
            if known:
                yield from list(known)
            if known and len(known) >= VARIANTS:
                return
            if self.traces >= VARIANTS and self.rounds < PAYS * (self.traces - VARIANTS):
                raise Unpaid
            self.traces += 1
            made = self.compiled(frames, values, recording, fixing, number)
            if made is None:
                if known:
                    return
                self.variants[key] = None
                continue
            made.others = known or []
            made.others.insert(0, made)
            self.variants[key] = made.others
            if len(self.variants) > VARIANTS:
                self.variants.pop(next(iter(list(self.variants))), None)
            yield made
            return

    def compiled(self, frames: list[Frame], values: Any, recording: bool, fixing: bool, number: int) -> Variant | None:
        """Trace one round and write it out; None where that cannot be done."""
        state = frames[0][RUN]
        before = [frame[:] for frame in frames]
        kept = state.path, state.show, state.steps, state.last, state.outputs, state.depth
        draws = _draws()
        leaves: dict[int, tuple[Slot, Any]] = {}
        state.path, state.compiles = Path(), False
        try:
            made = self.traced(frames, values, recording, fixing, number, leaves)
            return made if _draws() == draws else None
        except Exception:  # the closures tell, if it is an error of the program
            return None
        finally:
            leaves.clear()  # closures that refer to themselves refer to it
            for frame, was in zip(frames, before, strict=True):
                frame[:] = was
            steps = state.steps
            state.path, state.show, state.steps, state.last, state.outputs, state.depth = kept
            state.compiles, state.tracing = True, None
            if state.stopped is not None:
                state.steps = steps
            if draws is not None:
                sys.modules["ndgrad.ops.random"].generator().bit_generator.state = draws

    def traced(
        self,
        frames: list[Frame],
        values: Any,
        recording: bool,
        fixing: bool,
        number: int,
        leaves: dict[int, tuple[Slot, Any]],
    ) -> Variant:
        """leaves: to be filled, by register, with where it is read from and what is there."""
        f = frames[0]
        trace = RoundTrace(SCALARS)

        def stand(value: Any, slot: Slot) -> Any:
            kind = value.__class__
            if kind is NDArray:
                made: Any = trace.register(value.shape, value.dtype)
            elif kind in (int, float) and slot[0] == 0 and not (fixing and slot[1] not in self.assigned):
                made = trace.number(value)
            elif kind is tuple:
                return tuple([stand(part, (*slot, i)) for i, part in enumerate(value)])
            else:
                return UNBOUND if is_made(value) else value
            leaves[made.register] = slot, value
            return made

        state = f[RUN]
        for slot in self.read_slots(f):
            f[slot] = UNBOUND if slot in self.own else stand(f[slot], (0, slot))
        for k, frame in enumerate(frames[1:], 1):
            frame[FIRST:] = [stand(value, (k, slot)) for slot, value in enumerate(frame[FIRST:], FIRST)]
        stood = f[:]
        counter = None
        steps = state.steps
        outputs = state.outputs
        state.outputs = dict(outputs)
        tracer = state.tracing = Tracer(trace, leaves)
        with trace.open():
            clause = None if self.condition is None else self.condition(f)
            if self.store is not None:
                counting = trace.number(0)
                counter = counting.register
                leaves[counter] = (-2,), values[number] if values.__class__ is range else number
                self.store(f, counting if values.__class__ is range else self.entry(values, counting, stand, (-1,)))
            if self.body(f) not in (None, CONTINUE) or state.path.passes or state.outputs != outputs:
                raise Refused
        changed = {slot: f[slot] for slot in range(FIRST, len(f)) if f[slot] is not stood[slot]}
        cost = 1 + steps - state.steps
        return self.assembled(trace, leaves, stood, changed, clause, counter, recording, cost, tracer.guards)

    def entry(self, values: Any, number: Any, stand: Callable[[Any, Slot], Any], place: Slot) -> Any:
        """What a loop over a sequence gives in the round of a number; place: of the sequence."""
        if values.__class__ is Lazy:
            parts = enumerate(values.parts)
            return tuple([self.entry(part, number, stand, (*place, i)) for i, part in parts])
        call = {name: find(name).call for name in ("index", "multiply", "add")}  # type: ignore[union-attr]
        if values.__class__ is NDArray:
            return call["index"](stand(values, place), number)
        if values.step != 1:
            number = call["multiply"](number, values.step)
        return call["add"](number, values.start) if values.start else number

    def assembled(
        self,
        trace: RoundTrace,
        leaves: dict[int, tuple[Slot, Any]],
        stood: Frame,
        changed: dict[int, Any],
        clause: Clause | None,
        counter: int | None,
        recording: bool,
        cost: int,
        guards: list[tuple[Guard, Span]],
    ) -> Variant:
        """Tell what is carried from round to round from what is fixed, and what is only given at the end."""
        used: set[int] = set()
        results = {slot: outcome_of(value) for slot, value in changed.items()}
        for step in trace.steps:
            used.update(step.registers())
        for value in leaves_of([*results.values()]):
            if value.__class__ is Reg:
                used.add(value.number)
        if clause is not None:
            used.update(x.number for x in compared_in(clause) if x.__class__ is Reg)
        for guard, _ in guards:
            used.update(x.number for x in compared_in(guard.condition) if x.__class__ is Reg)
        by_slot: dict[int, list[int]] = {}
        for register, (place, _) in leaves.items():
            if not place[0]:
                by_slot.setdefault(place[1], []).append(register)
        carried: list[tuple[int, Any]] = []
        places: list[Slot] = []
        ends: list[Any] = []
        layout: dict[int, Any] = {}
        order: list[tuple[bool, int]] = []  # of the leaves in the layout: whether carried, and which

        def number(value: Any, mine: Any) -> Any:
            if value.__class__ is tuple:
                return tuple([number(v, None if mine is None else mine[i]) for i, v in enumerate(value)])
            if mine is not None:
                carried.append((mine.register, value))
                places.append(leaves[mine.register][0])
                order.append((True, len(carried) - 1))
            else:
                ends.append(value)
                order.append((False, len(ends) - 1))
            return len(order) - 1

        for slot, value in results.items():
            if any(r in used for r in by_slot.get(slot, ())):
                if not alike(stood[slot], value, trace):
                    raise Refused
                layout[slot] = number(value, stood[slot])
            else:
                layout[slot] = number(value, None)
        at = {i: (k if is_carried else len(carried) + k) for i, (is_carried, k) in enumerate(order)}
        layout = {slot: renumbered(value, at) for slot, value in layout.items()}
        moving = {r for r, _ in carried}
        fixed = [
            r
            for r, (place, _) in leaves.items()
            if r in used and r != counter and (place[0] or place[1] not in changed)
        ]
        tracked = {r for r in (*moving, *fixed) if recording and getattr(leaves[r][1], "_node", None) is not None}
        decisions, given = [], len(ends)
        for guard, span in guards:
            decisions.append((guard, span, record_of(guard.condition, ends, len(carried))))
        rounds = Rounds(
            trace, carried, fixed, ends, clause, counter, tracked, [guard for guard, _ in guards], len(ends) - given
        )
        return Variant(rounds, places, [leaves[r][0] for r in fixed], layout, cost, decisions)


class Turn:
    """One execution of a loop. tries: how many more rounds may be tried in vain, 0 for a loop that is left alone."""

    def __init__(self, loop: Loop, f: Frame, values: Any) -> None:
        self.loop = loop
        self.frame = f
        self.frames = [f, *(frame for frame in frames_of(f) if frame is not f)] if loop.outer else [f]
        self.values = values
        self.size = SHORTEST
        self.tries = TRIES
        self.ran = False  # whether it has made a round
        self.short = 0  # stretches of few rounds, one after the other
        self.copied = 0  # bytes of arrays that stretches have copied to write to

    def run(self, at: int, limit: int, rounds: Callable[..., Iterator[Any]]) -> int:
        """Run a stretch from round `at` on, of `limit` rounds at most: the rounds made, 0 where there is none to make.

        After 0, `tries` says how often it may be asked again.
        """
        f, loop = self.frame, self.loop
        state = f[RUN]
        left = min(limit, state.steps)
        if left < 2:
            return 0
        recording = STATE.recording is True
        start = perf_counter()
        made, waits = 0, False
        try:
            for variant in loop.ways(self.frames, self.values, recording, at):
                if not all(is_noted(state.path, guard, span) for guard, span, _ in variant.decisions):
                    waits = True  # the first decisions of a path are noted one by one
                    continue
                self.size = max(self.size, min(LONGEST, variant.rounds.copied >> 12))  # a copy is to pay
                most = min(left, self.size, state.steps // variant.cost)
                made, stopped = self.stretch(variant, at, most, recording, rounds)
                if stopped < 0 and made < most:
                    self.tries = 0  # the loop is over
                if made or stopped < 0:
                    break
        except Unpaid:
            self.tries = 0
            loop.leave()
            return 0
        except Refused:
            pass
        except Exception:  # the closures tell what it is
            self.tries = 0
            return 0
        if not made:
            self.tries -= not waits
            if not self.tries and not self.ran:
                loop.leave()
            return 0
        self.ran = True
        loop.rest = 0
        if variant is not variant.others[0]:
            variant.others[:] = [variant, *(other for other in variant.others if other is not variant)]
        self.copied += variant.rounds.copied
        if self.copied > COPIES:
            self.tries = 0  # the closures write into one array all the time
        self.short = self.short + 1 if made < SHORT else 0
        if self.short >= FEW:
            self.tries = 0  # its branches are taken in turn
            loop.turns += 1
            loop.hopeless = loop.turns >= FEW
        if perf_counter() - start < QUICK:
            self.size = min(2 * self.size, LONGEST)
        state.steps -= made * variant.cost
        loop.rounds += made
        count = made * len(variant.rounds.steps)
        state.compiled += count
        if recording and variant.tracks:
            state.kept += count
        return made

    def stretch(self, variant: Variant, at: int, limit: int, recording: bool, rounds: Any) -> tuple[int, int]:
        """Run rounds; how many there were, and the number of the guard that stopped them, or -1."""
        f, compiled = self.frame, variant.rounds
        state = f[RUN]
        carried = [self.read(slot) for slot in variant.carried]
        fixed = [self.read(slot) for slot in variant.fixed]
        counters: Any = None
        if self.values is not None:
            counters = self.values[at : at + limit] if self.values.__class__ is range else range(at, at + limit)
        keeping = recording and variant.tracks
        saved: list[tuple[Any, ...]] = []
        given = [bare(x) for x in carried], [bare(x) for x in fixed]
        if keeping:
            n, values, stopped = compiled.run_keeping(*given, counters, limit, saved.append)
        else:
            n, values, stopped = compiled.run(*given, counters, limit)
        if not n:
            return 0, stopped
        node = None
        if keeping:
            inputs = [
                *zip((r for r, _ in compiled.carried), carried, strict=True),
                *zip(compiled.fixed, fixed, strict=True),
            ]
            pairs = [(k, x._node) for k, (r, x) in enumerate(inputs) if r in compiled.leads and x._node is not None]
            again = Stretch(variant, rounds, self.values, self.frames, at, n, given[1], saved, [k for k, _ in pairs])
            places = [i for i, tracked in enumerate(variant.tracked) if tracked]
            again.places = places
            node = General(SEGMENT, tuple(p for _, p in pairs), (None,), (again,), (len(places),), np.dtype(np.float64))
            node.span = self.loop.node.span
            state.kept -= 1
        known: dict[int, NDArray] = dict(zip(compiled.fixed, fixed, strict=True))
        made: list[Any] = []
        count = 0
        for value, data, number, tracks in zip(variant.values, values, variant.plain, variant.tracked, strict=True):
            tracked = keeping and tracks
            if number:
                x = data
            elif value.__class__ is Reg and value.number in known:
                x = known[value.number]
            else:
                x = new_array(data) if not tracked else output(node, count, data)  # type: ignore[arg-type]
                state.kept -= tracked  # nodes of the record that are no operations
                if value.__class__ is Reg:
                    known[value.number] = x
            made.append(x)
            count += tracked
        if node is not None:
            again.slots = self.slots_of(variant, places)
        for slot, layout in variant.layout.items():
            f[slot] = filled(layout, made)
        for note in self.loop.notes:
            note(f)
        for guard, span, compared in variant.decisions:
            seen = state.path.places[id(span)][1 + guard.outcome]
            state.path.clock += 1
            seen.at = state.path.clock
            seen.count += n
            seen.compared = compared(made)[1]
        return int(n), stopped

    def slots_of(self, variant: Variant, places: list[int]) -> list[Slot]:
        """Where in the frame the tracked results are."""
        where: dict[int, Slot] = {}
        for slot, layout in variant.layout.items():
            for path, i in paths_in(layout, (slot,)):
                where.setdefault(i, path)
        return [where[i] for i in places]

    def read(self, slot: Slot) -> Any:
        if slot[0] < 0:
            value = self.values
            for i in slot[1:]:
                value = value.parts[i]
            return value
        return at(self.frames[slot[0]], slot[1:])


def _draws() -> Any:
    """Where the random numbers are, None while none were asked for."""
    random = sys.modules.get("ndgrad.ops.random")
    return None if random is None else random.generator().bit_generator.state


def _outside_branches(statements: Sequence[syntax.Statement]) -> Iterator[syntax.Statement]:
    """The statements that every round runs, those of loops within it too."""
    for statement in statements:
        yield statement
        if isinstance(statement, syntax.For):
            yield from _outside_branches(statement.body)


def _names_of(statement: Any) -> list[syntax.Name]:
    targets = statement.targets if isinstance(statement, syntax.Assign) else (statement.target,)
    return [name for target in targets for name in target_names(target)]
