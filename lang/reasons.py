"""Why an entry of a gradient is what it is: zero, nan, infinite, or as large as it is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from math import isfinite, isnan
from typing import TYPE_CHECKING, Any

import numpy as np

from ndgrad.frozen import Frozen
from ndgrad.lang.factors import Step, cancelled, cancelling, factors
from ndgrad.lang.growth import Growth, growth
from ndgrad.lang.infinities import broken, origin
from ndgrad.lang.influence import largest_entry
from ndgrad.lang.kept import kept
from ndgrad.lang.losses import Loss, losing
from ndgrad.lang.notation import output_name, subscripted
from ndgrad.lang.question import Entry, Question, Reason
from ndgrad.lang.replay import quiet
from ndgrad.lang.severed import Severed
from ndgrad.lang.values import shown_shape
from ndgrad.lang.zeros import blocked, moves
from ndgrad.ndarray import plain

if TYPE_CHECKING:
    from ndgrad.lang.program import Program

MOST = 5  # reasons of one kind


class NoEntry(IndexError):
    """An entry that the gradient does not have."""


class Why(Frozen):
    """Why the derivative of `of` (of ⟨head, of⟩ where it is `headed`) by the entry `at` of `wrt` is `value`.

    verdict   zero, nan, inf or finite; point, the value of the input there
    reasons   the operations that made it so, in the order of the run
    path      the factors along the way that gives most at every step, from the output back (where it is finite)
    share     how much of the value that way gives
    growth    the derivatives of the variables by the entry (where it is finite)
    """

    of: str
    wrt: str
    headed: bool
    at: Entry
    point: float
    value: float
    verdict: str
    reasons: tuple[Reason, ...]
    path: tuple[Step, ...]
    share: float
    growth: tuple[Growth, ...]


def why(
    program: Program,
    name: str,
    at: Entry | None = None,
    inputs: Mapping[str, Any] | None = None,
    **options: Any,
) -> Why:
    """Why the entry `at` of the gradient by `name` is what it is; unless given, one that is not finite, or the largest.

    options: head, of, dtype, seed, train and the limits of `Program.run`. NoEntry for no such entry; else as a run.
    """
    losses: list[Loss] = []
    run = kept(program, inputs or {}, [name], compiler=losing(losses), **options)
    gradient = np.asarray(run.result.grads[name])
    at = _entry(gradient, name, at)
    value = float(gradient[at]) + 0.0  # no -0
    question = Question(program, run, name, at, value, losses)
    point = float(np.asarray(plain(run.variables[name]))[at]) + 0.0
    headed = not np.all(np.equal(run.head, 1))
    path: tuple[Step, ...] = ()
    share = 0.0
    grown: tuple[Growth, ...] = ()
    with quiet():
        if value == 0:
            verdict, reasons = "zero", [*_zero(question), *_behind(question)]
        elif isfinite(value):
            path, share = factors(question)
            grown = growth(question)
            verdict, reasons = "finite", [*cancelled(question, share), *_behind(question)]
        else:
            verdict, reasons = "nan" if isnan(value) else "inf", [*broken(question, point)]
    return Why(_called(question), name, headed, at, point, value, verdict, tuple(reasons), path, share, grown)


def _called(question: Question) -> str:
    """What the output is called: by its number too, where another value on the way has the name (x₁₀ by x)."""
    run, way = question.kept, question.way
    own = run.names.get(way.output.id) if way.output is not None else None
    said = output_name(run.of)
    if own is None or way.output is way.variable or subscripted(own.name, own.number) == said:
        return said
    others = (binding for number, binding in run.names.items() if number in way.change)
    taken = any(subscripted(binding.name, binding.number) == said for binding in others)
    return subscripted(own.name, own.number) if taken else said


def _entry(gradient: Any, name: str, at: Entry | None) -> Entry:
    """The entry that is asked for, counted from the front. NoEntry."""
    if not gradient.size:
        raise NoEntry(f"the gradient by `{name}` has no entries")
    if at is None:
        return largest_entry(gradient)
    if not gradient.ndim and at:
        raise NoEntry(f"the gradient by `{name}` is one number, without entries")
    if len(at) != gradient.ndim or any(not -n <= i < n for i, n in zip(at, gradient.shape, strict=True)):
        raise NoEntry(f"the gradient by `{name}` has the shape {shown_shape(gradient.shape)}, and no such entry")
    return tuple(i % n for i, n in zip(at, gradient.shape, strict=True))


def _zero(question: Question) -> Iterator[Reason]:
    """Every operation at which a change of the entry comes to nothing; where none does, what it goes into."""
    way = question.way
    if not way.reaches:
        yield from _distinct(Severed(question).reasons())
        return
    found = [*_distinct(blocked(question))]
    # Entries that are read one by one are left out everywhere but once: that is no news where there is more to say.
    found = [r for r in found if r.kind != "not gathered"] or found
    found += _at_the_end(question)
    found += _distinct(Severed(question).beside())
    yield from found or [question.about("stationary", "its derivative is 0 at this point")]


def _at_the_end(question: Question) -> Iterator[Reason]:
    """Where the entry moves the output, though not ⟨head, output⟩."""
    assert question.way.output is not None
    change = question.way.change[question.way.output.id]
    if not moves(change):
        return
    head = np.broadcast_to(question.kept.head, np.shape(change))
    if np.any(head[np.not_equal(change, 0)]):
        yield cancelling(question, change * head)
    else:
        yield question.about("head", "the head is 0 wherever the output moves with it")


def _behind(question: Question) -> list[Reason]:
    """The operation that makes the value of the output nan or infinite although its gradient is a number."""
    if question.way.output is None:
        return []
    found, _ = origin(question, question.way.output, reached=True)
    return [] if found is None else [found]


def _distinct(reasons: Iterable[Reason]) -> Iterator[Reason]:
    """One reason for each kind at each place, the first that there is."""
    seen: set[Any] = set()
    for reason in reasons:
        key = reason.kind, reason.span, reason.expression
        if key not in seen and len(seen) < MOST:
            seen.add(key)
            yield reason
