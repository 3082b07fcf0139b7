"""One run of a program: from the values that the caller binds to values, gradients and the record."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from time import perf_counter
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from ndgrad import autograd
from ndgrad.errors import Diagnostic, Error, GradientError, Span
from ndgrad.lang import problems, syntax
from ndgrad.lang.checker import unknown
from ndgrad.lang.inputs import taken, track
from ndgrad.lang.interpreter import tail_of
from ndgrad.lang.limits import Watch, bounded, shared, stop
from ndgrad.lang.result import NOTHING_MORE, Asked, Recorded, Result
from ndgrad.lang.scopes import Scope, target_names
from ndgrad.lang.state import State
from ndgrad.lang.values import NUMBERS, UNBOUND, described, operand, shown_shape
from ndgrad.ndarray import NDArray, array, plain
from ndgrad.tape import STATE as ENGINE
from ndgrad.tape import owner_of, tick

if TYPE_CHECKING:
    from ndgrad.device import Traffic
    from ndgrad.fusion import Report
    from ndgrad.lang.derivation import Binding, Derivation
    from ndgrad.lang.program import Program
    from ndgrad.lang.segments import Budget
    from ndgrad.lang.values import Run as Closure
    from ndgrad.tape import Node


LONG = 2000  # assignments of a run whose adjoints are not swept for twice
Head = tuple[str, NDArray, Any, Span | None]  # the name of what is differentiated, its value, its adjoint, its place


class Run:
    """One run of a program, from the values given to the result."""

    budget: Budget | None = None
    adjoints: Mapping[int, Any] = MappingProxyType({})  # some of a long recorded run's, by the id of the node
    look: Callable[[int, int], None] | None = None  # called now and then, with the rounds and calls so far
    device: str | None = None  # where large arrays are computed with, the CPU for None
    visits: list[Node] | None = None  # the list that takes the nodes of the reverse sweep, if something looks at them

    def __init__(
        self,
        program: Program,
        inputs: dict[str, Any],
        grad: Sequence[str],
        head: Any,
        of: str | None,
        dtype: Any,
        trace: bool,
        bound_by: dict[str, str],
        max_steps: int,
        show: Callable[[str], None] | None,
        max_memory: int | None = None,
        timeout: float | None = None,
        abandon: Callable[[Error], None] | None = None,
        asked: Asked = NOTHING_MORE,
        threads: int | None = None,
    ) -> None:
        self.program = program
        self.checked = program.checked
        self.inputs = inputs
        self.head = head
        self.of = of
        self.dtype = dtype
        self.trace = self.follow = trace
        self.bound_by = bound_by
        self.max_steps = max_steps
        self.max_memory = max_memory
        self.timeout = timeout
        self.abandon = abandon
        self.asked = asked
        self.threads = threads
        if asked.heads:
            self.of, self.head = asked.heads[0]
        self.show = show or _to_standard_error
        self.warnings: list[Diagnostic] = []
        self.grad = (grad,) if isinstance(grad, str) else tuple(dict.fromkeys(grad))

    def go(self) -> Result:
        """Run, and differentiate. A recorded run follows all float inputs, as far as operations let it."""
        with shared(self.threads), _placed(self.device) as traffic:
            try:
                made = self.once()
            except GradientError:
                if not self.follow:
                    raise
                self.follow = False
                self.warnings = []
                made = self.once()
            made.traffic = traffic()
            return made

    def once(self) -> Result:
        start = perf_counter()
        fused = _begin_counting()
        self.prepare()
        self.warn_unused()
        with ExitStack() as scopes:
            scopes.enter_context(np.errstate(all="ignore"))
            scopes.enter_context(warnings.catch_warnings())
            warnings.simplefilter("ignore")
            scopes.enter_context(autograd.default_dtype(self.dtype or "float64"))
            scopes.enter_context(bounded(self.max_memory))
            given = {
                name: taken(name, value, self.dtype, self.span_of(name), self.bound_by.get(name))
                for name, value in self.inputs.items()
            }
            wanted = self.wanted("--grad", self.grad, given)
            scopes.enter_context(autograd.train_mode() if self.asked.train else autograd.predict_mode())
            if (wanted and self.asked.mode != "forward") or self.trace:
                scopes.enter_context(autograd.record(self.asked.train))
            if self.trace or self.asked.nan_check:
                scopes.enter_context(autograd.keep_values())
            draws = self.draws()
            begun = tick()
            self.check_finite("the input", given)
            state = State(given, frozenset(wanted), self.max_steps, self.show, self.bound_by, self.trace)
            if self.trace:
                scopes.enter_context(autograd.keep_origins(state.origins))
            state.follow = self.follow
            self.budget = state.budget = self.budgeted()
            watch = Watch(state, self.timeout, self.max_memory, self.abandon, self.look)
            scopes.enter_context(watch)
            frame, scope = self.evaluate(state, given, wanted)
            operations = tick() - begun - 1 - len(wanted)  # each input has a node too
            outputs = self.outputs(state, frame, scope)
            if not outputs:
                self.warn_of_nothing()
            of, y, span = self.differentiated(self.of, state, frame, scope, outputs)
            head = None if y is None else self.head_for(of or "", y, span)
            heads = [] if y is None else [(of or "", y, head, span)]
            for name, value in self.asked.heads[1:]:
                _, other, place = self.differentiated(name, state, frame, scope, outputs)
                assert other is not None
                heads.append((name, other, self.head_for(name, other, place, value), place))
            further: dict[str, Any] = {}
            if self.asked.again:
                from ndgrad.lang.differentials import Again

                further = Again(self, state, watch, heads, draws).all(wanted)
            grads = further.pop("grads", None) or self.gradients(wanted, state, heads)
            if self.asked.nan_check:
                self.check_finite("the gradient by", grads)
                for kind, what in (("jacobians", "Jacobian"), ("hessians", "Hessian"), ("hvp", "Hessian's product")):
                    self.check_finite(f"the {what} by", further.get(kind, {}))
                if "jvp" in further:
                    self.check_finite("the derivative along the direction of", {of or "": further["jvp"]})
        if state.stopped is not None:
            raise stop(state, None)
        bindings = self.bindings(state)
        shown = {name: np.array(plain(value)) for name, (value, _) in outputs.items()}
        arrays = _apart(grads, state.inputs)
        if not self.asked.nan_check:
            self.warn_of_nan(shown, arrays, further, state)

        def derive(name: str, options: dict[str, Any]) -> Derivation:
            from ndgrad.lang.deriving import derived

            if name not in arrays:
                return derive_again(name, options)
            assert y is not None
            return derived(self, name, of, y, head, arrays[name], state, bindings, draws, options)

        def derive_again(name: str, options: dict[str, Any]) -> Derivation:  # holds nothing of what was recorded
            from ndgrad.lang.deriving import again

            return again(self, name)._derive(name, options)

        seconds = perf_counter() - start
        made = Result(
            shown,
            arrays,
            ", ".join(name for name, *_ in heads) if of is not None else None,
            state.path.steps(self.program.source),
            seconds,
            self.warnings,
            bindings,
            derive if self.trace else derive_again,
            further,
            None if y is None else np.array(plain(y)),
        )
        made.operations = operations + state.kept
        made.compiled = state.compiled
        if self.trace and y is not None:
            every = tuple((name, value) for name, (value, _) in outputs.items())
            made.recorded = Recorded(of or "", y, head, every, state.origins)
        made.fused = _counted(fused)
        made.recomputed = None if self.budget is None else self.budget.report()
        if not self.trace:  # functions refer to the frame, and the garbage collector does not see how large a record is
            frame.clear()
        return made

    # Before

    def prepare(self) -> None:
        """Hold what was given against the program. E201, E203, E206."""
        if self.dtype is not None and str(self.dtype) not in ("float32", "float64"):
            name = getattr(self.dtype, "__name__", str(self.dtype))
            if name not in ("float32", "float64"):
                raise problems.raised(problems.unknown_dtype(None, name))
            self.dtype = name
        missing = unknown(self.checked, self.inputs)
        if missing:
            raise problems.raised(missing)

    def span_of(self, name: str) -> Span | None:
        """Where an input is declared, or first read."""
        if name in self.checked.inputs:
            return self.checked.inputs[name].span
        return self.checked.free[name].span if name in self.checked.free else None

    def warn_unused(self) -> None:
        known = {*self.checked.inputs, *self.program.free_names}
        sizes = {d.size for node in self.checked.inputs.values() for d in node.dims or ()}
        for name in self.inputs:
            if name not in self.checked.read and name not in sizes:
                known_others = known - {name} - set(self.inputs)
                own = set(self.checked.globals) - known
                self.warnings.append(problems.never_used(name, self.bound_by.get(name), known_others, own))

    def warn_of_nothing(self) -> None:
        """W212 for a program without a value, unless it prints."""
        body = self.program.body
        calls = (n.function for s in body.statements for n in syntax.walk(s) if isinstance(n, syntax.Call))
        if not any(isinstance(function, syntax.Name) and function.name == "print" for function in calls):
            only = all(isinstance(node, (syntax.Define, syntax.Use, syntax.Linked)) for node in body.statements)
            made = problems.shows_nothing(self.program.functions if only else (), not body.statements)
            self.warnings.append(made)

    def wanted(self, option: str, names: Sequence[str], given: dict[str, NDArray]) -> tuple[str, ...]:
        """The names to differentiate by. E205."""
        known = list(dict.fromkeys((*self.checked.inputs, *given)))
        wanted: list[str] = []
        for name in names:
            if name == "all" and name not in known:
                wanted += [n for n in known if n not in wanted and self.is_float(n, given.get(n))]
            elif name not in known:
                raise problems.raised(problems.unknown_option(option, name, "input", known))
            elif name not in wanted:
                wanted.append(name)
        return tuple(wanted)

    def is_float(self, name: str, value: NDArray | None) -> bool:
        """Whether an input holds floats: as it is declared, else as it was given."""
        declared = self.checked.inputs[name].dtype if name in self.checked.inputs else None
        if declared is not None:
            return declared.startswith("float")
        return value is None or value.dtype.kind == "f"

    def budgeted(self) -> Budget | None:
        """What holds recorded loops to the memory asked for. A traced run keeps everything."""
        if self.asked.memory is None or self.trace:
            return None
        from ndgrad.lang.segments import Budget

        return Budget(self.asked.memory)

    def draws(self) -> Any:
        """What the random numbers of the run begin from, where it has to be known."""
        if self.asked.seed is None and not self.asked.again and not self.trace:
            return None
        from ndgrad.ops import random

        if self.asked.seed is not None:
            random.seed(self.asked.seed)
        return random.generator().bit_generator.state

    def evaluate(self, state: State, given: dict[str, NDArray], wanted: tuple[str, ...]) -> tuple[list[Any], Scope]:
        """Run the program's statements."""
        scope, run = self.compiled(frozenset(given))
        frame: list[Any] = [None, state, None, *[UNBOUND] * len(scope.places)]
        for name, value in given.items():
            if name in self.checked.inputs:
                continue
            if name in wanted or (state.follow and value.dtype.kind == "f"):
                track(name, value, self.span_of(name))
            state.inputs[name] = value
            if name in scope.places:
                frame[scope.places[name]] = value
            if state.bindings is not None:
                state.bind(name, value, self.span_of(name) or Span(self.program.source, 0, 0), "")
        run(frame)
        return frame, scope

    def compiled(self, bound: frozenset[str]) -> tuple[Scope, Closure]:
        """The program as a closure, where these names are bound."""
        return self.program.compiled(bound, self.trace, self.asked.nan_check)

    # After

    def outputs(self, state: State, frame: list[Any], scope: Scope) -> dict[str, tuple[NDArray, Span]]:
        """What the program shows, as arrays. E313."""
        shown: dict[str, tuple[Any, Span]] = dict(state.outputs)
        if not shown:
            shown = {name: (value, span) for name, value, span in state.last}
        if not shown:
            for statement in tail_of(self.program.body.statements):
                targets = getattr(statement, "targets", None) or (getattr(statement, "target", None),)
                for target in filter(None, targets):
                    for variable in target_names(target):
                        value = frame[scope.places[variable.name]]
                        if value is not UNBOUND:
                            shown[variable.name] = (value, variable.span)
        made: dict[str, tuple[NDArray, Span]] = {}
        for name, (value, span) in shown.items():
            if value is None and not state.outputs:
                continue
            if isinstance(value, tuple):
                for i, part in enumerate(value):
                    made[f"{name}[{i}]"] = (_output(part, span), span)
            else:
                made[name] = (_output(value, span), span)
        return made

    def differentiated(
        self, of: str | None, state: State, frame: list[Any], scope: Scope, outputs: dict[str, tuple[NDArray, Span]]
    ) -> tuple[str | None, NDArray | None, Span | None]:
        """The name, value and place of what is differentiated. E205, E208."""
        if of is None:
            if outputs:
                name = next(iter(outputs))
                return name, *outputs[name]
            if self.grad or self.asked.again:
                raise problems.raised(problems.no_output("the program has no value to differentiate"))
            return None, None, None
        if of in outputs:
            return of, *outputs[of]
        value = frame[scope.places[of]] if of in scope.places else UNBOUND
        if value is UNBOUND:
            known = [*outputs, *(n for n, i in scope.places.items() if n not in outputs and frame[i] is not UNBOUND)]
            option = "--head-of" if self.asked.heads else "--of"
            raise problems.raised(problems.unknown_option(option, of, "output or variable", known))
        node = self.checked.globals.get(of)
        span = node.span if node is not None else self.span_of(of) or Span(self.program.source, 0, 0)
        return of, _output(value, span), span

    def head_for(self, of: str, y: NDArray, span: Span | None, value: Any = None) -> np.ndarray[Any, Any]:
        """The adjoint of an output, in its shape: `value`, the head of the run unless given. E404."""
        value = self.head if value is None else value
        if value is None or not (self.grad or self.trace or self.asked.again):
            return np.ones(y.shape, y.dtype)
        head = np.asarray(plain(taken("the head", value, None, None, self.bound_by.get("the head"))))
        try:
            spread = np.broadcast_to(head, y.shape)
        except ValueError:
            shape = shown_shape(head.shape)
            raise problems.raised(problems.head_does_not_fit(shape, of, shown_shape(y.shape), span)) from None
        return np.array(spread, dtype=y.dtype if y.dtype.kind == "f" else None)

    def gradients(self, wanted: tuple[str, ...], state: State, heads: list[Head]) -> dict[str, NDArray]:
        """The gradients of what the heads weigh, by each name. E401."""
        if not wanted:
            return {}
        for of, y, _, span in heads:
            if y.dtype.kind != "f":
                raise problems.raised(problems.no_gradient_of(of, str(y.dtype), span, "gradients of"))
        of = ", ".join(name for name, *_ in heads)
        span = heads[0][3]
        variables = [state.inputs[name] for name in wanted]
        shown = self.shown_later(state) if len(heads) == 1 else []
        linked = [(y, head) for _, y, head, _ in heads if y.node is not None]
        if not linked:
            for name in wanted:
                if name in self.checked.read:
                    self.warnings.append(problems.not_on_the_path(of, name))
            return {name: array(np.zeros(x.shape, x.dtype)) for name, x in zip(wanted, variables, strict=True)}
        ys = [y for y, _ in linked]
        try:
            made = autograd.grad(
                ys,
                [*variables, *shown],
                [head for _, head in linked],
                retain_graph=True,
                train_mode=self.asked.train,
                observe=self.observer(heads),
                visits=self.visits,
            )
        except Error as error:
            raise (error.at(span) if span is not None else error) from None
        adjoints = ((x.node, plain(g)) for x, g in zip([*variables, *shown], made, strict=True))
        self.adjoints = {node.id: g for node, g in adjoints if shown and node is not None and np.any(g)}
        made = made[: len(wanted)]
        for name, x, g in zip(wanted, variables, made, strict=True):
            if len(ys) == 1 and not np.any(plain(g)) and name in self.checked.read:
                flat = autograd.only_through(ys[0], x)
                if flat is not None:
                    self.warnings.append(problems.only_through_steps(of, name, flat))
        return dict(zip(wanted, made, strict=True))

    def shown_later(self, state: State) -> list[NDArray]:
        """The values of a long recorded run whose adjoints a derivation shows: it need not sweep again for them."""
        bindings = state.bindings or ()
        if len(bindings) < LONG:
            return []
        from ndgrad.lang.folding import ends

        values = (bindings[i][2] for i in ends([id(span) for *_, span, _ in bindings]))
        return [value for value in values if isinstance(value, NDArray) and value.node is not None]

    def observer(self, heads: list[Head]) -> Any:
        """What looks at every step of the sweep, if something does. E801 for a head that is not finite."""
        if not self.asked.nan_check:
            return None
        from ndgrad.lang.nan_check import Backwards, check_array

        for of, _, head, span in heads:
            check_array(f"the head of `{of}`", head, span)
        return Backwards()

    def check_finite(self, what: str, values: dict[str, Any]) -> None:
        """E801 for an input or a derivative that holds nan or an infinity, where that is asked for."""
        if self.asked.nan_check:
            from ndgrad.lang.nan_check import check_array

            for name, value in values.items():
                check_array(f"{what} `{name}`", value, self.span_of(name))

    def warn_of_nan(self, shown: dict[str, Any], grads: dict[str, Any], further: dict[str, Any], state: State) -> None:
        """W403 for what holds nan where no input does, and the program does not write it itself."""
        found = [f"`{name}`" for name, value in shown.items() if _holds_nan(value)]
        for kind, what in (("", "gradient"), ("jacobians", "Jacobian"), ("hessians", "Hessian"), ("hvp", "product")):
            made = further.get(kind, {}) if kind else grads
            found += [f"the {what} by `{name}`" for name, value in made.items() if _holds_nan(value)]
        if "jvp" in further and _holds_nan(further["jvp"]):
            found.append("the derivative along the direction")
        if not found or "nan" in self.checked.free:
            return
        asked = (value for pairs in (self.asked.heads, self.asked.jvp, self.asked.hvp) for _, value in pairs)
        given = (*state.inputs.values(), *state.given.values(), *asked, 0 if self.head is None else self.head)
        if all(np.all(np.isfinite(plain(x))) for x in given):
            self.warnings.append(problems.holds_nan(found))

    # The derivation

    def bindings(self, state: State) -> list[Binding] | None:
        if state.bindings is None:
            return None
        from ndgrad.lang.derivation import Binding

        return list(map(Binding._make, state.bindings))


def _holds_nan(value: Any) -> bool:
    """Whether a float array holds nan, told by one pass without another array."""
    return bool(value.dtype.kind == "f" and value.size and np.isnan(np.min(value)))


def _apart(grads: dict[str, NDArray], inputs: dict[str, NDArray]) -> dict[str, np.ndarray[Any, Any]]:
    """The gradients as arrays that share no memory with each other or an input; most do not anyway."""
    taken = {id(owner_of(plain(x))) for x in inputs.values() if x.size}
    made: dict[str, np.ndarray[Any, Any]] = {}
    for name, g in grads.items():
        data = plain(g)
        alone = isinstance(data, np.ndarray) and data.flags.owndata and data.flags.writeable and id(data) not in taken
        made[name] = data if alone else np.array(data)
        taken.add(id(made[name]))
    return made


def _output(value: Any, span: Span) -> NDArray:
    """An output as an array. E313."""
    if isinstance(value, NDArray):
        return value
    if value.__class__ in NUMBERS:
        return array(value)
    if isinstance(value, (tuple, range)) and value:
        made: NDArray = operand(value, "output", span)
        return made
    raise problems.raised(problems.not_shown(span, described(value)))


@contextmanager
def _placed(device: str | None) -> Iterator[Callable[[], Traffic | None]]:
    """Large arrays are made on the device meanwhile; gives what says what crossed over. E701 to E704."""
    if device is None or device == "cpu":
        yield lambda: None
        return
    from ndgrad.device import computing_on

    with computing_on(device) as traffic:
        yield traffic


def _begin_counting() -> Report | None:
    """What had been computed in tiles before a run; None if nothing had."""
    if ENGINE.fusion is None:
        return None
    from ndgrad.fusion import begin

    return begin()


def _counted(before: Report | None) -> Report | None:
    """What a run computed in tiles; None if nothing."""
    if ENGINE.fusion is None:
        return None
    from ndgrad.fusion import report

    made = report().since(before)
    return made if made.passes else None


def _to_standard_error(text: str) -> None:
    sys.stderr.write(text + "\n")


def nowhere(text: str) -> None:
    return
