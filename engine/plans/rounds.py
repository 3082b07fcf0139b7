"""The rounds of a loop as Python source: one function that runs them, one that goes back through them.

    r0, r1 = carried                       forward
    while n < limit:
        r4 = norm(r0)
        if not (r4 < 1e6): break
        r5 = multiply(r0, r1)
        keep((r5, r0))                     what the rules need of this round
        r0 = r5
        n += 1

A round is a trace of its operations, so these are the steps of a `Plan`, its values in local variables. The
values of what is carried from round to round change; what is fixed is the same in all, and gathers its gradient.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ndgrad.frozen import Frozen
from ndgrad.ndarray import NDArray, plain
from ndgrad.plans import replaced
from ndgrad.plans.plan import Plan, _dense, _differentiable, _needed, _registers_in, _Writer
from ndgrad.plans.tracing import DRAWS, Call, Placeholder, Reg, Step, Trace
from ndgrad.primitive import NoDerivative, Primitive
from ndgrad.shapes import Undetermined

MOST_STEPS = 400  # operations of a round; longer ones have little to gain
# Operations that compute what they give, though they are not elementwise
FRESH = frozenset({"sum", "mean", "prod", "max", "min", "norm", "matmul", "dot", "var", "std", "logsumexp", "argmax"})
COPIED = 1 << 10  # entries of an array that may be copied to write one of them
LARGEST = 1 << 15  # entries of an array; on larger ones the arithmetic is what takes the time


# What NumPy takes less time for when it is written than when it is called
SIGNS = {"add": " + ", "subtract": " - ", "multiply": " * ", "divide": " / ", "matmul": " @ "}


class Counter(Placeholder):
    """The stand-in for a Python number: an int or a float, which takes no part in the dtype of a result."""

    __slots__ = ("sample",)
    counts = True

    def __init__(self, trace: Trace, register: int, sample: int | float) -> None:
        super().__init__(trace, register, (), np.asarray(sample).dtype)
        self.sample = sample


class RoundTrace(Trace):
    """A trace in which registers may hold Python numbers. scalars: their arithmetic, by the name of the operation."""

    def __init__(self, scalars: dict[str, Callable[..., Any]]) -> None:
        super().__init__()
        self.scalars = scalars
        self.numbers: dict[int, Callable[..., Any] | None] = {}  # registers of numbers, and what computes each

    def number(self, sample: int | float, function: Callable[..., Any] | None = None) -> Counter:
        """A new register for a number like `sample`."""
        register = self.register((), np.asarray(sample).dtype).register
        self.numbers[register] = function
        return Counter(self, register, sample)

    def single(self, op: Primitive, operands: Any, statics: Any) -> Any:
        given = tuple(operands[0]) if op.variadic else operands
        if any(isinstance(x, NDArray) and not isinstance(x, Placeholder) and x.node is not None for x in given):
            raise Undetermined("an operand is recorded, and none of the loop's own variables")
        computed = _registers_in(replaced(statics, _as_register))
        if computed and not (op.name in ("index", "written") and all(r in self.numbers for r in computed)):
            raise Undetermined("an argument that is no array depends on the round")
        if len(self.steps) > MOST_STEPS or op.name in DRAWS:
            raise Undetermined("too many operations, or random ones")
        if not any(isinstance(x, Placeholder) and not isinstance(x, Counter) for x in given):
            if any(isinstance(x, Counter) for x in given):
                return self.arithmetic(op, given, statics)
            if not computed:
                raise Undetermined("nothing here depends on the round")
        made = super().single(op, operands, statics)
        for part in made if isinstance(made, tuple) else (made,):
            if part.size > LARGEST and op.name != "written":  # which is in place, or refused
                raise Undetermined("an array is large")
        return made

    def composite(self, op: Primitive, operands: Any, statics: Any, run: Callable[[], Any]) -> Any:
        given = tuple(operands[0]) if op.variadic else operands
        if any(isinstance(x, Counter) for x in given) and all(isinstance(x, (Counter, int, float)) for x in given):
            return self.arithmetic(op, given, statics)
        return super().composite(op, operands, statics, run)

    def arithmetic(self, op: Primitive, given: tuple[Any, ...], statics: tuple[Any, ...]) -> Counter:
        """An operation on numbers alone, which gives a number."""
        if op.variadic or any(isinstance(x, NDArray) and not isinstance(x, Counter) for x in given):
            raise Undetermined("a list of numbers")
        samples = [x.sample if isinstance(x, Counter) else x for x in given]
        function = self.scalars.get(op.name)
        sample: Any
        if function is not None:
            sample = 0 if op.name != "divide" and all(x.__class__ is int for x in samples) else 0.0
        else:
            sample = op.call(*samples, *statics)
            if not isinstance(sample, NDArray) or sample.shape:
                raise Undetermined("a function of numbers that gives none")
            sample = plain(sample).item()
            if sample.__class__ not in (int, float):
                raise Undetermined("a function of numbers that gives a boolean")
            function = _of_numbers(op, statics)
        made = self.number(sample, function)
        operands = tuple(Reg(x.register) if isinstance(x, Counter) else x for x in given)
        self.steps.append(Step(op, operands, (), (made.register,)))
        return made

    def abstract(self, leaf: Any) -> Any:
        return leaf.sample if isinstance(leaf, Counter) else super().abstract(leaf)

    def called(self, *args: Any, **named: Any) -> Any:
        raise Undetermined("an operation that asks for values")


def _of_numbers(op: Primitive, statics: tuple[Any, ...]) -> Callable[..., Any]:
    """The operation as a function of Python numbers to a Python number."""
    return lambda *numbers: plain(op.call(*numbers, *statics)).item()


def _sharpened(step: Step, trace: Trace) -> Step:
    """The step with a number that meets a float array as an array of that dtype, which NumPy takes in half the time."""
    assert isinstance(step.op, Primitive)
    if step.op.name not in SIGNS or step.op.partials is None:
        return step
    arrays = [x.number for x in step.operands if x.__class__ is Reg and trace.shapes[x.number]]
    if len(arrays) != 1 or trace.dtypes[arrays[0]].kind != "f":
        return step
    dtype = trace.dtypes[arrays[0]]
    operands = tuple(np.array(x, dtype) if x.__class__ in (int, float) else x for x in step.operands)
    return Step(step.op, operands, step.statics, step.results)


def _as_register(leaf: Any) -> Any:
    return Reg(leaf.register) if isinstance(leaf, Placeholder) else leaf


class Clause(Frozen):
    """A comparison of two values, or with sign "" whether the first is true; or parts joined by and, or, not.

    A "chain" is a comparison as it is written, a < b < c: its parts are those of its pairs.
    """

    sign: str
    parts: tuple[Any, ...]


class Guard(Frozen):
    """A decision within a round: after how many steps of the trace it is made, and how it came out there."""

    at: int
    condition: Clause
    outcome: bool


class Rounds(Plan):
    """A round, and how rounds follow each other.

    carried    pairs of the register that a round reads and the value (a register or a constant) for the next one
    fixed      registers that are the same in all rounds
    ends       the values (registers or constants) to give at the end, after those carried
    condition  what must hold before a round, None where it is known how many there are
    counter    the register that takes the number of the round, from a sequence of them
    shown      how many of the ends, the last ones, are only looked at, and never differentiated
    guards     the decisions of a round, in turn; a round that decides otherwise is not made, and the loop stops there
    tracked    the registers among carried and fixed that a gradient may be asked for
    """

    def __init__(
        self,
        trace: RoundTrace,
        carried: Sequence[tuple[int, Any]],
        fixed: Sequence[int],
        ends: Sequence[Any],
        condition: Clause | None,
        counter: int | None,
        tracked: set[int],
        guards: Sequence[Guard] = (),
        shown: int = 0,
    ) -> None:
        self.guarded = list(guards)
        self.shown = shown
        self.numbers = trace.numbers
        self.carried = list(carried)
        self.fixed = list(fixed)
        self.ends = list(ends)
        self.condition = condition
        self.counter = counter
        outputs = [*(value for _, value in carried), *ends, *(() if condition is None else _values(condition))]
        outputs += [value for guard in guards for value in _values(guard.condition)]
        wanted = set(tracked)
        while True:
            super().__init__(trace, outputs, sorted(wanted))
            more = {r for r, value in carried if value.__class__ is Reg and value.number in self.leads} - wanted
            if not more:
                break
            wanted |= more
        for step in self.steps:
            self.check(step)
        order = {id(step): i for i, step in enumerate(trace.steps)}
        self.places = [order[id(step)] for step in self.steps]
        self.steps = [_sharpened(step, trace) for step in self.steps]
        differentiated = outputs[: len(self.carried) + len(self.ends) - shown]
        decided = [x.number for x in differentiated if x.__class__ is Reg]
        self.backward_steps = _needed(self.steps, decided)  # a condition has no derivative
        self.saved, self._pull = self._write_pull()
        self.in_place = self._chains()
        written = [r for r, _ in self.carried if r in self.in_place]
        sizes = [np.prod(trace.shapes[r] or (), dtype=int) * trace.dtypes[r].itemsize for r in written]
        self.copied = int(sum(sizes))  # bytes that a run copies before its first round, to write into the copies
        for step in self.steps:
            size = np.prod(trace.shapes[step.results[0]] or (), dtype=int)
            if step.op.name == "written" and step.results[0] not in self.in_place and size > COPIED:
                raise Undetermined("each write would copy a large array")
        self.run = self._write_run(False)
        self.run_keeping = self._write_run(True)

    def check(self, step: Step) -> None:
        """Undetermined for a step without a derivative where one may be asked for: the operation itself says why."""
        if isinstance(step.op, Call):
            raise Undetermined("a call")
        if _differentiable(step, self.leads):
            for x, rule in zip(step.operands, step.op.partials or step.op.vjps or (), strict=False):
                if self.tracks(x) and isinstance(rule, NoDerivative):
                    raise Undetermined("an operand without a derivative")

    def tracks(self, value: Any) -> bool:
        """Whether a gradient may be asked for what this is."""
        return value.__class__ is Reg and value.number in self.leads

    # Forward

    def _write_run(self, keeping: bool) -> Callable[..., Any]:
        w = _Locals("carried, fixed, counters, limit" + (", keep" if keeping else ""))
        _unpack(w, [r for r, _ in self.carried], "carried")
        _unpack(w, self.fixed, "fixed")
        condition = [] if self.condition is None else _values(self.condition)
        first = _needed(self.steps, [x.number for x in condition if x.__class__ is Reg])
        rest = [pair for pair in zip(self.places, self.steps, strict=True) if not any(pair[1] is x for x in first)]
        early = {r for step in first for r in step.results} | {r for r, _ in self.carried}
        if self.guarded:  # a round that stops in its midst has computed some
            early.update(r for step in self.steps for r in step.results)
            early.update(() if self.counter is None else (self.counter,))
        ends = [
            f"e{i}" if value.__class__ is Reg and value.number in early else w.value(value)
            for i, value in enumerate(self.ends)
        ]
        for r in sorted(self.in_place):
            if any(r == carried for carried, _ in self.carried):
                w.line(f"{w.register(r)} = {w.register(r)}.copy()")
        w.line("n = 0")
        w.line("stopped = -1")
        if self.counter is None:
            w.line("while n < limit:")
        else:
            w.line(f"for {w.register(self.counter)} in counters:")
        w.indent()
        for step in first:
            self._write_forward(w, step, keeping)
        if self.condition is not None:
            w.line(f"if not {_written(w, self.condition)}: break")
        guards = list(enumerate(self.guarded))
        for place, step in rest:
            while guards and guards[0][1].at <= place:
                self._write_stop(w, *guards.pop(0))
            self._write_forward(w, step, keeping)
        for guard in guards:
            self._write_stop(w, *guard)
        if keeping:
            w.line(f"keep(({''.join(w.register(r) + ', ' for r in self.saved)}))")
        copies = [(f"e{i}", w.value(value)) for i, value in enumerate(self.ends) if ends[i] == f"e{i}"]
        copies += [(w.register(r), w.value(value)) for r, value in self.carried]
        copies = [(name, value) for name, value in copies if name != value]
        if copies:
            w.line(f"{', '.join(name for name, _ in copies)} = {', '.join(value for _, value in copies)}")
        w.line("n += 1")
        w.dedent()
        given = [*(w.register(r) for r, _ in self.carried), *ends]
        w.line(f"return n, ({''.join(x + ', ' for x in given)}) if n else None, stopped")
        return w.compiled()[0]

    def _write_forward(self, w: _Writer, step: Step, training: bool) -> None:
        assert isinstance(w, _Locals)
        function = self.numbers.get(step.results[0])
        assert isinstance(step.op, Primitive)
        sign = SIGNS.get(step.op.name)
        if step.op.name == "written" and step.operands[0].__class__ is Reg and step.operands[0].number in self.in_place:
            (x, value), key = map(w.value, step.operands), w.value(step.statics[0])
            if self.guarded:
                before = f"u{len(w.undone)}"
                w.line(f"{before} = {w.constant(np.array)}({x}[{key}])")
                w.undone.append(f"{x}[{key}] = {before}")
            w.line(f"{x}[{key}] = {value}")
            w.line(f"{w.register(step.results[0])} = {x}")
            return
        if step.op.name == "index" and (step.statics[0].__class__ in (Reg, int)):
            x, key = w.value(step.operands[0]), w.value(step.statics[0])
            w.line(f"{w.register(step.results[0])} = {x}[{key}]")
            return
        if function is None and sign is None:
            super()._write_forward(w, step, training)
            return
        operands = [w.value(x) for x in step.operands]
        made = f"{w.constant(function)}({', '.join(operands)})" if function is not None else str(sign).join(operands)
        w.line(f"{w.register(step.results[0])} = {made}")

    def _write_stop(self, w: _Locals, number: int, guard: Guard) -> None:
        """Stop before a round that decides otherwise: what it has written is undone."""
        w.line(f"if {'not ' if guard.outcome else ''}{_written(w, guard.condition)}:")
        w.lines += [f"{'    ' * (w.level + 1)}{line}" for line in reversed(w.undone)]
        w.line(f"    stopped = {number}; break")

    def _chains(self) -> set[int]:
        """The registers that are written to in place: a carried array, and what it is after each write of a round.

        Its buffer is the loop's own from the first round on. Nobody else may see it: it is no view, no rule reads
        it, and it is carried on once.
        """
        order = list(zip(self.places, self.steps, strict=True))
        out = [x.number for x in (*(value for _, value in self.carried), *self.ends) if x.__class__ is Reg]
        found: set[int] = set()
        for start, value in self.carried:
            if value.__class__ is not Reg:
                continue
            chain = [start]
            writes = []
            for place, step in order:
                x = step.operands[0] if step.op.name == "written" else None
                if x.__class__ is Reg and x.number == chain[-1]:
                    chain.append(step.results[0])
                    writes.append((place, step))
            if not writes or chain[-1] != value.number or out.count(chain[-1]) != 1:
                continue
            ends = {r: place for r, (place, _) in zip(chain, writes, strict=False)}  # from where on it is another
            if any(r in out or r in self.saved for r in chain[:-1]) or chain[-1] in self.saved:
                continue
            if all(
                (
                    any(step is other for _, other in writes)
                    and not any(x.__class__ is Reg and x.number in chain for x in (*step.operands[1:], *step.statics))
                )
                or (
                    self._only_looks(step)
                    and all(place < ends.get(r, place + 1) for r in step.registers() if r in chain)
                )
                for place, step in order
                if not set(chain).isdisjoint(step.registers())
            ):
                found.update(chain)
        return found

    def _only_looks(self, step: Step) -> bool:
        """Whether the step gives no view of an operand."""
        if step.op.name == "index":
            (key,) = step.statics
            return all(part.__class__ in (int, Reg) for part in (key if key.__class__ is tuple else (key,))) and (
                self.trace.shapes[step.results[0]] == ()
            )
        return isinstance(step.op, Primitive) and (step.op.partials is not None or step.op.name in FRESH)

    # Back

    def _write_backward(self, w: _Writer, step: Step) -> None:
        """As of a plan, but for products of matrices and vectors, of which all is known that their rules look at."""
        assert isinstance(step.op, Primitive)
        shares = self._product(step)
        if shares is None:
            super()._write_backward(w, step)
            return
        (y,) = step.results
        w.line(f"g = {w.bar(y)}")
        w.line("if g is not None:")
        w.indent()
        w.line(f"{w.bar(y)} = None")
        if w.loose(y):
            w.line("if g.__class__ is Scattered: g = g.dense()")
        a, b = step.operands
        for x, other, share in zip((a, b), (b, a), shares, strict=True):
            if self.tracks(x):
                w.line(f"c = {share.format(w.value(other))}")
                self._give(w, x.number, True)
        w.dedent()

    def _product(self, step: Step) -> tuple[str, str] | None:
        """How the cotangents of the operands of a product are written, by the other operand; None for other steps."""
        if isinstance(step.op, Call) or not step.op.shares or step.results[0] in self.wanted:
            return None
        dtype = self.trace.dtypes[step.results[0]]
        dims = []
        for x in step.operands:
            if x.__class__ is Reg and self.trace.dtypes[x.number] == dtype:
                dims.append(len(self.trace.shapes[x.number] or ()))
            elif isinstance(x, np.ndarray) and x.dtype == dtype:
                dims.append(x.ndim)
        return step.op.shares.get(tuple(dims))

    def pull(
        self, heads: Sequence[Any], fixed: Sequence[Any], saved: Sequence[tuple[Any, ...]]
    ) -> tuple[list[Any], list[Any]]:
        """The cotangents of what is carried into the first round, and of what is fixed; None where none arrives.

        heads: the cotangents of what was carried out of the last round and of the ends, or None; fixed: the values;
        saved: what each round kept, the first first.
        """
        b: list[Any] = [None] * len(self.trace.shapes)
        with np.errstate(all="ignore"):
            carried = self._pull(tuple(heads), fixed, b, set(), saved)
        return [_dense(g) for g in carried], [_dense(b[r]) for r in self.fixed]

    def _write_pull(self) -> tuple[list[int], Callable[..., Any]]:
        """The registers that rounds keep for it, and the function that goes back."""
        w = _Locals("heads, fixed, b, own, saved")
        w.loosely = self._loose()
        names = [f"h{i}" for i in range(len(self.carried) + len(self.ends))]
        if names:
            w.line(f"{', '.join(names)}, = heads")
        _unpack(w, self.fixed, "fixed")
        w.read.clear()
        at = len(w.lines)
        w.indent()
        owned = {r: f"o{i}" for i, (r, _) in enumerate(self.carried) if r in w.loosely}
        if w.loosely:
            w.line(f"own.intersection_update({w.constant(frozenset(self.fixed))})")
        tight = sorted(
            {r for step in self.backward_steps for r in (*step.registers(), *step.results)}.union(
                value.number for _, value in self.carried if value.__class__ is Reg
            )
            & self.leads - w.loosely
        )
        if tight:
            w.line(f"{' = '.join(map(w.bar, tight))} = None")
        self.met = set(self.fixed)
        registers = [r for r, _ in self.carried]
        given = [*(value for _, value in self.carried), *self.ends[: len(self.ends) - self.shown]]
        for i, (name, value) in enumerate(zip(names, given, strict=False)):
            if self.tracks(value):
                if value.number in self.met or value.number in w.loosely:
                    w.line(f"if {name} is not None: {w.added(value.number, name)}")
                else:
                    w.line(f"{w.bar(value.number)} = {name}")
                self.met.add(value.number)
                if i < len(registers) and registers[i] in owned and value.number in w.loosely:
                    w.line(f"if {owned[registers[i]]}: own.add({value.number})")
        for step in reversed(self.backward_steps):
            if any(x in self.leads for x in step.results) and _differentiable(step, self.leads):
                self._write_backward(w, step)
        for name, (r, _) in zip(names, self.carried, strict=False):
            w.line(f"{name} = {w.bar(r) if r in self.leads else None}")
            if r in w.loosely:
                w.line(f"{owned[r]} = {r} in own; {w.bar(r)} = None")
        if self.ends:
            w.line(" = ".join(names[len(self.carried) :]) + " = None")
        w.dedent()
        w.line(f"return ({''.join(name + ', ' for name in names[: len(self.carried)])})")
        saved = sorted(w.read.difference(self.fixed))
        if owned:
            w.lines.insert(at, f"    {' = '.join(owned.values())} = False")
            at += 1
        w.lines.insert(at, f"    for ({''.join(f'r{r}, ' for r in saved)}) in reversed(saved):")
        return saved, w.compiled()[0]

    def _loose(self) -> set[int]:
        """The registers whose cotangents are not simply sums of arrays: gathered over the rounds, or scattered."""
        loose = self.leads.intersection(self.fixed)
        for step in self.backward_steps:
            if isinstance(step.op, Primitive) and step.op.partials is None:
                loose |= self.leads.intersection(step.registers())
                if step.op.reuse is not None:
                    loose |= self.leads.intersection(step.results)
        return loose


class _Locals(_Writer):
    """Source in which registers are local variables."""

    def __init__(self, parameters: str) -> None:
        super().__init__(parameters)
        self.read: set[int] = set()
        self.loosely: set[int] = set()
        self.undone: list[str] = []  # what undoes the writes of a round so far, the first first

    def register(self, number: int) -> str:
        self.read.add(number)
        return f"r{number}"

    def bar(self, number: int) -> str:
        return f"b[{number}]" if number in self.loosely else f"b{number}"

    def loose(self, number: int) -> bool:
        return number in self.loosely

    def added(self, number: int, c: str) -> str:
        name = self.bar(number)
        if number in self.loosely:
            return super().added(number, c)
        return f"{name} = {c} if {name} is None else {name} + {c}"


def _unpack(w: _Writer, registers: list[int], name: str) -> None:
    if registers:
        w.line(f"{', '.join(w.register(r) for r in registers)}, = {name}")


def _values(clause: Clause) -> list[Any]:
    """The registers and constants that a condition compares."""
    if clause.sign in ("and", "or", "not", "chain"):
        return [value for part in clause.parts for value in _values(part)]
    return list(clause.parts)


def _written(w: _Writer, clause: Clause) -> str:
    if clause.sign in ("and", "or", "chain"):
        return f"({f' {clause.sign} '.replace('chain', 'and').join(_written(w, part) for part in clause.parts)})"
    if clause.sign == "not":
        return f"(not {_written(w, clause.parts[0])})"
    if not clause.sign:
        return w.value(clause.parts[0])
    return f"({w.value(clause.parts[0])} {clause.sign} {w.value(clause.parts[1])})"
