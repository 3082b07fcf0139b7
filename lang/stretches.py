"""Stretches: rounds that compiled code has run, as one operation of the record."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any
from weakref import ref

from ndgrad.lang.rerun import Rerun, at, recorded
from ndgrad.lang.scopes import AROUND, FIRST, RESULT
from ndgrad.lang.scopes import STATE as RUN
from ndgrad.lang.values import UNBOUND, Frame, Function
from ndgrad.tape import STATE

if TYPE_CHECKING:
    from ndgrad.lang.compiled_loops import Variant


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
        bare = Function(value.name, value.parameters, value.defaults, value.size, value.body, [], value.free)
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
            frame
            if made is None
            else Function(made.name, made.parameters, made.defaults, made.size, made.body, frame, made.free)
        )
    return value
