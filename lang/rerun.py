"""Rounds of a loop that can be run again: in the sweep, or for a derivative of a derivative."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ndgrad import autograd
from ndgrad.lang.conditions import Path
from ndgrad.lang.scopes import AROUND, FIRST
from ndgrad.lang.values import Frame, Function, Special

if TYPE_CHECKING:
    from ndgrad.lang.state import State

Slot = tuple[int, ...]  # a place in a frame, and the way into the tuple there


class Rerun:
    """Rounds of a loop that can be run again. `slots`: the places of what came out of them, in the loop's frame."""

    slots: list[Slot]

    def pulled(self, parts: list[Any]) -> list[Any] | None:
        """The cotangents of the node's parents without running again, where that is possible."""
        return None

    def again(self) -> list[Any]:
        """The values at the end, recorded anew."""
        raise AssertionError(self)


@contextmanager
def recorded(state: State, training: bool, draws: Any = None) -> Iterator[None]:
    """A scope in which rounds that have been counted, and have said what they had to say, are recorded again.

    draws: where the random numbers begin, if there are any.
    """
    path, show, steps, last, outputs = state.path, state.show, state.steps, state.last, state.outputs
    stream: Any = None
    if draws is not None:
        from ndgrad.ops import random

        stream = random.generator().bit_generator
    now = None if stream is None else stream.state
    try:
        state.path, state.show, state.outputs = Path(), nowhere, dict(outputs)
        state.steps += 1 << 61
        if stream is not None:
            stream.state = draws
        with autograd.record(training):
            yield
    finally:
        state.path, state.show, state.last, state.outputs = path, show, last, outputs
        if state.stopped is None:
            state.steps = steps
        if stream is not None:
            stream.state = now


def at(f: Frame, slot: Slot) -> Any:
    """The value at a place."""
    value: Any = f
    for i in slot:
        value = value[i]
    return value


def frames_of(f: Frame) -> list[Frame]:
    """The frames that something running in `f` can read: those around it, and those of the functions there."""
    found: dict[int, Frame] = {}
    stack: list[Any] = [f]
    while stack:
        value = stack.pop()
        if value.__class__ is list:
            if id(value) in found:
                continue
            found[id(value)] = value
            stack += [value[AROUND], *value[FIRST:]]
        elif value.__class__ is Function:
            stack += [value.frame, *value.defaults]
        elif value.__class__ is tuple:
            stack += value
        elif value.__class__ is Special or value.__class__ is _PYTHON:
            call = value.call if value.__class__ is Special else value
            stack += [cell.cell_contents for cell in getattr(call, "__closure__", None) or ()]
    return list(found.values())


_PYTHON = type(at)  # derivatives of functions are Python functions that hold these


def nowhere(text: str) -> None:
    return
