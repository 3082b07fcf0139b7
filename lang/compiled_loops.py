"""Loops over small arrays as straight Python source, once they have made some rounds.

A loop whose rounds do the same operations on the same shapes is traced through its own closures: the variables are
stand-ins for one round, and what comes out is a `ndgrad.plans.rounds.Rounds`, one function that runs rounds and one
that goes back through them. From then on the loop runs in stretches of rounds by it, and a stretch is one node of the
record. Where anything is out of the ordinary, the closures run the rounds as ever: at the last round, at an
error, where a round branches or writes entries, while a run is traced or profiled, in forward mode, and in a
second derivative or a gradient that is not finite, for which a stretch is run again, recorded.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from time import perf_counter
from typing import TYPE_CHECKING, Any
from weakref import ref

import numpy as np

from ndgrad.apply import SEGMENT, output
from ndgrad.errors import Span
from ndgrad.lang import syntax
from ndgrad.lang.conditions import KEPT, Compared, Path
from ndgrad.lang.rerun import Rerun, Slot, at, frames_of, recorded
from ndgrad.lang.scalars import ARITHMETIC, COMPARISONS, OPERATIONS, negative
from ndgrad.lang.scopes import AROUND, FIRST, RESULT, assigned, target_names
from ndgrad.lang.scopes import STATE as RUN
from ndgrad.lang.values import UNBOUND, Frame, Function, Lazy, Run, Special
from ndgrad.namespace import PLAIN
from ndgrad.ndarray import NDArray, new_array, plain
from ndgrad.ops import find
from ndgrad.plans import replaced
from ndgrad.plans.rounds import Clause, Counter, Guard, Rounds, RoundTrace
from ndgrad.plans.tracing import Placeholder, Reg, Step
from ndgrad.primitive import Primitive
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

CONTINUE = 2  # the signal of a statement, as in `interpreter`

_PLAIN = (syntax.Assign, syntax.Augmented, syntax.Pass)


class Refused(Exception):
    """The loop cannot be compiled for these values."""


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
        self.plain = [_is_number(value, rounds.numbers) for value in values]


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
            self.condition = _clause(compiler, node.condition)
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
        if self.store is not None and not _has_entries(values):
            return None
        self.outer = self.outer or any(map(_runs, map(f.__getitem__, self.slots)))
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
        kinds = _Kinds(recording, frames)
        parts = [
            None if slot in self.own else kinds.of(f[slot], fixing and slot not in self.assigned)
            for slot in self.read_slots(f)
        ]
        for frame in frames[1:]:
            parts += [kinds.of(value, True) for value in frame[FIRST:]]
        if values is not None and values.__class__ is not range:
            parts += _sequence(values, lambda x: kinds.of(x, fixing))
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
                return UNBOUND if _is_made(value) else value
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
        tracer = state.tracing = Tracer(self, trace, leaves)
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
        results = {slot: _outcome(value) for slot, value in changed.items()}
        for step in trace.steps:
            used.update(step.registers())
        for value in _leaves_of([*results.values()]):
            if value.__class__ is Reg:
                used.add(value.number)
        if clause is not None:
            used.update(x.number for x in _flat(clause) if x.__class__ is Reg)
        for guard, _ in guards:
            used.update(x.number for x in _flat(guard.condition) if x.__class__ is Reg)
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
                if not _alike(stood[slot], value, trace):
                    raise Refused
                layout[slot] = number(value, stood[slot])
            else:
                layout[slot] = number(value, None)
        at = {i: (k if is_carried else len(carried) + k) for i, (is_carried, k) in enumerate(order)}
        layout = {slot: _renumbered(value, at) for slot, value in layout.items()}
        moving = {r for r, _ in carried}
        fixed = [
            r
            for r, (place, _) in leaves.items()
            if r in used and r != counter and (place[0] or place[1] not in changed)
        ]
        tracked = {r for r in (*moving, *fixed) if recording and getattr(leaves[r][1], "_node", None) is not None}
        decisions, given = [], len(ends)
        for guard, span in guards:
            decisions.append((guard, span, _record(guard.condition, ends, len(carried))))
        rounds = Rounds(
            trace, carried, fixed, ends, clause, counter, tracked, [guard for guard, _ in guards], len(ends) - given
        )
        return Variant(rounds, places, [leaves[r][0] for r in fixed], layout, cost, decisions)


class Tracer:
    """Decides the branches of a round that is traced, as the round itself would decide them; `guards` tells how."""

    def __init__(self, loop: Loop, trace: RoundTrace, leaves: dict[int, tuple[Slot, Any]]) -> None:
        self.trace = trace
        self.leaves = leaves
        self.values: dict[int, Any] = {}
        self.done = 0
        self.guards: list[tuple[Guard, Span]] = []

    def decides(self, compiler: Any, node: syntax.Expression, f: Frame) -> bool:
        clause = _clause(compiler, node)(f)
        at = len(self.trace.steps)
        self.values.update({r: _bare(value) for r, (_, value) in self.leaves.items() if r not in self.values})
        for step in self.trace.steps[self.done : at]:
            self.compute(step)
        self.done = at
        outcome = self.holds(clause)
        self.guards.append((Guard(at, clause, outcome), node.span))
        return outcome

    def compute(self, step: Step) -> None:
        assert isinstance(step.op, Primitive)
        operands = [self.read(x) for x in step.operands]
        function = self.trace.numbers.get(step.results[0])
        if function is not None:
            self.values[step.results[0]] = function(*operands)
            return
        statics = replaced(step.statics, self.read)
        made = step.op.value(PLAIN, *([tuple(operands)] if step.op.variadic else operands), *statics)
        several = made if step.op.outputs > 1 or made.__class__ in (tuple, list) else (made,)
        self.values.update(zip(step.results, several, strict=True))

    def read(self, x: Any) -> Any:
        return self.values[x.number] if x.__class__ is Reg else x

    def holds(self, clause: Clause) -> bool:
        if clause.sign in ("and", "chain"):
            return all(self.holds(part) for part in clause.parts)
        if clause.sign == "or":
            return any(self.holds(part) for part in clause.parts)
        if clause.sign == "not":
            return not self.holds(clause.parts[0])
        values = [self.read(x) for x in clause.parts]
        return bool(COMPARISONS[clause.sign](*values) if clause.sign else values[0])


def _is_noted(path: Path, guard: Guard, span: Span) -> bool:
    """Whether this decision has been noted so often that it is only counted."""
    seen = path.places.get(id(span))
    return seen is not None and seen[0] >= KEPT and seen[1 + guard.outcome] is not None


def _record(clause: Clause, ends: list[Any], before: int) -> Callable[[list[Any]], tuple[bool, Any]]:
    """Adds what a decision compares to the ends; gives what makes of all values what `conditions` makes of it."""

    def place(value: Any) -> int:
        ends.append(value)
        return before + len(ends) - 1

    if clause.sign in ("and", "or"):
        parts = [_record(part, ends, before) for part in clause.parts]
        stop = clause.sign == "or"

        def logical(values: list[Any]) -> tuple[bool, Any]:
            seen, taken = [], not stop
            for part in parts:
                taken, compared = part(values)
                seen.append(compared)
                if taken is stop:
                    break
            return taken, (f" {clause.sign} ", seen)

        return logical
    if clause.sign == "not":
        inside = _record(clause.parts[0], ends, before)

        def negated(values: list[Any]) -> tuple[bool, Any]:
            taken, compared = inside(values)
            return not taken, ("not ", compared)

        return negated
    if not clause.sign:
        only = place(clause.parts[0])
        return lambda values: (bool(plain(values[only])), values[only])
    signs = tuple([part.sign for part in clause.parts])
    places = [place(x) for x in (clause.parts[0].parts[0], *(part.parts[1] for part in clause.parts))]

    def chain(values: list[Any]) -> tuple[bool, Any]:
        seen, taken = [values[places[0]]], True
        for sign, i in zip(signs, places[1:], strict=True):
            seen.append(values[i])
            taken = bool(COMPARISONS[sign](plain(seen[-2]), plain(seen[-1])))
            if not taken:
                break
        return taken, Compared(signs, seen)

    return chain


class Turn:
    """One execution of a loop. due: the round at which to try the next stretch, -1 for none."""

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
                if not all(_is_noted(state.path, guard, span) for guard, span, _ in variant.decisions):
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
        given = [_bare(x) for x in carried], [_bare(x) for x in fixed]
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
        for value, data, bare, tracks in zip(variant.values, values, variant.plain, variant.tracked, strict=True):
            tracked = keeping and tracks
            if bare:
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
            f[slot] = _filled(layout, made)
        for note in self.loop.notes:
            note(f)
        for guard, span, compared in variant.decisions:
            seen = state.path.places[id(span)][1 + guard.outcome]
            seen.count += n
            seen.compared = compared(made)[1]
        return int(n), stopped

    def slots_of(self, variant: Variant, places: list[int]) -> list[Slot]:
        """Where in the frame the tracked results are."""
        where: dict[int, Slot] = {}
        for slot, layout in variant.layout.items():
            for path, i in _paths(layout, (slot,)):
                where.setdefault(i, path)
        return [where[i] for i in places]

    def read(self, slot: Slot) -> Any:
        if slot[0] < 0:
            value = self.values
            for i in slot[1:]:
                value = value.parts[i]
            return value
        return at(self.frames[slot[0]], slot[1:])


class Stretch(Rerun):
    """Rounds that were run by compiled code: how to go back through them.

    The frames are kept as copies of what they held, without a reference to a frame or the run's state: these hold what
    came out of the rounds, whose node holds this, and the garbage collector does not see how large it is.
    """

    def __init__(
        self,
        variant: Variant,
        rounds: Callable[..., Iterator[Any]],
        values: Any,
        frames: list[Frame],
        at: int,
        count: int,
        fixed: list[Any],
        saved: list[tuple[Any, ...]],
        inputs: list[int],
    ) -> None:
        numbers = {id(frame): k for k, frame in enumerate(frames)}
        self.held = [_detached(frame, numbers) for frame in frames]
        self.state = ref(frames[0][RUN])
        self.training = STATE.training
        self.variant = variant
        self.rounds = rounds
        self.sequence = values
        self.at = at
        self.count = count
        self.fixed = fixed
        self.saved = saved
        self.inputs = inputs
        self.places: list[int] = []

    def pulled(self, parts: Sequence[Any]) -> list[Any] | None:
        """The cotangents of the node's parents, from those of its outputs; None where it has to be run again."""
        compiled = self.variant.rounds
        heads: list[Any] = [None] * len(self.variant.values)
        for place, g in zip(self.places, parts, strict=True):
            if g is not None:
                heads[place] = g.dense() if hasattr(g, "dense") else g
        try:
            carried, fixed = compiled.pull(heads, self.fixed, self.saved)
        except Exception:
            return None
        made = [*carried, *fixed]
        return [made[k] for k in self.inputs]

    def again(self) -> list[Any]:
        state = self.state()
        assert state is not None
        frames: list[Frame] = [[] for _ in self.held]
        for frame, values in zip(frames, self.held, strict=True):
            frame += [_attached(value, frames) for value in values]
            frame[RUN] = state
        f = frames[0]
        compiles, state.compiles = state.compiles, False
        try:
            with recorded(state, self.training):
                turns = self.rounds(f, self.at) if self.sequence is None else self.rounds(f, self.sequence, self.at)
                for _ in range(self.count):
                    next(turns)
        finally:
            state.compiles = compiles
        return [at(f, slot) for slot in self.slots]


class _Frame:
    """A reference to one of the frames of a stretch, by its number; or a function that was made in it."""

    __slots__ = ("function", "number")

    def __init__(self, number: int, function: Function | None = None) -> None:
        self.number = number
        self.function = function


def _detached(value: Any, numbers: dict[int, int]) -> Any:
    """A frame as a list that refers to no frame, and to no state of a run; likewise a value in it."""
    if value.__class__ is list:
        around = None if value[AROUND] is None else numbers.get(id(value[AROUND]))
        first = [None if around is None else _Frame(around), None, value[RESULT]]
        return [*first, *[_detached(part, numbers) if part.__class__ in _HOLDS else part for part in value[FIRST:]]]
    if value.__class__ is tuple:
        return tuple([_detached(part, numbers) for part in value])
    if value.__class__ is Function:
        bare = Function(value.name, value.parameters, value.defaults, value.size, value.body, [])
        return _Frame(numbers[id(value.frame)], bare) if id(value.frame) in numbers else _Frame(-1)
    return value


_HOLDS = frozenset({tuple, Function})


def _attached(value: Any, frames: list[Frame]) -> Any:
    if value.__class__ is tuple:
        return tuple([_attached(part, frames) for part in value])
    if value.__class__ is _Frame:
        if value.number < 0:
            return UNBOUND  # a function of a loop that calls none
        frame, made = frames[value.number], value.function
        return (
            frame if made is None else Function(made.name, made.parameters, made.defaults, made.size, made.body, frame)
        )
    return value


# Values and their kinds


def _draws() -> Any:
    """Where the random numbers are, None while none were asked for."""
    random = sys.modules.get("ndgrad.ops.random")
    return None if random is None else random.generator().bit_generator.state


def _has_entries(values: Any) -> bool:
    """Whether an entry of a sequence can be asked for by its number."""
    if values.__class__ is Lazy:
        return all(map(_has_entries, values.parts))
    return values.__class__ is range or (values.__class__ is NDArray and bool(values.shape))


def _sequence(values: Any, kind: Callable[[Any], Any]) -> list[Any]:
    """What compiled rounds depend on of a sequence."""
    if values.__class__ is Lazy:
        return [len(values.parts), *(found for part in values.parts for found in _sequence(part, kind))]
    return [values if values.__class__ is range else kind(values)]


class _Same:
    """A value that is equal to itself only, and lives as long as this."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return other.__class__ is _Same and other.value is self.value

    def __hash__(self) -> int:
        return id(self.value)


class _Kinds:
    """What compiled rounds depend on of values that the variables of some frames have."""

    def __init__(self, recording: bool, frames: list[Frame]) -> None:
        self.recording = recording
        self.frames = {id(frame): k for k, frame in enumerate(frames)}

    def of(self, value: Any, fixing: bool) -> Any:
        """Of arrays shape, dtype and whether they are tracked; of numbers their type, or themselves if `fixing`; of
        functions what they do and where they were made; of all else what it is."""
        kind = value.__class__
        if kind is NDArray:
            data, node = value._data, value._node
            if not isinstance(data, (np.ndarray, np.generic)) or data.nbytes >= STATE.defer_from:
                raise Refused
            if node is not None and ((node.marked and node.implicit) or not self.recording):
                raise Refused
            return data.shape, data.dtype, node is not None, data.__class__ is np.ndarray
        if kind is int or kind is float:
            return (kind, value.hex() if kind is float else value) if fixing else kind
        if kind is tuple:
            return tuple([self.of(part, fixing) for part in value])
        if kind is bool or kind is str:
            return kind, value
        if kind is range:
            return kind, value.start, value.stop, value.step
        if kind is Function:
            if id(value.frame) not in self.frames:
                raise Refused
            return kind, value.body, self.frames[id(value.frame)], *map(self.default, value.defaults)
        if isinstance(value, NDArray) or kind is Lazy:
            raise Refused
        return UNBOUND if _is_made(value) else _Same(value)

    def default(self, value: Any) -> Any:
        """Of a default value, which is compiled in as it is: all."""
        if value.__class__ is NDArray:
            data = value._data
            if value._node is not None or data.nbytes > LONGEST_DEFAULT:
                raise Refused
            return *self.of(value, True), data.tobytes()
        if value.__class__ is tuple:
            return tuple(map(self.default, value))
        return self.of(value, True)


LONGEST_DEFAULT = 1024  # bytes of an array that are compared


def _is_made(value: Any) -> bool:
    """Whether it is a function of Python that a run has made, such as a derivative: no round calls one."""
    call = value.call if value.__class__ is Special else value
    return getattr(call, "__closure__", None) is not None


def _runs(value: Any) -> bool:
    """Whether a value may run what reads variables that the loop does not name."""
    return any(map(_runs, value)) if value.__class__ is tuple else value.__class__ is Function or _is_made(value)


def _outcome(value: Any) -> Any:
    """What a variable is after a round, in registers and constants. Refused for what no array or number is."""
    kind = value.__class__
    if kind is tuple:
        return tuple(map(_outcome, value))
    if isinstance(value, Placeholder):
        return Reg(value.register)
    if kind is NDArray and value._node is None:
        return value._data
    if kind is int or kind is float:
        return value
    raise Refused


def _leaves_of(values: Any) -> Iterator[Any]:
    for value in values:
        if value.__class__ is tuple:
            yield from _leaves_of(value)
        else:
            yield value


def _flat(clause: Clause) -> list[Any]:
    return [x for part in clause.parts for x in (_flat(part) if isinstance(part, Clause) else [part])]


def _alike(before: Any, after: Any, trace: RoundTrace) -> bool:
    """Whether a variable is of the same kind before a round and after it."""
    if before.__class__ is tuple or after.__class__ is tuple:
        return (
            before.__class__ is after.__class__
            and len(before) == len(after)
            and all(_alike(a, b, trace) for a, b in zip(before, after, strict=True))
        )
    if not isinstance(before, Placeholder):
        return False
    number = isinstance(before, Counter)
    if after.__class__ is Reg:
        if number != (after.number in trace.numbers):
            return False
        return trace.shapes[after.number] == before.shape and trace.dtypes[after.number] == before.dtype
    if number:
        return after.__class__ is before.sample.__class__
    return hasattr(after, "dtype") and after.shape == before.shape and after.dtype == before.dtype


def _is_number(value: Any, numbers: dict[int, Any]) -> bool:
    return value.number in numbers if value.__class__ is Reg else value.__class__ in (int, float)


def _bare(x: Any) -> Any:
    return x._data if x.__class__ is NDArray else x


def _renumbered(layout: Any, at: dict[int, int]) -> Any:
    return tuple([_renumbered(part, at) for part in layout]) if layout.__class__ is tuple else at[layout]


def _filled(layout: Any, values: list[Any]) -> Any:
    return tuple([_filled(part, values) for part in layout]) if layout.__class__ is tuple else values[layout]


def _paths(layout: Any, around: Slot) -> Iterator[tuple[Slot, int]]:
    if layout.__class__ is tuple:
        for i, part in enumerate(layout):
            yield from _paths(part, (*around, i))
    else:
        yield around, layout


# What is written


def _outside_branches(statements: Sequence[syntax.Statement]) -> Iterator[syntax.Statement]:
    """The statements that every round runs, those of loops within it too."""
    for statement in statements:
        yield statement
        if isinstance(statement, syntax.For):
            yield from _outside_branches(statement.body)


def _names_of(statement: Any) -> list[syntax.Name]:
    targets = statement.targets if isinstance(statement, syntax.Assign) else (statement.target,)
    return [name for target in targets for name in target_names(target)]


def _clause(compiler: Compiler, node: syntax.Expression) -> Callable[[Frame], Clause]:
    """The function that traces a condition."""
    if isinstance(node, syntax.Logical):
        parts = [_clause(compiler, part) for part in node.operands]
        return lambda f: Clause(node.operator, tuple([part(f) for part in parts]))
    if isinstance(node, syntax.Not):
        inside = _clause(compiler, node.operand)
        return lambda f: Clause("not", (inside(f),))
    if isinstance(node, syntax.Comparison):
        operands = [compiler.compile(part) for part in node.operands]

        def compared(f: Frame) -> Clause:
            values = [_one(operand(f)) for operand in operands]
            pairs = zip(node.operators, values, values[1:], strict=False)
            return Clause("chain", tuple([Clause(sign, (a, b)) for sign, a, b in pairs]))

        return compared
    value = compiler.compile(node)
    return lambda f: Clause("", (_one(value(f)),))


def _one(value: Any) -> Any:
    """A value that a condition compares: one number. Refused otherwise."""
    if isinstance(value, Placeholder) and value.size == 1:
        return Reg(value.register)
    if value.__class__ in (int, float, bool):
        return value
    if value.__class__ is NDArray and value.size == 1:
        return value._data
    raise Refused
