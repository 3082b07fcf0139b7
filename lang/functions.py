"""A function of a program as a plain Python callable, for optimisers and their like."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ndgrad import autograd
from ndgrad.errors import Span
from ndgrad.lang import problems
from ndgrad.lang.calls import bound, invoke
from ndgrad.lang.inputs import taken
from ndgrad.lang.running import Run
from ndgrad.lang.state import State
from ndgrad.lang.values import NUMBERS, UNBOUND, Function, described
from ndgrad.ndarray import NDArray, plain

if TYPE_CHECKING:
    from ndgrad.lang.program import Program

Wrt = str | tuple[str, ...] | None


def function_of(
    program: Program,
    name: str,
    wrt: Wrt,
    inputs: Mapping[str, Any],
    dtype: Any,
    max_steps: int,
) -> Callable[..., Any]:
    """The callable for a function of the program, or for one of its outputs as a function of the inputs. E205."""
    run = Run(
        program, dict(inputs), (), None, None, dtype, trace=False, bound_by={}, max_steps=max_steps, show=_nowhere
    )
    if name in program.functions:
        if name in program.checked.defined:
            _known(wrt, [p.name for p in program.checked.defined[name]], f"parameter of `{name}`")
        return _OfFunction(run, name, _several(wrt), isinstance(wrt, str))
    known = [*program.functions, *program.checked.globals]
    if name not in program.checked.globals:
        raise problems.raised(problems.unknown_option("function", name, "function, output or variable", known))
    if not {*(_several(wrt) or ())} <= {*program.checked.inputs, *program.checked.free, *inputs}:
        _known(wrt, [*program.checked.inputs, *sorted({*program.free_names, *inputs})], "input")
    return _OfInputs(run, name, _several(wrt), isinstance(wrt, str))


def _known(wrt: Wrt, names: list[str], what: str) -> None:
    """E205 for a name to differentiate by that is none of these."""
    for name in _several(wrt) or ():
        if name not in names:
            raise problems.raised(problems.unknown_option("wrt", name, what, names))


def _several(wrt: Wrt) -> tuple[str, ...] | None:
    return (wrt,) if isinstance(wrt, str) else wrt


class _OfInputs:
    """A variable of a program as a function of its inputs: each call is a run."""

    def __init__(self, run: Run, name: str, wrt: tuple[str, ...] | None, single: bool) -> None:
        self.setup = run
        self.__name__ = name
        self.wrt = wrt
        self.single = single

    def __repr__(self) -> str:
        return _named(self.setup, self.__name__, self.wrt)

    def __call__(self, *values: Any, **named: Any) -> Any:
        setup = self.setup
        names = self.wrt or tuple(d.name for d in setup.program.inputs if d.name not in setup.inputs)
        if len(values) > len(names):
            raise TypeError(f"{self.__name__}() takes {len(names)} positional arguments, not {len(values)}")
        given = {**setup.inputs, **dict(zip(names, values, strict=False)), **named}
        made = setup.program.run(
            given, self.wrt or (), of=self.__name__, dtype=setup.dtype, max_steps=setup.max_steps, show=_nowhere
        )
        assert made.differentiated is not None
        value = made.differentiated[()]
        if self.wrt is None:
            return value
        grads = tuple(made.grads[name] for name in self.wrt)
        return value, grads[0] if self.single else grads


class _OfFunction:
    """A function that a program defines. The program runs once, on the first call."""

    def __init__(self, run: Run, name: str, wrt: tuple[str, ...] | None, single: bool) -> None:
        self.setup = run
        self.__name__ = name
        self.wrt = wrt
        self.single = single
        self.made: tuple[Function, State] | None = None

    def __repr__(self) -> str:
        return _named(self.setup, self.__name__, self.wrt)

    def __call__(self, *values: Any, **named: Any) -> Any:
        from ndgrad.lang.program import called_from_python, guarded

        return called_from_python(lambda: guarded(lambda: self.answer(values, named), self.setup))

    def answer(self, values: tuple[Any, ...], named: dict[str, Any]) -> Any:
        setup = self.setup
        with (
            np.errstate(all="ignore"),
            warnings.catch_warnings(),
            autograd.default_dtype(setup.dtype or "float64"),
        ):
            warnings.simplefilter("ignore")
            if self.made is None:
                self.made = self.defined()
            function, state = self.made
            span = setup.program.checked.globals[self.__name__].span
            given = bound(
                function, [self.argument(v) for v in values], {n: self.argument(v) for n, v in named.items()}, span
            )
            state.steps, state.depth = state.limit, 0
            if self.wrt is None:
                return _shown(invoke(function, given, state, span))
            variables = self.variables(function, given, span)
            with autograd.record():
                y = invoke(function, given, state, span)
            if not isinstance(y, NDArray):
                if y.__class__ not in NUMBERS:
                    raise problems.raised(problems.not_shown(span, described(y)))
                grads = [np.zeros(x.shape, x.dtype) for x in variables]
            elif y.node is None:
                grads = [np.zeros(x.shape, x.dtype) for x in variables]
            else:
                grads = [np.array(plain(g)) for g in autograd.grad([y], variables)]
            return _shown(y), grads[0] if self.single else tuple(grads)

    def argument(self, value: Any) -> Any:
        return (
            value if isinstance(value, (str, bool)) or value is None else taken("an argument", value, None, None, None)
        )

    def variables(self, function: Function, given: list[Any], span: Span) -> list[NDArray]:
        """The arguments to differentiate by, tracked. E205, E401."""
        assert self.wrt is not None
        names = [parameter.name for parameter in function.parameters]
        made = []
        for name in self.wrt:
            if name not in names:
                raise problems.raised(problems.unknown_option("wrt", name, f"parameter of `{self.__name__}`", names))
            place = names.index(name)
            x = given[place] = self.argument(given[place])
            if not isinstance(x, NDArray):
                raise problems.raised(problems.unsupported_input(name, f"{described(x)}, and no number", span, None))
            if x.dtype.kind != "f":
                raise problems.raised(problems.no_gradient_of(name, str(x.dtype), span, "gradients by"))
            x.attach_grad()
            made.append(x)
        return made

    def defined(self) -> tuple[Function, State]:
        """The function, from a run of the program. E201 where the run does not come to its definition."""
        setup = self.setup
        setup.prepare()
        given = {name: taken(name, value, setup.dtype, None, None) for name, value in setup.inputs.items()}
        state = State(given, frozenset(), setup.max_steps, _nowhere, {}, traced=False)
        with autograd.pause():
            frame, scope = setup.evaluate(state, given, ())
        made = frame[scope.places[self.__name__]]
        span = setup.program.checked.globals[self.__name__].span
        if made is UNBOUND:
            raise problems.raised(problems.not_yet(span, self.__name__))
        if not isinstance(made, Function):
            raise problems.raised(problems.not_a_function(span, described(made)))
        return made, state


def _named(run: Run, name: str, wrt: tuple[str, ...] | None) -> str:
    gives = f", with its gradient by {', '.join(wrt)}" if wrt else ""
    return f"<function {name} of {run.program.source.name}{gives}>"


def _shown(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(map(_shown, value))
    if isinstance(value, NDArray):
        return np.array(plain(value))[()]
    return value


def _nowhere(text: str) -> None:
    return
