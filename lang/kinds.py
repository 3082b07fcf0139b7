"""What compiled loops depend on of the values of variables, and how values that change are told from each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ndgrad.lang.rerun import Slot
from ndgrad.lang.values import UNBOUND, Frame, Function, Lazy, Special
from ndgrad.ndarray import NDArray
from ndgrad.plans.rounds import Clause, Counter, RoundTrace
from ndgrad.plans.tracing import Placeholder, Reg
from ndgrad.tape import STATE


class Refused(Exception):
    """The loop cannot be compiled for these values."""


def has_entries(values: Any) -> bool:
    """Whether an entry of a sequence can be asked for by its number."""
    if values.__class__ is Lazy:
        return all(map(has_entries, values.parts))
    return values.__class__ is range or (values.__class__ is NDArray and bool(values.shape))


def sequence_of(values: Any, kind: Callable[[Any], Any]) -> list[Any]:
    """What compiled rounds depend on of a sequence."""
    if values.__class__ is Lazy:
        return [len(values.parts), *(found for part in values.parts for found in sequence_of(part, kind))]
    return [values if values.__class__ is range else kind(values)]


class _Same:
    """A value that is equal to itself only, and lives as long as this."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return other.__class__ is _Same and other.value is self.value

    def __hash__(self) -> int:
        return id(self.value)


class Kinds:
    """What compiled rounds depend on of values that the variables of some frames have."""

    def __init__(self, recording: bool, frames: list[Frame]) -> None:
        self.recording = recording
        self.frames = {id(frame): k for k, frame in enumerate(frames)}

    def of(self, value: Any, fixing: bool) -> Any:
        """Of arrays shape, dtype and whether they are tracked; of numbers their type, or themselves if `fixing`; of
        functions what they do and where they were made; of all else what it is."""
        kind = value.__class__
        if kind is NDArray:
            data, node = value._data, value._node
            if not isinstance(data, (np.ndarray, np.generic)) or data.nbytes >= STATE.defer_from:
                raise Refused
            if node is not None and ((node.marked and node.implicit) or not self.recording):
                raise Refused
            return data.shape, data.dtype, node is not None, data.__class__ is np.ndarray
        if kind is int or kind is float:
            return (kind, value.hex() if kind is float else value) if fixing else kind
        if kind is tuple:
            return tuple([self.of(part, fixing) for part in value])
        if kind is bool or kind is str:
            return kind, value
        if kind is range:
            return kind, value.start, value.stop, value.step
        if kind is Function:
            if id(value.frame) not in self.frames:
                raise Refused
            return kind, value.body, self.frames[id(value.frame)], *map(self.default, value.defaults)
        if isinstance(value, NDArray) or kind is Lazy:
            raise Refused
        return UNBOUND if is_made(value) else _Same(value)

    def default(self, value: Any) -> Any:
        """Of a default value, which is compiled in as it is: all."""
        if value.__class__ is NDArray:
            data = value._data
            if value._node is not None or data.nbytes > LONGEST_DEFAULT:
                raise Refused
            return *self.of(value, True), data.tobytes()
        if value.__class__ is tuple:
            return tuple(map(self.default, value))
        return self.of(value, True)


LONGEST_DEFAULT = 1024  # bytes of an array that are compared


def is_made(value: Any) -> bool:
    """Whether it is a function of Python that a run has made, such as a derivative: no round calls one."""
    call = value.call if value.__class__ is Special else value
    return getattr(call, "__closure__", None) is not None


def runs(value: Any) -> bool:
    """Whether a value may run what reads variables that the loop does not name."""
    return any(map(runs, value)) if value.__class__ is tuple else value.__class__ is Function or is_made(value)


def outcome_of(value: Any) -> Any:
    """What a variable is after a round, in registers and constants. Refused for what no array or number is."""
    kind = value.__class__
    if kind is tuple:
        return tuple(map(outcome_of, value))
    if isinstance(value, Placeholder):
        return Reg(value.register)
    if kind is NDArray and value._node is None:
        return value._data
    if kind is int or kind is float:
        return value
    raise Refused


def leaves_of(values: Any) -> Iterator[Any]:
    for value in values:
        if value.__class__ is tuple:
            yield from leaves_of(value)
        else:
            yield value


def compared_in(clause: Clause) -> list[Any]:
    return [x for part in clause.parts for x in (compared_in(part) if isinstance(part, Clause) else [part])]


def alike(before: Any, after: Any, trace: RoundTrace) -> bool:
    """Whether a variable is of the same kind before a round and after it."""
    if before.__class__ is tuple or after.__class__ is tuple:
        return (
            before.__class__ is after.__class__
            and len(before) == len(after)
            and all(alike(a, b, trace) for a, b in zip(before, after, strict=True))
        )
    if not isinstance(before, Placeholder):
        return False
    number = isinstance(before, Counter)
    if after.__class__ is Reg:
        if number != (after.number in trace.numbers):
            return False
        return trace.shapes[after.number] == before.shape and trace.dtypes[after.number] == before.dtype
    if number:
        return after.__class__ is before.sample.__class__
    return hasattr(after, "dtype") and after.shape == before.shape and after.dtype == before.dtype


def is_number(value: Any, numbers: dict[int, Any]) -> bool:
    return value.number in numbers if value.__class__ is Reg else value.__class__ in (int, float)


def bare(x: Any) -> Any:
    return x._data if x.__class__ is NDArray else x


def renumbered(layout: Any, at: dict[int, int]) -> Any:
    return tuple([renumbered(part, at) for part in layout]) if layout.__class__ is tuple else at[layout]


def filled(layout: Any, values: list[Any]) -> Any:
    return tuple([filled(part, values) for part in layout]) if layout.__class__ is tuple else values[layout]


def paths_in(layout: Any, around: Slot) -> Iterator[tuple[Slot, int]]:
    if layout.__class__ is tuple:
        for i, part in enumerate(layout):
            yield from paths_in(part, (*around, i))
    else:
        yield around, layout
