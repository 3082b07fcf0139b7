"""A program that is written line by line: each piece runs at once, where the ones before it ended.

Everything is recorded as it runs, so derivatives and derivations are those of what was computed, not of a
second run. A piece that fails leaves nothing behind. A number or an array of floats that comes from nothing
recorded is an input, and a name stands for the value that it has now.
"""

from __future__ import annotations

import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np

from ndgrad import autograd
from ndgrad.errors import Diagnostic, Source, Span
from ndgrad.frozen import Frozen
from ndgrad.lang import problems, syntax
from ndgrad.lang.cache import tree_of
from ndgrad.lang.calls import Fixed, fixing
from ndgrad.lang.checker import Checker, unknown
from ndgrad.lang.conditions import Path, PathStep, condensed
from ndgrad.lang.derivation_data import Binding, Derivation
from ndgrad.lang.inputs import taken
from ndgrad.lang.interpreter import Compiler, tail_of
from ndgrad.lang.limits import Watch, bounded, stop
from ndgrad.lang.program import MAX_STEPS, contained
from ndgrad.lang.scopes import Scope, assigned
from ndgrad.lang.state import State
from ndgrad.lang.values import NUMBERS, UNBOUND, described, formatted
from ndgrad.ndarray import NDArray, array, plain
from ndgrad.sweep import nodes_below
from ndgrad.tape import Node

Values = tuple[tuple[str, Any], ...]
FORGET_FROM = 10_000  # assignments kept, from which on those are looked for that nothing refers to any more


class Ran(Frozen):
    """What a piece of a session gave: names with arrays (or words, for a value that is none), and the path taken."""

    values: Values
    path: tuple[PathStep, ...]


class Gradients(Frozen):
    """The gradients of `of` by names, and what is to be known of them."""

    of: str
    values: Values
    warnings: tuple[Diagnostic, ...]


class Session:
    """A program in the making.

    name     what messages call it
    folder   where the files lie that a piece may `use`
    dtype    the default float; train, whether layers train; seed, what random numbers begin from
    show     where `print` goes, standard error unless given
    max_steps, max_memory, timeout   the limits of every piece, as those of `Program.run`
    """

    def __init__(
        self,
        name: str = "session",
        folder: str = ".",
        dtype: str = "float64",
        train: bool = False,
        seed: int | None = None,
        show: Callable[[str], None] | None = None,
    ) -> None:
        self.name = name
        self.folder = folder
        self.dtype = dtype
        self.train = train
        self.max_steps = MAX_STEPS
        self.max_memory: int | None = None
        self.timeout: float | None = None
        self.bound_by: dict[str, str] = {}
        self.scope = Scope(())
        self.state = State({}, frozenset(), MAX_STEPS, show or _to_standard_error, self.bound_by, traced=True)
        self.frame: list[Any] = [None, self.state, None]
        self.last: tuple[str, NDArray] | None = None  # what was shown last
        self.paths: list[tuple[Source, tuple[PathStep, ...]]] = []
        self.typed: set[str] = set()  # names that got their values here, and in no file
        self.fixed: Fixed = {}  # values that became shapes and the like, by which there is no derivative
        self.enough = FORGET_FROM
        self.begun: int | None = None  # what random numbers began from, where that was asked for
        if seed is not None:
            self.seed(seed)

    def seed(self, seed: int) -> None:
        """Begin the random numbers anew."""
        from ndgrad.ops import random

        random.seed(seed)
        self.begun = seed

    @property
    def names(self) -> dict[str, Any]:
        """Every name that has a value, with it."""
        found = ((name, self.frame[place]) for name, place in self.scope.places.items())
        return {name: value for name, value in found if value is not UNBOUND}

    # Pieces

    def bind(self, name: str, value: Any, how: str) -> None:
        """Give `name` a value from outside; how: what the user wrote. E604."""

        def work() -> None:
            made = taken(name, value, None if self.dtype == "float64" else self.dtype, None, how)
            self.scope.add([name])
            self.frame += [UNBOUND] * (self.scope.size - len(self.frame))
            self.bound_by[name] = how
            self._keep(name, made, Span(Source(self.name, ""), 0, 0), "")

        with self._settings():
            contained(work, {}, self.name)

    def run(self, text: str, line: int = 1) -> Ran:
        """Run a piece that begins on that line of the session. Errors: those of a program; then nothing has changed."""
        return self._whole(lambda: self._piece(_placed(self.name, text, line), self.folder))

    def load(self, source: Source, folder: str) -> Ran:
        """Run the program in a file, as if its lines were written here. Errors as for `run`."""
        return self._whole(lambda: self._piece(source, folder, in_file=True))

    def _whole(self, work: Callable[[], Ran]) -> Ran:
        """Do all of the work, or nothing, also where it is interrupted."""
        frame, places, bindings = list(self.frame), dict(self.scope.places), list(self.state.bindings or ())
        bound_by, typed, fixed = dict(self.bound_by), set(self.typed), dict(self.fixed)
        try:
            return contained(work, self.bound_by, self.name)
        except BaseException:
            self.frame[:], self.scope.places, self.state.bindings = frame, places, bindings
            self.typed, self.fixed = typed, fixed
            self.bound_by.clear()
            self.bound_by.update(bound_by)
            raise

    def _piece(self, source: Source, folder: str, in_file: bool = False) -> Ran:
        body = self._read(source, folder, in_file)
        checked = Checker(body, self.names)
        if checked.found:
            raise problems.raised(sorted(checked.found, key=lambda p: p.span.start if p.span else 0))
        given = self._given(checked, in_file)
        missing = unknown(checked, {*self.names, *given})
        if missing:
            raise problems.raised([_for_session(problem) for problem in missing])
        self.scope.add(checked.globals)
        self.frame += [UNBOUND] * (self.scope.size - len(self.frame))
        shows = any(isinstance(node, syntax.Output) for node in syntax.walk(body))
        tail = frozenset() if shows else frozenset(id(s) for s in tail_of(body.statements))
        compiler = Compiler(self.scope, frozenset(), True, tail)
        state = self.state
        self._begin(given)
        with self._running():
            for statement in body.statements:
                self._statement(statement, compiler.block((statement,)))
                (self.typed.difference_update if in_file else self.typed.update)(assigned((statement,)))
            values = self._shown(body)
            for value in self.frame:  # computed now: what is left for later could be interrupted then
                if value.__class__ is NDArray:
                    plain(value)
        path = tuple(state.path.steps(source))
        if path:
            self.paths.append((source, path))
        self._forget()
        return Ran(values, path)

    def _read(self, source: Source, folder: str, in_file: bool) -> syntax.Body:
        """The tree of a piece, with the files that it uses."""
        from ndgrad.lang.parser import parse

        body = tree_of(source) if in_file else parse(source)  # what is typed once is not worth a place in the cache
        if any(isinstance(statement, syntax.Use) for statement in body.statements):
            import os

            from ndgrad.lang.modules import Linker

            body = Linker(folder).linked(body, folder, os.path.realpath(source.name))
        return body

    def _given(self, checked: Checker, in_file: bool) -> dict[str, NDArray]:
        """What the inputs of a piece take: what was given from outside; without a default, what the session has.

        in_file: also what was typed here, before the defaults of the file.
        """
        found = {}
        for name, node in checked.inputs.items():
            value = self.names.get(name)
            if name in self.bound_by or node.default is None or (in_file and name in self.typed):
                if value.__class__ in NUMBERS:
                    found[name] = array(value)
                elif isinstance(value, NDArray):
                    found[name] = value
        return found

    def _begin(self, given: dict[str, NDArray]) -> None:
        state = self.state
        state.given = given
        state.limit = state.steps = self.max_steps
        state.stopped = None
        state.outputs, state.last, state.sizes = {}, [], {}
        state.path = Path()
        state.depth = 0

    @contextmanager
    def _settings(self) -> Iterator[None]:
        with np.errstate(all="ignore"), warnings.catch_warnings(), autograd.default_dtype(self.dtype):
            warnings.simplefilter("ignore")
            yield

    @contextmanager
    def _running(self) -> Iterator[None]:
        """Within it everything is recorded and kept, and within the limits. E502, E504, E505."""
        with ExitStack() as scopes:
            scopes.enter_context(self._settings())
            scopes.enter_context(bounded(self.max_memory))
            scopes.enter_context(autograd.record(self.train))
            scopes.enter_context(autograd.keep_values())
            scopes.enter_context(autograd.keep_origins(self.state.origins))
            scopes.enter_context(fixing(self.fixed))
            scopes.enter_context(Watch(self.state, self.timeout, self.max_memory, None))
            yield
        if self.state.stopped is not None:
            raise stop(self.state, None)

    def _statement(self, statement: syntax.Statement, run: Callable[[list[Any]], Any]) -> None:
        """Run one statement; what it gives values to becomes an input where it comes from none."""
        run(self.frame)
        for name, node in assigned((statement,)).items():
            if not isinstance(statement, syntax.Input):
                self.bound_by.pop(name, None)
            self._follow(name, node.span, isinstance(statement, syntax.Assign), statement)

    def _follow(self, name: str, span: Span, whole: bool, statement: syntax.Statement) -> None:
        """Make the value of a name an input, if it holds floats that come from none.

        whole: also a number without a fraction, which is an integer to the language only where one is needed.
        """
        value = self.frame[self.scope.places[name]]
        if value.__class__ is float or (whole and value.__class__ is int):
            value = array(value)
        if value.__class__ is NDArray and value.dtype.kind == "f" and value.node is None:
            text = condensed(statement.value.span.text) if isinstance(statement, syntax.Assign) else ""
            self._keep(name, value, span, text)

    def _keep(self, name: str, value: NDArray, span: Span, text: str) -> None:
        """Give `name` this value, tracked if it can be."""
        if value.dtype.kind == "f" and value.node is None:
            value.attach_grad()
        self.frame[self.scope.places[name]] = value
        self.state.bind(name, value, span, text)

    def _shown(self, body: syntax.Body) -> Values:
        """What a piece shows: its outputs, else its last value."""
        state = self.state
        shown = dict(state.outputs) or {name: (value, span) for name, value, span in state.last}
        last = body.statements[-1] if body.statements else None
        if not shown and isinstance(last, syntax.Input):
            shown = {last.name: (self.frame[self.scope.places[last.name]], last.span)}
        made: list[tuple[str, Any]] = []
        recorded: list[tuple[str, NDArray]] = []
        for name, (value, _) in shown.items():
            parts = [(f"{name}[{i}]", part) for i, part in enumerate(value)] if isinstance(value, tuple) else ()
            for label, part in parts or [(name, value)]:
                now = self.names.get(label, part) if part.__class__ in NUMBERS else part  # followed, since it was shown
                if isinstance(now, NDArray) or now.__class__ in NUMBERS:
                    known = now if isinstance(now, NDArray) else array(now)
                    recorded.append((label, known))
                    made.append((label, np.array(plain(known))))
                elif now is not None and isinstance(last, syntax.Evaluate):
                    made.append((label, formatted(now)))
        if recorded:
            self.last = recorded[0]
        return tuple(made)

    # Derivatives

    def gradients(self, names: Sequence[str], of: str | None = None, line: int = 1) -> Gradients:
        """The gradients of a name or an expression (what was shown last unless given) by names. E205, E208, E401."""
        label, y = self._output(of, line)
        found, warned = self._gradients(names, label, y)
        return Gradients(label, tuple((n, np.array(plain(g))) for n, g in found.items()), warned)

    def derivation(self, name: str, of: str | None = None, line: int = 1) -> Derivation:
        """The steps of the derivative of a name or an expression by a name, from what was recorded. As `gradients`."""
        from ndgrad.lang.derivation import derive
        from ndgrad.lang.replay import Replay, quiet

        label, y = self._output(of, line)
        result = np.array(plain(self._gradients([name], label, y)[0][name]))
        x = self._variable(name)
        head = np.ones(y.shape, y.dtype)
        if y.node is None or x.node is None:
            raise problems.raised(problems.no_gradient_of(label, str(y.dtype), None, "derivations of"))
        bindings = self._bindings(name, x, y.node)
        replay = Replay(y.node, x.node, plain(x))

        def probe(direction: Any) -> float:
            step = 6e-6 if x.dtype == np.float64 else 3e-3
            if not replay.reaches:
                return 0.0
            with quiet():
                ends = [replay.values(plain(x) + sign * step * direction)[replay.output.id] for sign in (1, -1)]
            return float(np.sum(ends[0] - ends[1])) / (2 * step)

        sources = {id(b.span.source) for b in bindings if b.span is not None}
        path = [step for source, steps in self.paths if id(source) in sources for step in steps]
        with self._settings():
            return contained(
                lambda: derive(
                    of=label,
                    output=y,
                    wrt=name,
                    variable=x,
                    head=head,
                    result=result,
                    bindings=bindings,
                    origins=self.state.origins,
                    path=path,
                    probe=probe,
                ),
                {},
                self.name,
            )

    def _output(self, of: str | None, line: int) -> tuple[str, NDArray]:
        """The name and value of what is differentiated. E208; ValueError for what is no expression."""
        if of is None:
            if self.last is None:
                raise problems.raised(problems.no_output("there is no value to differentiate yet"))
            return self.last
        known = self.names.get(of.strip())
        if isinstance(known, NDArray):
            return of.strip(), known
        body = self._read(_placed(self.name, of, line), self.folder, in_file=False)
        if len(body.statements) != 1 or not isinstance(body.statements[0], syntax.Evaluate):
            raise ValueError(of)
        before = self.last
        self.last = None
        try:
            self.run(of, line)
            if self.last is None:
                raise ValueError(of)
            return self.last
        finally:
            self.last = before

    def _gradients(
        self, names: Sequence[str], of: str, y: NDArray
    ) -> tuple[dict[str, NDArray], tuple[Diagnostic, ...]]:
        variables = {name: self._variable(name) for name in names}
        for node, error in self.fixed.values():
            below = {part.id for part in nodes_below([node])}
            if any(x.node is not None and x.node.id in below for x in variables.values()):
                raise error
        if y.dtype.kind != "f":
            raise problems.raised(problems.no_gradient_of(of, str(y.dtype), None, "gradients of"))
        if y.node is None:
            zeros = {name: array(np.zeros(x.shape, x.dtype)) for name, x in variables.items()}
            apart = (_apart(problems.not_on_the_path(of, name), of, y, name, x) for name, x in variables.items())
            return zeros, tuple(apart)
        head = [np.ones(y.shape, y.dtype)]
        with self._settings():
            made = contained(
                lambda: autograd.grad([y], list(variables.values()), head, retain_graph=True, train_mode=self.train),
                {},
                self.name,
            )
        warned = []
        for (name, x), g in zip(variables.items(), made, strict=True):
            flat = None if np.any(plain(g)) else autograd.only_through(y, x)
            if flat is not None:
                warned.append(_apart(problems.only_through_steps(of, name, flat), of, y, name, x))
        return dict(zip(variables, made, strict=True)), tuple(warned)

    def _variable(self, name: str) -> NDArray:
        """The value of a name to differentiate by. E205, E401."""
        value = self.names.get(name)
        if value is None:
            known = [n for n, v in self.names.items() if isinstance(v, NDArray) and v.node is not None]
            raise problems.raised(problems.unknown_option(":grad", name, "variable", known))
        if not isinstance(value, NDArray) or value.node is None:
            kind = str(value.dtype) if isinstance(value, NDArray) else described(value)
            raise problems.raised(problems.no_gradient_of(name, kind, None, "gradients by"))
        return value

    # The record

    def _bindings(self, name: str, x: NDArray, output: Node) -> tuple[Binding, ...]:
        """The names of what lies between a variable and an output, numbered anew: the session may be long."""
        assert x.node is not None
        below = {node.id for node in nodes_below([output])}
        times: Counter[str] = Counter()
        made: list[Binding] = []
        seen: set[int] = set()
        recorded = [Binding(*parts) for parts in self.state.bindings or () if isinstance(parts[2], NDArray)]
        own = [b for b in recorded if b.value is x and b.name == name]
        for b in [*own[-1:], *recorded]:
            node = b.value.node
            key = id(b.value) if node is None else node.id
            if key in seen or (node is not None and node.id not in below):
                continue
            seen.add(key)
            made.append(Binding(b.name, times[b.name], b.value, b.span, b.expression))
            times[b.name] += 1
        return tuple(made)

    def _forget(self) -> None:
        """Let go of values that only the list of assignments still refers to, once it has grown long."""
        bindings = self.state.bindings
        assert bindings is not None
        if len(bindings) < self.enough:
            return
        held = [value for value in self.frame if isinstance(value, NDArray)]
        if self.last is not None:
            held.append(self.last[1])
        alive = {node.id for node in nodes_below([value.node for value in held if value.node is not None])}
        values = {id(value) for value in held}

        def needed(value: Any) -> bool:
            if not isinstance(value, NDArray):
                return False
            return id(value) in values if value.node is None else value.node.id in alive

        self.state.bindings = [parts for parts in bindings if needed(parts[2])]
        self.fixed = {key: found for key, found in self.fixed.items() if key[0] in alive}
        self.enough = max(FORGET_FROM, 2 * len(self.state.bindings))


def _placed(name: str, text: str, line: int) -> Source:
    """The text as it stands on that line: the lines before it are empty."""
    return Source(name, "\n" * (line - 1) + text)


def _apart(warning: Diagnostic, of: str, y: NDArray, name: str, x: NDArray) -> Diagnostic:
    """The warning of a zero gradient, with a word on it where the variable has got another value since."""
    if warning.help is not None or x.node is None or (y.node is not None and y.node.id > x.node.id):
        return warning
    cure = f"`{name}` has got its value after `{of}`: compute `{of}` anew"
    return Diagnostic(warning.code, warning.message, warning.labels, cure, warning.severity)


def _to_standard_error(text: str) -> None:
    sys.stderr.write(text + "\n")


def _for_session(problem: Diagnostic) -> Diagnostic:
    """The problem of a name without a value, with the cure that there is in a session."""
    _, bound, rest = (problem.help or "").rpartition("-i ")
    if not bound:
        return problem
    cure = f"give it a value first: {rest.partition('=')[0]} = …"
    return Diagnostic(problem.code, problem.message, problem.labels, cure, problem.severity)
