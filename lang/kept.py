"""A run of which everything is kept: what is differentiated, and how it came about, operation by operation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ndgrad.errors import Span
from ndgrad.frozen import Frozen
from ndgrad.lang.derivation_data import Binding
from ndgrad.lang.interpreter import Compiler
from ndgrad.lang.result import Asked
from ndgrad.lang.running import Head, Run
from ndgrad.lang.scopes import Scope
from ndgrad.lang.state import State
from ndgrad.lang.values import Run as Closure
from ndgrad.ndarray import NDArray, plain
from ndgrad.tape import Node

if TYPE_CHECKING:
    from ndgrad.lang.program import Program, Result


class Kept(Frozen):
    """A recorded run.

    output     the recorded array that is differentiated, named `of` and written at `span`; head, its adjoint
    variables  the inputs by name, recorded where they are floats
    state      what the run went through: its path, the sizes of its inputs
    """

    result: Any
    of: str
    output: NDArray
    span: Span | None
    head: Any
    variables: dict[str, NDArray]
    bindings: tuple[Binding, ...]
    state: State

    def point(self, name: str) -> Any:
        """The value of an input, as a NumPy array of its own."""
        return np.array(plain(self.variables[name]))

    @property
    def names(self) -> dict[int, Binding]:
        """The first name of every recorded value, by the id of its node."""
        found: dict[int, Binding] = {}
        for binding in self.bindings:
            node = binding.value.node if isinstance(binding.value, NDArray) else None
            if node is not None:
                found.setdefault(node.id, binding)
        return found


class _Keeping(Run):
    """A run that remembers what its gradients are made from."""

    state: State
    heads: list[Head]
    compiler: type[Compiler] | None = None

    def compiled(self, bound: frozenset[str]) -> tuple[Scope, Closure]:
        if self.compiler is None:
            return super().compiled(bound)
        return self.program.compiled(bound, self.trace, compiler=self.compiler)

    def gradients(self, wanted: tuple[str, ...], state: State, heads: list[Head]) -> dict[str, NDArray]:
        self.state, self.heads = state, heads
        return super().gradients(wanted, state, heads)


def kept(
    program: Program,
    inputs: Mapping[str, Any],
    grad: Sequence[str],
    *,
    head: Any = None,
    of: str | None = None,
    dtype: str | None = None,
    seed: int | None = None,
    train: bool = False,
    compiler: type[Compiler] | None = None,
    **more: Any,
) -> Kept:
    """Run the program, recorded. The arguments are those of `Program.run`; so are the errors.

    compiler: what makes closures of the program, the usual one unless given.
    """
    from ndgrad.lang.program import MAX_STEPS, guarded

    run = _Keeping(
        program,
        dict(inputs),
        grad,
        head,
        of,
        dtype,
        True,
        dict(more.get("bound_by") or {}),
        more.get("max_steps") or MAX_STEPS,
        more.get("show"),
        more.get("max_memory"),
        more.get("timeout"),
        more.get("abandon"),
        Asked(seed=seed, train=train),
    )
    run.compiler = compiler
    result: Result = guarded(run.go, run)
    name, output, adjoint, span = run.heads[0]
    bindings = tuple(result.trace or ())
    return Kept(result, name, output, span, adjoint, run.state.inputs, bindings, run.state)


def line_of(span: Span | None) -> int | None:
    """The line of a place, None where it has none."""
    return None if span is None else span.line


class Rounds:
    """Counts how often each place was come to, in the order of the run."""

    def __init__(self) -> None:
        self.seen: dict[Any, int] = {}

    def next(self, node: Node) -> int:
        """The how-maniest time it is that this operation runs at its place, from 1."""
        assert node.op is not None
        key = (node.op.name, id(node.span))
        self.seen[key] = self.seen.get(key, 0) + 1
        return self.seen[key] if node.span is not None else 1
