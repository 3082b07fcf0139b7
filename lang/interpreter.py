"""What statements mean: each becomes a closure from a frame to a signal, made once.

A statement gives None, or the signal that leaves the blocks around it: BREAK, CONTINUE, RETURN.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from os import environ
from typing import Any

from ndgrad.errors import Span
from ndgrad.lang import problems, syntax
from ndgrad.lang.calls import returning
from ndgrad.lang.conditions import compile_condition, condensed, text_of
from ndgrad.lang.expressions import Expressions, operation
from ndgrad.lang.indexing import compile_key, write_variable, written
from ndgrad.lang.inputs import declared
from ndgrad.lang.limits import stop
from ndgrad.lang.scopes import RESULT, STATE, Scope, assigned, target_names
from ndgrad.lang.values import UNBOUND, Frame, Run, described, failed, formatted, length, rows
from ndgrad.ndarray import NDArray
from ndgrad.ops import find

BREAK, CONTINUE, RETURN = 1, 2, 3

Store = Callable[[Frame, Any], None]


NEVER = 1 << 62
# Rounds that a loop makes before it is compiled, all runs together: NDGRAD_LOOPS is "always", "never" or "auto".
WAIT = {"always": 1, "never": NEVER}.get(environ.get("NDGRAD_LOOPS", "auto"), 400)
END = object()  # of a sequence


class Waiting:
    """A loop that has made few rounds yet. wait: how many more to make before it is looked at."""

    compiled: Any = None

    def __init__(
        self, compiler: Compiler, node: syntax.While | syntax.For, body: Run, store: Store | None = None
    ) -> None:
        self.parts = compiler, node, body, store
        self.wait = WAIT if compiler.compiles else NEVER

    def seen(self, rounds: int) -> None:
        """So many rounds were made."""
        if self.wait < NEVER:
            self.wait = max(0, self.wait - rounds)

    def begin(self, f: Frame, values: Any = None) -> Any:
        """See `compiled_loops.Loop`."""
        if self.compiled is None:
            from ndgrad.lang.compiled_loops import Loop

            self.compiled = Loop(*self.parts)
        return self.compiled.begin(f, values)


class Compiler(Expressions):
    """Makes closures of statements within a scope.

    traced   whether assignments are recorded
    tail     the statements (by id) of which one is the last that runs
    """

    compiles = True  # whether loops may be compiled

    def __init__(self, scope: Scope, hidden: frozenset[str], traced: bool, tail: frozenset[int]) -> None:
        super().__init__(scope, hidden)
        self.compiles = self.compiles and not traced
        self.traced = traced
        self.tail = tail

    def inner(self, scope: Scope) -> Compiler:
        return self.__class__(scope, self.hidden, self.traced, frozenset())

    def block(self, statements: tuple[syntax.Statement, ...]) -> Run:
        """The closure that runs statements in turn, up to a signal."""
        closures = tuple([_COMPILE[s.__class__](self, s) for s in statements])
        if len(closures) == 1:
            only: Run = closures[0]
            return only

        def run(f: Frame) -> Any:
            for closure in closures:
                signal = closure(f)
                if signal is not None:
                    return signal
            return None

        return run

    # Binding

    def store(self, target: syntax.Expression, place: Span, text: str) -> Store:
        """The function that puts a value where `target` says; place and text are the value's."""
        match target:
            case syntax.Name(name=name):
                return self._store_name(name, target.span, text)
            case syntax.TupleLiteral(entries=entries):
                return self._store_tuple(entries, place, text)
            case syntax.Index(value=inside):
                key = compile_key(self, target.key)
                read = self.compile(inside)
                store = self.store(inside, place, text)
                if isinstance(inside, syntax.Name):
                    slot = self.slot(inside.name)

                    def write(f: Frame, value: Any) -> None:
                        if f[slot] is UNBOUND:
                            read(f)
                        store(f, write_variable(f, slot, key(f), value, target, place))

                    return write
                return lambda f, value: store(f, written(read(f), key(f), value, target, place))
            case _:
                raise AssertionError(target)

    def slot(self, name: str) -> int:
        """The place in the frame of a name that this scope gives values to."""
        found = self.scope.find(name)
        assert found is not None
        assert found[0] == 0
        return found[1]

    def _store_name(self, name: str, span: Span, text: str) -> Store:
        slot = self.slot(name)
        if self.traced:

            def record(f: Frame, value: Any) -> None:
                f[slot] = value
                f[STATE].bind(name, value, span, text)

            return record

        def put(f: Frame, value: Any) -> None:
            f[slot] = value

        return put

    def _store_tuple(self, entries: tuple[syntax.Expression, ...], place: Span, text: str) -> Store:
        stores = [self.store(entry, place, f"({text})[{i}]") for i, entry in enumerate(entries)]
        count = len(stores)

        def unpack(f: Frame, value: Any) -> None:
            if value.__class__ is tuple:
                parts = value
            elif _length(value) == count:
                parts = tuple(rows(value, place))
            else:
                raise problems.raised(problems.nothing_to_unpack(place, count, described(value)))
            if len(parts) != count:
                raise problems.raised(problems.nothing_to_unpack(place, count, described(value)))
            for store, part in zip(stores, parts, strict=True):
                store(f, part)

        return unpack

    def assign(self, node: syntax.Assign) -> Run:
        value = self.compile(node.value)
        text = condensed(node.value.span.text)
        final = self.final(node, [name for target in node.targets for name in target_names(target)])
        if len(node.targets) == 1 and isinstance(node.targets[0], syntax.Name) and not self.traced and not final:
            slot = self.slot(node.targets[0].name)

            def direct(f: Frame) -> None:
                f[slot] = value(f)

            return direct
        several = [
            self._pairwise(target, node.value) or self.store(target, node.value.span, text) for target in node.targets
        ]

        def run(f: Frame) -> None:
            made = value(f)
            for store in several:
                store(f, made)
            if final:
                final(f)

        return run

    def _pairwise(self, target: syntax.Expression, value: syntax.Expression) -> Store | None:
        """a, b = c, d: each name with its own expression, for the record."""
        if not (isinstance(target, syntax.TupleLiteral) and isinstance(value, syntax.TupleLiteral)):
            return None
        if len(target.entries) != len(value.entries):
            return None
        pairs = zip(target.entries, value.entries, strict=True)
        stores = [self.store(t, v.span, condensed(v.span.text)) for t, v in pairs]

        def run(f: Frame, made: Any) -> None:
            for store, part in zip(stores, made, strict=True):
                store(f, part)

        return run

    def final(self, node: syntax.Statement, names: list[syntax.Name]) -> Run | None:
        """What notes the values of a statement that may be the program's last, else None."""
        if id(node) not in self.tail:
            return None
        reads = [(name.name, self.compile(name), name.span) for name in names]

        def note(f: Frame) -> None:
            f[STATE].last = [(name, read(f), span) for name, read, span in reads]

        return note

    def augmented(self, node: syntax.Augmented) -> Run:
        target, span = node.target, node.span
        value = self.compile(node.value)
        place = node.value.span
        work = operation(node.operator, span, (target.span, place))
        text = condensed(f"{target.span.text} {node.operator} {_grouped(node.value)}")
        final = self.final(node, list(target_names(target)))
        if isinstance(target, syntax.Index):
            read, key = self.compile(target.value), compile_key(self, target.key)
            store = self.store(target.value, place, text)
            index = find("index")
            assert index is not None
            call = index.call

            def changed_entry(f: Frame, x: Any, k: Any) -> Any:
                if not isinstance(x, NDArray):
                    return 0  # the write says what is wrong
                try:
                    old = call(x, k)
                except Exception as error:
                    raise failed(error, "an index", target.span, (target.value.span,)) from None
                return work(old, value(f))

            if isinstance(target.value, syntax.Name):
                slot = self.slot(target.value.name)

                def entry(f: Frame) -> None:
                    k = key(f)
                    made = changed_entry(f, read(f), k)
                    store(f, write_variable(f, slot, k, made, target, place))
                    if final:
                        final(f)

                return entry

            def inner_entry(f: Frame) -> None:
                x = read(f)
                k = key(f)
                store(f, written(x, k, changed_entry(f, x, k), target, place))
                if final:
                    final(f)

            return inner_entry
        current = self.compile(target)
        keep = self.store(target, place, text)
        changed = self.apply(node.operator, current, value, syntax.Binary(span, node.operator, target, node.value))

        def run(f: Frame) -> None:
            keep(f, changed(f))
            if final:
                final(f)

        return run

    # Inputs and outputs

    def input(self, node: syntax.Input) -> Run:
        default = None if node.default is None else self.compile(node.default)
        given = self._store_name(node.name, node.span, "")
        store = self._store_name(node.name, node.span, condensed(node.default.span.text)) if node.default else given
        names = (d.size for d in node.dims or () if isinstance(d.size, str) and d.size not in ("_", "..."))
        slots = {name: self.slot(name) for name in names}
        final = self.final(node, [])
        assert final is None

        def run(f: Frame) -> None:
            state = f[STATE]
            bound = node.name in state.given
            x, found = declared(node, state, None if bound or default is None else default(f))
            for name, size in found.items():
                f[slots[name]] = size  # no value of the program's: the record does not number it
            (given if bound else store)(f, x)

        return run

    def output(self, node: syntax.Output) -> Run:
        shown: list[tuple[str, Run, Store | None, Span]] = []
        for part in node.shown:
            text = condensed(part.value.span.text)
            if part.name is not None:
                store = self._store_name(part.name, part.span, text)
                shown.append((part.name, self.compile(part.value), store, part.value.span))
                continue
            shown += [(condensed(v.span.text), self.compile(v), None, v.span) for v in _entries(part.value)]

        def run(f: Frame) -> None:
            outputs = f[STATE].outputs
            for name, read, store, span in shown:
                value = read(f)
                if store is not None:
                    store(f, value)
                outputs[name] = (value, span)

        return run

    def linked(self, node: syntax.Linked) -> Run:
        """Make the functions of another file, in a frame of that file's own."""
        library = node.library
        scope = Scope(assigned(library.statements))
        block = self.__class__(scope, frozenset(), self.traced, frozenset()).block(library.statements)
        moves = [(self.slot(name), scope.places[name]) for name in library.functions]

        def run(f: Frame) -> None:
            inner: Frame = [None, f[STATE], None, *[UNBOUND] * len(scope.places)]
            block(inner)
            for here, there in moves:
                f[here] = inner[there]

        return run

    def evaluate(self, node: syntax.Evaluate) -> Run:
        if id(node) in self.tail:
            parts = [(condensed(v.span.text), self.compile(v), v.span) for v in _entries(node.value)]

            def last(f: Frame) -> None:
                f[STATE].last = [(name, read(f), place) for name, read, place in parts]

            return last
        value = self.compile(node.value)

        def run(f: Frame) -> None:
            value(f)

        return run

    # Control

    def if_(self, node: syntax.If) -> Run:
        branches = [(compile_condition(self, b.condition), self.block(b.body), b.condition.span) for b in node.branches]
        otherwise = self.block(node.otherwise) if node.otherwise else None

        def run(f: Frame) -> Any:
            state = f[STATE]
            if state.tracing is not None:
                for branch, (_, body, _) in zip(node.branches, branches, strict=True):
                    if state.tracing.decides(self, branch.condition, f):
                        return body(f)
                return None if otherwise is None else otherwise(f)
            note = state.path.note
            for condition, body, span in branches:
                taken, compared = condition(f)
                note(span, "if", taken, compared)
                if taken:
                    return body(f)
            return None if otherwise is None else otherwise(f)

        return run

    def while_(self, node: syntax.While) -> Run:
        condition, body = compile_condition(self, node.condition), self.block(node.body)
        span = node.condition.span
        loop = self.loop(node, body)

        def rounds(f: Frame, at: int) -> Iterator[Any]:
            state = f[STATE]
            mark = 1 << max(10, at.bit_length())
            before = compared = turn = None
            due = at + loop.wait
            first = at
            while True:
                if at >= mark:
                    from ndgrad.lang.endless import picture

                    if at == mark:
                        before = picture(f)
                    elif before is not None and picture(f) == before:
                        raise problems.raised(problems.never_ends(span, at, text_of(compared)))
                    else:
                        mark *= 2
                elif at >= due:
                    turn = turn or loop.begin(f)
                    made = turn.run(at, mark - at, rounds) if turn else 0
                    at += made
                    due = NEVER if not turn or not turn.tries else at if made else at + 1
                    if made:
                        continue
                taken, compared = condition(f)
                if not taken:
                    break
                state.steps -= 1
                if state.steps < 0:
                    raise stop(state, span, f"after {at:,} rounds of this loop: {text_of(compared)}")
                at += 1
                signal = body(f)
                if signal is BREAK or signal is RETURN:
                    state.path.note(span, "while", True, compared, at)
                    yield signal
                    return
                yield None
            loop.seen(at - first)
            state.path.note(span, "while", at > 0, compared, at)

        def run(f: Frame) -> Any:
            budget = f[STATE].budget
            signal = None
            for signal in rounds(f, 0) if budget is None else budget.over(partial(rounds, f), f, span):  # noqa: B007
                pass
            return RETURN if signal is RETURN else None

        return run

    def for_(self, node: syntax.For) -> Run:
        iterable, place = self.compile(node.iterable), node.iterable.span
        store, body = self.store(node.target, place, condensed(place.text)), self.block(node.body)
        loop = self.loop(node, body, store)

        def rounds(f: Frame, values: Any, at: int) -> Iterator[Any]:
            state = f[STATE]
            turn = None
            due = at + loop.wait
            first = at
            turns = iter(rows(values, place, at))
            while True:
                if at >= due:
                    turn = turn or loop.begin(f, values)
                    made = turn.run(at, length(values, place) - at, rounds) if turn else 0
                    at += made
                    due = NEVER if not turn or not turn.tries else at if made else at + 1
                    if made:
                        turns = iter(rows(values, place, at))
                value = next(turns, END)
                if value is END:
                    break
                state.steps -= 1
                if state.steps < 0:
                    raise stop(state, place)
                store(f, value)
                at += 1
                signal = body(f)
                if signal is BREAK or signal is RETURN:
                    yield signal
                    return
                yield None
            loop.seen(at - first)

        def run(f: Frame) -> Any:
            values = iterable(f)
            budget = f[STATE].budget
            turns = rounds(f, values, 0) if budget is None else budget.over(partial(rounds, f, values), f, place)
            signal = None
            for signal in turns:  # noqa: B007
                pass
            return RETURN if signal is RETURN else None

        return run

    def loop(self, node: syntax.While | syntax.For, body: Run, store: Store | None = None) -> Waiting:
        """What may compile a loop when it has made some rounds."""
        return Waiting(self, node, body, store)

    def break_(self, node: syntax.Break) -> Run:
        return lambda f: BREAK

    def continue_(self, node: syntax.Continue) -> Run:
        return lambda f: CONTINUE

    def pass_(self, node: syntax.Pass) -> Run:
        return lambda f: None

    def define(self, node: syntax.Define) -> Run:
        local = tuple(assigned(node.body))
        make = self.function(node.name, node.parameters, lambda inner: returning(inner.block(node.body)), local)
        slot = self.slot(node.name)

        def run(f: Frame) -> None:
            f[slot] = make(f)

        return run

    def return_(self, node: syntax.Return) -> Run:
        if node.value is None:
            return lambda f: RETURN
        value = self.compile(node.value)

        def run(f: Frame) -> int:
            f[RESULT] = value(f)
            return RETURN

        return run

    def assert_(self, node: syntax.Assert) -> Run:
        condition, span = compile_condition(self, node.condition), node.condition.span
        message = None if node.message is None else self.compile(node.message)

        def run(f: Frame) -> None:
            holds, compared = condition(f)
            if not holds:
                text = f"the assertion fails: {text_of(compared)}" if message is None else formatted(message(f))
                raise problems.raised(problems.asserted(span, text))

        return run


def _length(value: Any) -> int:
    """How many rows there are to unpack, or -1."""
    if isinstance(value, range):
        return len(value)
    return value.shape[0] if isinstance(value, NDArray) and value.shape else -1


def _entries(value: syntax.Expression) -> tuple[syntax.Expression, ...]:
    """The parts of a tuple that is shown, else the value itself."""
    return value.entries if isinstance(value, syntax.TupleLiteral) and value.entries else (value,)


def _grouped(node: syntax.Expression) -> str:
    text = node.span.text
    return text if isinstance(node, (syntax.Name, syntax.Number, syntax.Call, syntax.Index)) else f"({text})"


_COMPILE: dict[type, Callable[[Compiler, Any], Run]] = {
    syntax.Input: Compiler.input,
    syntax.Output: Compiler.output,
    syntax.Linked: Compiler.linked,
    syntax.Assign: Compiler.assign,
    syntax.Augmented: Compiler.augmented,
    syntax.Evaluate: Compiler.evaluate,
    syntax.If: Compiler.if_,
    syntax.While: Compiler.while_,
    syntax.For: Compiler.for_,
    syntax.Break: Compiler.break_,
    syntax.Continue: Compiler.continue_,
    syntax.Pass: Compiler.pass_,
    syntax.Define: Compiler.define,
    syntax.Return: Compiler.return_,
    syntax.Assert: Compiler.assert_,
}


def tail_of(statements: tuple[syntax.Statement, ...]) -> list[syntax.Statement]:
    """The statements of which one gives the program its value: the last assignment or expression of each path."""
    for statement in reversed(statements):
        match statement:
            case syntax.Assign() | syntax.Augmented():
                return [statement]
            case syntax.Evaluate(value=value):
                if not _prints(value):
                    return [statement]
            case syntax.If(branches=branches, otherwise=otherwise):
                found = [s for block in (*(b.body for b in branches), otherwise) for s in tail_of(block)]
                if found:
                    return found
            case syntax.While(body=body) | syntax.For(body=body):
                found = tail_of(body)
                if found:
                    return found
    return []


def _prints(value: syntax.Expression) -> bool:
    return isinstance(value, syntax.Call) and value.function == syntax.Name(value.span, "print")


def compile_program(
    body: syntax.Body, scope: Scope, hidden: frozenset[str], traced: bool, compiler: type[Compiler] = Compiler
) -> Run:
    """The closure that runs a whole program in a frame of `scope`."""
    shows = any(isinstance(node, syntax.Output) for node in syntax.walk(body))
    tail = frozenset() if shows else frozenset(id(s) for s in tail_of(body.statements))
    return compiler(scope, hidden, traced, tail).block(body.statements)
