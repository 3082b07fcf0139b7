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
from os import environ
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from ndgrad.errors import Span
    from ndgrad.ndarray import NDArray
    from ndgrad.primitive import Primitive

GradReq = Literal["write", "add", "null"]

tick: Callable[[], int] = count(1).__next__
LARGE = 1 << 21  # bytes of an array from which computing tile by tile pays, however cheap the operations


def _deferring(asked: str) -> int:
    """From how many bytes on operations on an array are deferred: NDGRAD_DEFER is "always", "never" or "auto"."""
    return {"always": 1, "never": 1 << 62}.get(asked, LARGE)


class State(threading.local):
    """What the current thread is doing.

    recording: True (or KEEPING, if values are kept) inside record(), False inside pause(), None
    elsewhere (then only arrays in the implicit style, `requires_grad_`, record).
    """

    recording: bool | int | None = None
    training: bool = False
    keep_values: bool = False
    origins: dict[int, Origin] | None = None  # under keep_origins(): by the id of the data, how it came about
    float_dtype: np.dtype[Any] = np.dtype(np.float32)
    kinks: str = "min-norm"  # whose convention holds where a derivative does not exist
    leaves: Any = None  # the arrays with attach_grad, weakly held
    max_bytes: int | None = None  # the memory that the process may have in use, None for any
    traces: int = 0  # how many tracing transformations (jvp, vmap) are open in this thread
    tracer: Any = None  # (op, args, named) → result or NotImplemented: asked first while symbols are made
    defer_from: int = _deferring(environ.get("NDGRAD_DEFER", "auto"))  # bytes of an array that is large
    threads: int | None = None  # how many threads share the tiles of large arrays, None for NDGRAD_THREADS or the cores
    fusion: Any = None  # the module `fusion.large`, for all threads, once there has been a large array
    device: Any = None  # the device that large arrays are made on, None for the host
    remote: Any = None  # the module `device.running`, for all threads, once an array has been on a device


STATE = State()
KEEPING = 2  # a recording that keeps all values: one look at the state tells the hot path both


class Sink:
    """Where the gradient of an array with `attach_grad` goes."""

    __slots__ = ("array", "req")

    def __init__(self, array: NDArray, req: GradReq) -> None:
        self.array = array
        self.req = req


class Form:
    """The shape and dtype of a value. `form` gives the same object for the same, so identity tells agreement."""

    __slots__ = ("dtype", "shape")

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self.shape = shape
        self.dtype = dtype


_FORMS: dict[tuple[tuple[int, ...], np.dtype[Any]], Form] = {}


def form(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Form:
    """The form of this shape and dtype."""
    key = shape, dtype
    found = _FORMS.get(key)
    if found is None:
        if len(_FORMS) > 1000:  # programs whose arrays grow; a form made twice only costs a comparison
            _FORMS.clear()
        found = _FORMS.setdefault(key, Form(shape, dtype))
    return found


class Node:
    """One recorded application, or a leaf (op None).

    id        the time of recording
    op        the primitive
    parents   the operands' nodes, None for an untracked operand
    saved     (y, *operands) of which those that no rule needs are None; `Freed` once released
    statics   the static parameters, in the signature's order
    shapes    the operands' shapes (operations that are not elementwise)
    form      the shape and dtype of the value; the shape is (n,) for n outputs
    span      where the operation is written, if a program runs
    sink      where this node's gradient goes, if somewhere
    implicit  recorded also without record() (`requires_grad_`)
    traced    an operand is itself being traced (jvp, vmap), so rules must run on NDArrays
    kept      (y, operands) in full, under keep_values()
    marked    a leaf, or released, or one of sink, implicit, traced and kept is set: the hot paths look at this alone
    """

    __slots__ = ("form", "id", "implicit", "kept", "marked", "op", "shapes", "sink", "span", "statics", "traced")
    form: Form
    id: int
    op: Primitive | None
    parents: tuple[Node | None, ...]
    saved: Any
    statics: tuple[Any, ...]
    shapes: tuple[tuple[int, ...], ...]
    span: Span | None
    sink: Sink | None
    implicit: bool
    traced: bool
    kept: tuple[Any, tuple[Any, ...]] | None
    marked: bool

    # What most nodes never have is not set.
    def __getattr__(self, name: str) -> Any:
        if name in _UNSET:
            return _UNSET[name]
        raise AttributeError(name)

    def mark(self, sink: Sink | None = None, implicit: bool = False, traced: bool = False) -> None:
        """Set what few nodes have."""
        self.marked = True
        if sink is not None:
            self.sink = sink
        if implicit:
            self.implicit = True
        if traced:
            self.traced = True

    def keep(self, y: Any, operands: tuple[Any, ...]) -> None:
        """Keep the value and all operands, whatever the rules need."""
        self.kept = (y, operands)
        self.marked = True

    @property
    def shape(self) -> tuple[int, ...]:
        return self.form.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.form.dtype

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


class Origin(NamedTuple):
    """How a value came about that has no node: one that does not depend on what is tracked, or a condition."""

    value: Any  # held, so that its id stays its own
    op: Primitive
    operands: tuple[Any, ...]
    parents: tuple[Node | None, ...]
    statics: tuple[Any, ...]


class General(Node):
    """A node of any operation, or a leaf."""

    __slots__ = ("parents", "saved")

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
        self.form = form(shape, dtype)
        self.marked = op is None or op.straight  # the made-to-measure reverse steps take lean nodes
        self.statics = statics

    def free(self, freed: Freed) -> None:
        """Let go of what the graph below holds."""
        self.saved = freed
        self.parents = ()
        if self.marked and self.kept is not None:
            self.kept = None
        self.marked = True


class Lean(Node):
    """A node of an elementwise operation of one or two operands, without parameters: most nodes are such.

    p, q     the operands' nodes        y, a, b  what is saved of the value and the operands
    """

    __slots__ = ("a", "b", "p", "q", "y")
    op: Primitive
    a: Any
    b: Any
    p: Node | None
    q: Node | None
    y: Any

    @property
    def parents(self) -> tuple[Node | None, ...]:  # type: ignore[override]
        return (self.p,) if self.op.arity == 1 else (self.p, self.q)

    @property
    def saved(self) -> Any:
        if self.y.__class__ is Freed:
            return self.y
        return (self.y, self.a) if self.op.arity == 1 else (self.y, self.a, self.b)

    def free(self, freed: Freed) -> None:
        """Let go of what the graph below holds."""
        self.y = freed
        self.a = self.b = self.p = self.q = None
        if self.marked and self.kept is not None:
            self.kept = None
        self.marked = True


_UNSET: dict[str, Any] = {
    "statics": (),
    "shapes": (),
    "span": None,
    "sink": None,
    "implicit": False,
    "traced": False,
    "kept": None,
}


class Remote:
    """Marks arrays whose entries are not in the host's memory: `ndgrad.device.arrays` has the one class of them."""

    __slots__ = ()

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...
        def __getitem__(self, key: Any) -> Any: ...


class Freed:
    """Stands in `saved` of a node whose graph a backward has released."""

    __slots__ = ("where",)

    def __init__(self, where: str) -> None:
        self.where = where


class Write(NamedTuple):
    """The last write into a buffer: when and where, and whether it was recorded (then its node has that time)."""

    time: int
    place: str
    recorded: bool


# Buffers written in place, by the id of the array that owns the memory.
# Empty in most programs, so neither recording nor a sweep pays for it.
written: dict[int, Write] = {}


def owner_of(data: Any) -> Any:
    """The array that owns `data`'s memory."""
    while isinstance(data.base, (np.ndarray, Remote)):
        data = data.base
    return data


def note_write(data: np.ndarray[Any, Any], node: Node | None = None) -> None:
    """Remember that `data`'s buffer has changed now; node: of the write, if it was recorded."""
    import weakref

    owner = owner_of(data)
    key = id(owner)
    if key not in written:
        weakref.finalize(owner, written.pop, key, None)
    written[key] = Write(tick(), caller(), recorded=False) if node is None else Write(node.id, caller(), recorded=True)


def later_write(data: Any, node: Node) -> Write | None:
    """The write after which `data` is no longer what `node` stands for: one through another array of the same memory.

    An array's own recorded writes give it a newer node; a leaf is whatever an unrecorded write makes it.
    """
    if STATE.fusion is not None:
        data = STATE.fusion.buffer_of(data)
    if not isinstance(data, (np.ndarray, Remote)):
        return None
    write = written.get(id(owner_of(data)))
    if write is None or write.time <= node.id or (node.op is None and not write.recorded):
        return None
    return write


def caller() -> str:
    """FILE:LINE of the innermost frame outside this package."""
    import os
    import sys

    here = os.path.dirname(os.path.abspath(__file__))
    frame = sys._getframe(1)
    while frame.f_back is not None and os.path.dirname(os.path.abspath(frame.f_code.co_filename)).startswith(here):
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"
