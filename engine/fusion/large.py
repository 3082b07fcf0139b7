"""Large: the NDArray of a large array, on which operations are deferred.

It differs from NDArray in its class alone (the slots are the same), so an array becomes one in place, and code
that asks for `_data` gets the computed array whatever it is. The few operations that can wait
come here by `defer`; all others compute what they read, and give plain NDArrays.
"""

from __future__ import annotations

from collections.abc import Sequence
from sys import getrefcount
from typing import Any
from weakref import ref

import numpy as np

from ndgrad.apply import attach, fault, plain_operand
from ndgrad.fusion.compute import compute
from ndgrad.fusion.lazy import CAST, Lazy, before_write, computed, lifted, source
from ndgrad.namespace import PLAIN
from ndgrad.ndarray import NDArray, plain
from ndgrad.primitive import Primitive
from ndgrad.tape import KEEPING, STATE, Node, Remote

_DATA: Any = NDArray.__dict__["_data"]  # the slot itself, in which a Large holds its Lazy
# Operations that are not elementwise and yet can wait.
WAITING = frozenset({"sum", "mean", "max", "min", "broadcast_to"})
ALONE = 4  # what getrefcount says of a Lazy that only a sweep's result and two variables refer to
DTYPES = frozenset(map(np.dtype, ("float64", "float32", "bool")))


class Large(NDArray):
    """An NDArray whose values may not have been computed yet."""

    __slots__ = ()

    @property
    def _data(self) -> Any:
        return self.lazy.compute()

    @_data.setter
    def _data(self, value: Any) -> None:
        self.hold(value if value.__class__ is Lazy else source(value))

    @property
    def lazy(self) -> Lazy:
        """What it holds, computed or not."""
        found: Lazy = _DATA.__get__(self)
        return found

    def hold(self, lazy: Lazy) -> None:
        """Take `lazy` for its values."""
        _DATA.__set__(self, lazy)
        if lazy.holders is None:
            lazy.holders = [ref(self)]
        else:
            lazy.holders.append(ref(self))

    @property
    def shape(self) -> tuple[int, ...]:
        return self.lazy.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.lazy.dtype

    @property
    def ndim(self) -> int:
        return len(self.lazy.shape)

    @property
    def size(self) -> int:
        return self.lazy.size

    def detach(self) -> NDArray:
        return large(self.lazy)

    def converted(self, dtype: np.dtype[Any]) -> NDArray:
        return large(self.lazy.astype(dtype))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        """Read-only unless it is a copy: what waits to read the values would not notice a write."""
        made = np.asarray(self._data, dtype=dtype)
        if copy:
            return np.array(made)
        made = made.view()
        made.flags.writeable = False
        return made

    def __dlpack__(self, **named: Any) -> Any:
        self.expose()
        return super().__dlpack__(**named)

    def expose(self) -> None:
        """Become a plain NDArray, since others will write into the buffer without a word."""
        value = self._writable()
        self.__class__ = NDArray  # type: ignore[assignment]
        _DATA.__set__(self, value)


def large(values: Any, node: Node | None = None) -> NDArray:
    """A Large around an array or a Lazy; a plain NDArray around a scalar that is computed."""
    made = NDArray.__new__(Large if values.__class__ is Lazy or values.shape else NDArray)
    made._data = values
    made._node = node
    return made


def enlarge(x: NDArray) -> None:
    """Make a plain NDArray a Large, in place, if operations on arrays like it can wait."""
    if x.__class__ is not NDArray:
        return
    value = x._data
    if STATE.device is not None and value.__class__ is np.ndarray and value.nbytes >= STATE.defer_from:
        value = STATE.device.put(value)
    waits = value.dtype in DTYPES and isinstance(value, np.ndarray) and value.nbytes >= STATE.defer_from
    if waits or isinstance(value, Remote):
        x.__class__ = Large
        x._data = value


def defer(op: Primitive, given: tuple[Any, ...], statics: tuple[Any, ...]) -> Any:
    """op(given, statics) as a Large that is computed when asked for; NotImplemented if it cannot wait."""
    if not (op.elementwise or op.name in WAITING) or STATE.recording is KEEPING:
        return NotImplemented
    data: list[Any] = []
    waits = False
    for x in given:
        if x.__class__ is Large:
            lazy = x.lazy
            waits = waits or lazy.dtype in DTYPES
            data.append(lazy)
        elif isinstance(x, NDArray):
            data.append(x._data)
        else:
            data.append(x if x is None else plain_operand(op, x))
    if not waits:
        return NotImplemented
    operands = tuple(data)
    try:
        remote = STATE.remote
        y = op.value(PLAIN, *operands, *statics) if remote is None else remote.evaluate(op, operands, statics)
    except Exception as error:
        raise fault(op, error, tuple(map(_shadow, operands)), statics) from None
    if any(y is x for x in operands):  # x·1: an array of its own all the same, since it may be written to
        y = Lazy(CAST, (y,), None, y.shape, y.dtype)
    made = attach(op, y, given, operands, tuple(x._node if isinstance(x, NDArray) else None for x in given), statics)
    if y.__class__ is Lazy:
        made.__class__ = Large
        made.hold(y)
    return made


def _shadow(x: Any) -> Any:
    """An array of x's shape and dtype, for looking at what is wrong with them."""
    return np.broadcast_to(np.zeros((), x.dtype), x.shape) if x.__class__ is Lazy else x


def for_rules(op: Primitive | None, g: Any) -> Any:
    """A cotangent as the rules of `op` take it: computed, unless they are among those that can wait."""
    if op is None or op.elementwise or op.name in WAITING:
        return g
    return [computed(x) for x in g] if g.__class__ is list else computed(g)


def buffer_of(saved: Any) -> Any:
    """The array that a saved value was read from."""
    if saved.__class__ is not Lazy:
        return saved
    return saved.known if saved.original is None else saved.original


def unspread(g: Any) -> Any:
    """An array that repeats one number as a deferred array, so that products with it stay small."""
    return g if g.nbytes < STATE.defer_from or any(g.strides) else lifted(g)


def settled(found: dict[int, tuple[Node, Any]], arrays: Sequence[NDArray], store: bool) -> bool:
    """Compute the cotangents found by a sweep and the values of `arrays` together. Returns whether all are finite.

    store: cotangents go straight into the buffers of their sinks, where that is what will be done with them.
    """
    finite = True
    wanted = [x.lazy for x in arrays if x.__class__ is Large]
    into = {}
    flags: list[Any] = []
    for key, (node, g) in list(found.items()):
        lazy = g.lazy if g.__class__ is Large else g
        if isinstance(lazy, Remote):
            flags.append(np.all(np.isfinite(lifted(lazy))))
            wanted.append(flags[-1])
            continue
        if lazy.__class__ is not Lazy:
            finite = finite and bool(np.isfinite(plain(g)).all())
            continue
        if g is lazy:
            if getrefcount(lazy) > ALONE or lazy.known is not None:
                lazy = Lazy(np.positive, (lazy,), None, lazy.shape, lazy.dtype)  # with a buffer of its own
            buffer = _buffer(node, lazy) if store else None
            if buffer is not None:
                into[id(lazy)] = buffer
        flags.append(np.all(np.isfinite(lazy)))
        wanted.append(lazy)
        found[key] = node, g if g.__class__ is Large else lazy
    compute([*wanted, *flags], into)
    for key, (node, g) in found.items():
        if g.__class__ is Lazy:
            found[key] = node, g.known
    return finite and all(map(bool, flags))


def _buffer(node: Node, lazy: Lazy) -> Any:
    """Where the cotangent of `node` can be written at once, or None."""
    sink = node.sink
    if sink is None or sink.req != "write" or sink.array.__class__ is not Large:
        return None
    buffer = sink.array._data
    if buffer.dtype != lazy.dtype or not buffer.flags.c_contiguous or not buffer.flags.writeable:
        return None
    before_write(buffer)  # after which nothing that waits reads it
    return buffer
