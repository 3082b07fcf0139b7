"""What lint says of shapes: errors that every run meets, sizes that must agree, vectors that meet columns.

A program is followed once for each sample of sizes (`ndgrad.lang.sizes`). What fails in every sample is an
error if it fails for all small sizes too, and if no small program gets by; else a warning, or nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ndgrad import autograd
from ndgrad.errors import Diagnostic, Error, Label
from ndgrad.lang import problems
from ndgrad.lang.abstract import Unsettled
from ndgrad.lang.inference import World, symbols
from ndgrad.lang.shape_expressions import Failure
from ndgrad.lang.sizes import Differs, Form, Pattern, Sizes, condition, exceptions, samples, shapes_of, text_of
from ndgrad.shapes import Abstract

if TYPE_CHECKING:
    from ndgrad.lang.program import Program

SMALL = range(6)  # sizes of whole programs that are held against an error


class Inferred:
    """What is known of the shapes in a program.

    sizes   the samples; worlds: the program followed with each of them
    """

    def __init__(self, program: Program, inputs: Mapping[str, Any] | None = None) -> None:
        self.body = program.body
        free = sorted(program.free_names)
        self.given = None if not inputs else {name: _shaped(value) for name, value in inputs.items()}
        self.names = sorted({*free, *(self.given or {})} - set(program.checked.inputs))
        self.open = [] if self.given is not None else symbols(program.body)
        self.sizes: list[dict[str, int]] = samples(self.open)
        with np.errstate(all="ignore"), autograd.default_dtype("float64"):
            self.worlds = [self.world(sizes) for sizes in self.sizes]

    def world(self, sizes: Sizes) -> World:
        return World(self.body, sizes, self.given, self.names)

    def shapes(self) -> Iterator[tuple[Any, tuple[Form | None, ...]]]:
        """The nodes that are given arrays of known shape, and their shapes."""
        first = self.worlds[0]
        for key in first.shapes:
            if all(key in world.shapes for world in self.worlds):
                shape = shapes_of([world.shapes[key] for world in self.worlds], self.sizes)
                if shape is not None:
                    yield first.places[key], shape

    def findings(self) -> list[Diagnostic]:
        """The errors and warnings, E3xx and W3xx."""
        with np.errstate(all="ignore"), autograd.default_dtype("float64"):
            return [*self.failing(), *self.spreading()]

    # Errors

    def failing(self) -> Iterator[Diagnostic]:
        for key in self.worlds[0].failures:
            found = [world.failures.get(key) for world in self.worlds]
            whole = [failure for failure in found if failure is not None]
            if len(whole) == len(found) and len({failure.problem.code for failure in whole}) == 1:
                problem = self.judged(whole)
                if problem is not None:
                    yield problem

    def judged(self, found: list[Failure]) -> Diagnostic | None:
        """What to say of a failure in every sample."""
        problem = self.merged([failure.problem for failure in found])
        if self.given is not None or len(found) == 1:
            sure = all(failure.sure for failure in found)
            return problem if sure else problems.fails_if_reached(problem)
        work = found[0].work

        def fails(arguments: tuple[Any, ...]) -> bool:
            try:
                work(*arguments)
            except Error:
                return True
            except Unsettled:
                return False
            return False

        try:
            pattern = Pattern([failure.arguments for failure in found], self.sizes)
            passes = exceptions(pattern, fails)
        except Differs:
            return None
        if passes is None:
            return None
        if not passes:
            if not all(failure.sure for failure in found):
                return problems.fails_if_reached(problem)
            return problem if self.never_gets_by() else None
        if not all(failure.sure and not failure.guarded for failure in found):
            return None  # a branch or an assertion may be there for these very sizes
        when = condition(pattern, passes, fails)
        return None if when is None else problems.only_for_sizes(problem, when)

    def never_gets_by(self) -> bool:
        """Whether the program fails with small sizes too, whatever slices leave of them."""
        return all(
            any(failure.sure for failure in self.world(dict.fromkeys(self.open, size)).failures.values())
            for size in SMALL
        )

    def merged(self, found: list[Diagnostic]) -> Diagnostic:
        """One diagnostic in the place of those of the samples, with names for sizes."""
        first = found[0]
        labels = tuple(
            Label(label.span, text_of([one.labels[i].text for one in found], self.sizes))
            for i, label in enumerate(first.labels)
        )
        help = None if first.help is None else text_of([one.help or "" for one in found], self.sizes)
        message = text_of([one.message for one in found], self.sizes)
        return Diagnostic(first.code, message, labels, help, first.severity)

    # Warnings

    def spreading(self) -> Iterator[Diagnostic]:
        """W301: a vector meets a column of as many entries."""
        for key in self.worlds[0].broadcasts:
            pairs = [world.broadcasts.get(key) for world in self.worlds]
            if all(pair is not None for pair in pairs):
                node: Any = self.worlds[0].places[key]
                known = [pair for pair in pairs if pair is not None]
                words = self.words([left for left, _ in known]), self.words([right for _, right in known])
                yield problems.vector_meets_column(node.span, _sides(node), words)

    def words(self, arrays: Sequence[Any]) -> str:
        """The shape of an array in terms of the names, such as `n×1`."""
        shape = shapes_of(arrays, self.sizes) or ()
        return "×".join("…" if form is None else form.text for form in shape)


def _sides(node: Any) -> tuple[Any, Any] | None:
    """Where the two operands of an operator or a call stand."""
    for left, right in (("left", "right"), ("target", "value")):
        if hasattr(node, left) and hasattr(node, right):
            return getattr(node, left).span, getattr(node, right).span
    for several in ("operands", "arguments"):
        parts: Any = getattr(node, several, ())
        if len(parts) == 2:
            return parts[0].span, parts[1].span
    return None


def _shaped(value: Any) -> Abstract:
    """What a bound input is: arrays keep their dtype, numbers and lists become floats."""
    from ndgrad.lang.inputs import taken

    x = taken("input", value, None, None, None)
    return Abstract(x.shape, x.dtype)
