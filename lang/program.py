"""A program that can be run: inputs in, values and gradients out, as NumPy arrays."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, TypeVar

from ndgrad.errors import Diagnostic, Error, Source, Span
from ndgrad.frozen import Frozen
from ndgrad.lang import problems, syntax
from ndgrad.lang.cache import tree_of
from ndgrad.lang.checker import Checker, unknown
from ndgrad.lang.conditions import PathStep
from ndgrad.lang.interpreter import Compiler, compile_program
from ndgrad.lang.result import Asked, Result
from ndgrad.lang.running import Run
from ndgrad.lang.scopes import Scope
from ndgrad.lang.values import Run as Closure

__all__ = ["InputDeclaration", "PathStep", "Program", "Result"]

MAX_STEPS = 10_000_000
T = TypeVar("T")
_DEEP = 200_000  # Python frames: calls of the language times the depth of its expressions, with room to spare


class InputDeclaration(Frozen):
    """An `input` statement: dims as written ("n", "3", "_", "..."), None where any shape will do."""

    name: str
    dtype: str | None
    dims: tuple[str, ...] | None
    optional: bool
    span: Span


class Program:
    """A parsed and checked program. Errors: E1xx, E2xx for what can be found without running it."""

    def __init__(self, source: Source, folder: str | None = None, bound: Collection[str] | None = None) -> None:
        self.source = source
        self.body = _deep(lambda: tree_of(source))
        self.files: tuple[str, ...] = ()  # the paths of the files that it uses
        if any(isinstance(statement, syntax.Use) for statement in self.body.statements):
            from ndgrad.lang.modules import Linker

            linker = Linker(folder)
            self.body = _deep(lambda: linker.linked(self.body, folder or "", os.path.realpath(source.name)))
            self.files = tuple(linker.files)
        self.checked = _deep(lambda: Checker(self.body))
        if self.checked.found:
            found = [*self.checked.found, *(() if bound is None else unknown(self.checked, bound))]
            raise problems.raised(sorted(found, key=lambda p: p.span.start if p.span else 0))
        self._compiled: dict[Any, tuple[Scope, Closure]] = {}

    def __repr__(self) -> str:
        names = ", ".join([*self.checked.inputs, *sorted(self.free_names)])
        return f"<Program {self.source.name}{f', of {names}' if names else ''}>"

    @property
    def inputs(self) -> tuple[InputDeclaration, ...]:
        """The declared inputs, in order."""
        return tuple(
            InputDeclaration(
                node.name,
                node.dtype,
                None if node.dims is None else tuple(str(d.size) for d in node.dims),
                node.default is not None,
                node.span,
            )
            for node in self.checked.inputs.values()
        )

    @property
    def free_names(self) -> frozenset[str]:
        """The names that the program reads and nothing gives a value: what a caller must bind."""
        from ndgrad.lang.builtins import CONSTANTS, builtin

        return frozenset(n for n in self.checked.free if n not in CONSTANTS and builtin(n) is None)

    def run(
        self,
        inputs: Mapping[str, Any] | None = None,
        grad: Sequence[str] = (),
        head: Any = None,
        of: str | None = None,
        dtype: Any = None,
        trace: bool = False,
        bound_by: Mapping[str, str] | None = None,
        max_steps: int = MAX_STEPS,
        max_memory: int | None = None,
        timeout: float | None = None,
        abandon: Callable[[Error], None] | None = None,
        show: Callable[[str], None] | None = None,
        mode: str | None = None,
        heads: Mapping[str, Any] | None = None,
        jvp: Mapping[str, Any] | None = None,
        jac: Sequence[str] = (),
        hess: Sequence[str] = (),
        hvp: Mapping[str, Any] | None = None,
        seed: int | None = None,
        train: bool = False,
        nan_check: bool = False,
        memory: int | None = None,
        threads: int | None = None,
        device: str | None = None,
        profile: bool = False,
        look: Callable[[int, int], None] | None = None,
    ) -> Result:
        """Run the program.

        inputs     values by name: NumPy arrays (which keep their dtype), Python numbers and lists; arrays are copied,
                   but for those that are read-only and own their memory
        grad       names to differentiate by; "all" for every float input
        head       the adjoint of the output, broadcastable to its shape; ones unless given
        of         the output or variable to differentiate, the first output unless given
        dtype      the default float, float64 unless given
        trace      record every assignment, for `Result.trace` and `Result.derivation`
        bound_by   how each input was given, for messages; unless given, they are worded for Python
        max_steps  rounds of loops and calls that the run may take
        max_memory bytes of memory that the process may have in use, the machine's unless given
        timeout    seconds that the run may take, any time unless given
        abandon    called with the error, in another thread, where a run over its limit is stuck in an operation
        show       where `print` goes, standard error unless given
        mode       "forward" or "reverse"; unless given, reverse for gradients, the shorter of the two for Jacobians
        heads      the adjoints of several outputs or variables by name, instead of `of` and `head`
        jvp        directions by name of the input, along which they move together: for `Result.jvp`
        jac, hess  names to give Jacobians and Hessians by ("all" too); the Hessian is that of ⟨head, output⟩
        hvp        directions by name, for the Hessian by all these names times them
        seed       what random numbers begin from; train, whether dropout and batch_norm train
        nan_check  stop at the first nan or infinity in a value or gradient (E801)
        memory     bytes, about, that rounds of loops may keep for gradients; what is beyond is computed again
        threads    how many threads share operations on large arrays; NDGRAD_THREADS or the cores unless given
        device     where large arrays are computed with: "cpu", "gpu" or "gpu:N" (E701 to E704 where that is not there)
        profile    take the time of every line, for `Result.profile`; this run then computes operations one by one
        look       called now and then, in another thread: the rounds and calls so far, and how many there may be
        Every failure is an `ndgrad.Error` whose diagnostics carry spans.
        """
        if inputs is not None and not isinstance(inputs, Mapping):
            what = f'of type {type(inputs).__name__}, where values are given by name: {{"x": 3}}'
            raise problems.raised(problems.unsupported_input("what run was given", what, None, None))
        kind: type[Run] = Run
        if profile:
            from ndgrad.lang.profiling import Profiled

            kind = Profiled
        run = kind(
            self,
            dict(inputs or {}),
            grad,
            head,
            of,
            dtype,
            trace,
            dict(bound_by or {}),
            max_steps,
            show,
            max_memory,
            timeout,
            abandon,
            Asked(
                mode,
                tuple((heads or {}).items()),
                tuple((jvp or {}).items()),
                tuple(jac),
                tuple(hess),
                tuple((hvp or {}).items()),
                seed,
                train,
                nan_check,
                memory,
            ),
            threads,
        )
        run.device = device
        run.look = look
        if bound_by is not None:
            return guarded(run.go, run)
        return called_from_python(lambda: guarded(run.go, run))

    def check(self, inputs: Mapping[str, Any] | None = None) -> tuple[Diagnostic, ...]:
        """What is suspicious in the program, or sure to fail, in the order of the text; nothing is run.

        inputs: values by name, of which only shapes and dtypes count; what is found then holds for runs with these.
        """
        from ndgrad.lang.linting import check

        return _deep(lambda: check(self, inputs))

    @property
    def functions(self) -> tuple[str, ...]:
        """The names of the functions that the program defines or uses."""
        made = []
        for name, node in self.checked.globals.items():
            match node:
                case syntax.Define() | syntax.Linked():
                    made.append(name)
        for statement in self.body.statements:
            match statement:
                case syntax.Assign(targets=targets, value=syntax.Lambda()):
                    made += [target.name for target in targets if isinstance(target, syntax.Name)]
        return tuple(dict.fromkeys(made))

    def function(
        self,
        name: str,
        wrt: str | tuple[str, ...] | None = None,
        inputs: Mapping[str, Any] | None = None,
        dtype: Any = None,
        max_steps: int = MAX_STEPS,
    ) -> Callable[..., Any]:
        """A function of the program as a plain callable over NumPy arrays and numbers.

        name       a function that the program defines; or an output or variable, as a function of the inputs
        wrt        the parameter (or input) to differentiate by: the callable then gives (value, gradient), as
                   `scipy.optimize.minimize(f, w0, jac=True)` wants it; for a tuple of names (value, gradients)
        inputs     values that the program needs by itself, by name; the program runs once, on the first call
        max_steps  rounds of loops and calls that each call may take
        Errors: E205 for a name that the program does not have, and those of a run when it is called.
        """
        from ndgrad.lang.functions import function_of

        return function_of(self, name, wrt, dict(inputs or {}), dtype, max_steps)

    def compiled(
        self, bound: frozenset[str], traced: bool, checking: bool = False, compiler: type[Compiler] | None = None
    ) -> tuple[Scope, Closure]:
        """The scope and the closure of the program where these names are bound.

        checking: it stops at the first value that is not finite. compiler: what makes the closures, anew, instead.
        """
        from ndgrad.lang.builtins import CONSTANTS, builtin

        known = frozenset(n for n in bound if n in self.checked.read or n in self.checked.globals)
        hidden = frozenset(n for n in known if n in CONSTANTS or builtin(n) is not None)
        key = (known, traced, checking)
        if compiler is None and key in self._compiled:
            return self._compiled[key]
        scope = Scope(dict.fromkeys((*self.checked.globals, *sorted(known))))
        if compiler is not None:
            return scope, compile_program(self.body, scope, hidden, traced, compiler)
        if checking:
            from ndgrad.lang.nan_check import Checking

            compiler = Checking
        self._compiled[key] = scope, compile_program(self.body, scope, hidden, traced, compiler or Compiler)
        return self._compiled[key]


def called_from_python(work: Callable[[], T]) -> T:
    """Do work that is not asked for by options of a command line: messages name arguments instead."""
    try:
        made = work()
    except Error as error:
        from ndgrad.lang.callers import error_in_python

        raise error_in_python(error) from None
    if isinstance(made, Result) and made.warnings:
        from ndgrad.lang.callers import in_python

        made.warnings = list(map(in_python, made.warnings))
    return made


def guarded(work: Callable[[], T], run: Run) -> T:
    """Do work of a run; whatever goes wrong comes as an `ndgrad.Error`."""
    return contained(work, run.bound_by, run.program.source.name)


def contained(work: Callable[[], T], bound_by: dict[str, str], name: str) -> T:
    """Do work of the program called `name`, whose inputs were given so; what goes wrong comes as an `ndgrad.Error`."""
    try:
        return _deep(work)
    except Error as error:
        raise _with_origin(error, bound_by) from None
    except MemoryError:
        raise problems.raised(problems.out_of_memory(None)) from None
    except RecursionError:
        raise problems.raised(problems.recursion_too_deep(None, name, 1000)) from None


def _deep(work: Callable[[], T]) -> T:
    """Run `work` with room for the nesting that the language allows."""
    before = sys.getrecursionlimit()
    if before >= _DEEP:
        return work()
    sys.setrecursionlimit(_DEEP)
    try:
        return work()
    finally:
        sys.setrecursionlimit(before)


def _with_origin(error: Error, bound_by: dict[str, str]) -> Error:
    """The error, with a word on where inputs came from whose shapes or values clash."""
    first = error.diagnostics[0]
    if first.code.startswith("E3") and bound_by:
        names = dict.fromkeys(label.span.text for label in first.labels if label.text)
        origins = [f"{name} was bound by {bound_by[name]}" for name in names if name in bound_by]
        if origins:
            help = "; ".join([*origins, *([first.help] if first.help else [])])
            placed = Diagnostic(first.code, first.message, first.labels, help, first.severity)
            error.diagnostics = (placed, *error.diagnostics[1:])
    return error
