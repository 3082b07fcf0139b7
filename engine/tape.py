"""Recording: the nodes of the computation that a reverse sweep walks, and when they are made.

A node is one application of a primitive to operands of which at least one is tracked. Ids grow
with time, so a walk down the ids is a topological order: no recursion, no sorting by dependency.
The same counter is the clock for in-place writes: a buffer written at a time later than a node's
id is not what that node saw.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from itertools import count
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from ndgrad.errors import Span
    from ndgrad.ndarray import NDArray
    from ndgrad.primitive import Primitive

GradReq = Literal["write", "add", "null"]

tick: Callable[[], int] = count(1).__next__


class State(threading.local):
    """What the current thread is doing.

    recording: True (or KEEPING, if values are kept) inside record(), False inside pause(), None
    elsewhere (then only arrays in the implicit style, `requires_grad_`, record).
    """

    recording: bool | int | None = None
    training: bool = False
    keep_values: bool = False
    float_dtype: np.dtype[Any] = np.dtype(np.float32)
    kinks: str = "min-norm"  # whose convention holds where a derivative does not exist
    leaves: Any = None  # the arrays with attach_grad, weakly held
    max_bytes: int | None = None  # the largest array that an operation may make, None for any
    traces: int = 0  # how many tracing transformations (jvp, vmap) are open in this thread


STATE = State()
KEEPING = 2  # a recording that keeps all values: one look at the state tells the hot path both


class Sink:
    """Where the gradient of an array with `attach_grad` goes."""

    __slots__ = ("array", "req")

    def __init__(self, array: NDArray, req: GradReq) -> None:
        self.array = array
        self.req = req


class Node:
    """One recorded application, or a leaf (op None).

    id        the time of recording
    op        the primitive
    parents   the operands' nodes, None for an untracked operand
    saved     (y, *operands) of which those that no rule needs are None
    statics   the static parameters, in the signature's order
    shapes    the operands' shapes (operations that are not elementwise)
    shape     the shape of the value ((n,) for n outputs), and dtype its dtype
    span      where the operation is written, if a program runs
    sink      where this node's gradient goes, if somewhere
    implicit  recorded also without record() (`requires_grad_`)
    traced    an operand is itself being traced (jvp, vmap), so rules must run on NDArrays
    kept      (y, operands) in full, under keep_values()
    marked    one of sink, implicit and traced is set: the hot paths look at this alone
    """

    # What most nodes never change is kept on the class: making a node sets six fields.
    statics: tuple[Any, ...] = ()
    shapes: tuple[tuple[int, ...], ...] = ()
    span: Span | None = None
    sink: Sink | None = None
    implicit: bool = False
    traced: bool = False
    kept: tuple[Any, tuple[Any, ...]] | None = None

    def __init__(
        self,
        op: Primitive | None,
        parents: tuple[Node | None, ...],
        saved: Any,
        statics: tuple[Any, ...],
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
    ) -> None:
        self.id = tick()
        self.op = op
        self.parents = parents
        self.saved = saved
        self.shape = shape
        self.dtype = dtype
        self.marked = False
        if statics:
            self.statics = statics

    def mark(self, sink: Sink | None = None, implicit: bool = False, traced: bool = False) -> None:
        """Set what few nodes have."""
        self.marked = True
        if sink is not None:
            self.sink = sink
        if implicit:
            self.implicit = True
        if traced:
            self.traced = True

    @property
    def value(self) -> Any:
        """The value, if it was kept (keep_values) or saved."""
        return self.kept[0] if self.kept is not None else None

    @property
    def operands(self) -> tuple[Any, ...]:
        """The operands in full, if they were kept."""
        return self.kept[1] if self.kept is not None else ()

    @property
    def params(self) -> dict[str, Any]:
        """The static parameters by name."""
        return {} if self.op is None else dict(zip(self.op.statics, self.statics, strict=False))

    def __repr__(self) -> str:
        name = "leaf" if self.op is None else self.op.name
        return f"<Node {self.id} {name} {self.shape} {self.dtype}>"


class Freed:
    """Stands in `saved` of a node whose graph a backward has released."""

    __slots__ = ("where",)

    def __init__(self, where: str) -> None:
        self.where = where


# Buffers written in place, by the id of the array that owns the memory: (time, place of the write).
# Empty in most programs, so a sweep pays nothing for it.
written: dict[int, tuple[int, str]] = {}


def owner_of(data: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The array that owns `data`'s memory."""
    while isinstance(data.base, np.ndarray):
        data = data.base
    return data


def note_write(data: np.ndarray[Any, Any]) -> None:
    """Remember that `data`'s buffer has changed now."""
    import weakref

    owner = owner_of(data)
    key = id(owner)
    if key not in written:
        weakref.finalize(owner, written.pop, key, None)
    written[key] = (tick(), caller())


def caller() -> str:
    """FILE:LINE of the innermost frame outside this package."""
    import os
    import sys

    here = os.path.dirname(os.path.abspath(__file__))
    frame = sys._getframe(1)
    while frame.f_back is not None and os.path.dirname(os.path.abspath(frame.f_code.co_filename)).startswith(here):
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"
