"""Lazy: an array that knows how it is made, and is computed when its numbers are asked for.

NumPy's functions and Python's operators on a Lazy make another one, so that values and derivative rules
written for arrays run on it unchanged. Functions that have no deferred form get the computed array.

    op          args                   param
    a ufunc     its operands
    CAST        x
    WHERE       condition, a, b
    PATCH       values, where, x       the function of x that gives the values there
    REDUCE      x                      (ufunc, axes); the reduced axes stay, as axes of size 1
    BROADCAST   x                                      seen in a larger shape, takes no memory
    VIEW        x                                      the same few entries in another shape
    None                                               a source: its array is `known`

An operand is a Lazy, or a NumPy scalar that belongs to the program (a constant of the instruction list).
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Callable
from operator import index
from sys import getrefcount
from typing import Any
from weakref import WeakValueDictionary, ref

import numpy as np

from ndgrad.tape import STATE, Remote, owner_of

CAST, WHERE, PATCH, REDUCE, BROADCAST, VIEW = "cast", "where", "patch", "reduce", "broadcast", "view"
# Operands with fewer entries are copied rather than watched for writes, and operations on them are done at once.
SMALL = 4096 if STATE.defer_from > 1 else 1
LONGEST = 256  # operations that may wait for one request
RECORDED = 48  # and so many while recording, so that the backward pass has values to start again from

BOOL = np.dtype(bool)
Shape = tuple[int, ...]

sources: WeakValueDictionary[int, Lazy] = WeakValueDictionary()  # by id: those whose buffer may be written to


recent: deque[ref[Lazy]] = deque(maxlen=16)  # the last ones made


class Lazy:
    """An array of known shape and dtype, computed on demand.

    op, args, param  how it is made, until it has been computed; then it is `known`
    extent           at least the number of operations that computing it takes
    holders          the arrays that hold it, weakly: whoever holds it will want its value
    original         a source that was written to since: the buffer that was written (`known` is a copy from before)
    """

    __slots__ = ("__weakref__", "args", "dtype", "extent", "holders", "known", "op", "original", "param", "shape")
    op: Any
    args: tuple[Any, ...]
    param: Any
    shape: Shape
    dtype: np.dtype[Any]
    known: Any
    extent: int
    holders: list[Any] | None
    original: Any

    def __init__(self, op: Any, args: tuple[Any, ...], param: Any, shape: Shape, dtype: np.dtype[Any]) -> None:
        self.op = op
        self.args = args
        self.param = param
        self.shape = shape
        self.dtype = dtype
        self.known = self.holders = self.original = None
        self.extent = extent = 1 + sum([a.extent for a in args if a.__class__ is Lazy])
        recent.append(ref(self))
        if extent > RECORDED and extent > (RECORDED if STATE.recording else LONGEST):
            self._bound()

    def _bound(self) -> None:
        """Compute now if too much waits. Shared operations were counted more than once; this counts again."""
        from ndgrad.fusion.compute import compute, pending

        self.extent = len(pending([self]))
        if STATE.recording and self.extent > RECORDED:
            self.compute()
        elif self.extent > LONGEST:
            compute([self, *in_use()])

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        n = 1
        for k in self.shape:
            n *= k
        return n

    @property
    def nbytes(self) -> int:
        return self.size * self.dtype.itemsize

    def compute(self) -> Any:
        """The value: an array, or a NumPy scalar for a 0-d one. Never to be written into."""
        if self.known is None:
            from ndgrad.fusion.compute import compute

            compute([self])
        return self.known

    @property
    def value(self) -> Any:
        return self.compute()

    def settle(self, value: Any) -> None:
        """Become a source."""
        self.known = value
        self.op = None
        self.args = ()
        self.extent = 0
        if (value.__class__ is np.ndarray and value.size >= SMALL) or isinstance(value, Remote):
            sources[id(self)] = self

    def __repr__(self) -> str:
        name = "source" if self.op is None else getattr(self.op, "__name__", self.op)
        return f"<Lazy {name} {self.shape} {self.dtype}>"

    # As NumPy sees it

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        made = np.asarray(self.compute(), dtype=dtype)
        return made.copy() if copy else made

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **named: Any) -> Any:
        if any(x.__class__ is not Lazy and hasattr(x, "_node") for x in inputs):
            return NotImplemented  # recorded arrays have operations of their own
        if method == "__call__" and not named and ufunc.nout == 1 and ufunc.signature is None:
            return apply_ufunc(ufunc, inputs)
        if method == "reduce" and set(named) <= {"axis", "keepdims"} and ufunc in REDUCTIONS:
            return reduced(ufunc, inputs[0], named.get("axis", 0), named.get("keepdims", False))
        out = named.get("out")
        if out is not None:
            named["out"] = tuple(map(computed, out))
        return getattr(ufunc, method)(*map(computed, inputs), **named)

    def __array_function__(self, function: Any, types: Any, args: Any, named: Any) -> Any:
        deferred = FUNCTIONS.get(function)
        if deferred is not None:
            try:
                made = deferred(*args, **named)
            except TypeError:  # arguments that the deferred form does not take
                made = NotImplemented
            if made is not NotImplemented:
                return made
        return function(*_computed_all(args), **{name: _computed_all(v) for name, v in named.items()})

    def __getattr__(self, name: str) -> Any:
        """Whatever else arrays have, from the computed one."""
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self.compute(), name)

    def __getitem__(self, key: Any) -> Any:
        return self.compute()[_computed_all(key)]

    def __len__(self) -> int:
        return len(self.compute())

    def __bool__(self) -> bool:
        return bool(self.compute())

    def __int__(self) -> int:
        return int(self.compute())

    def __float__(self) -> float:
        return float(self.compute())

    def __index__(self) -> int:
        return index(self.compute())

    def astype(self, dtype: Any, copy: bool = True) -> Any:
        """The entries converted. (There is no writing into a Lazy, so that `copy` makes no difference.)"""
        to = np.dtype(dtype)
        if to == self.dtype:
            return self
        if self.op is BROADCAST:
            return broadcast(cast(self.args[0], to), self.shape)
        return cast(self, to)

    def patched(self, where: Any, x: Any, exact: Callable[[Any], Any]) -> Any:
        """Itself, but exact(x) where `where` holds, which is in few entries: only there is it computed."""
        return patched(self, where, x, exact)

    def sum(self, axis: Any = None, keepdims: bool = False) -> Any:
        return total(self, axis=axis, keepdims=keepdims)

    def mean(self, axis: Any = None, keepdims: bool = False) -> Any:
        return mean(self, axis=axis, keepdims=keepdims)

    def all(self) -> Any:
        return every(self)

    def reshape(self, *shape: Any) -> Any:
        return reshape(self, shape[0] if len(shape) == 1 else shape)

    def copy(self) -> Any:
        value = self.compute()
        return value.copy() if isinstance(value, Remote) else np.array(value)

    def item(self) -> Any:
        return self.compute().item()

    def __add__(self, other: Any) -> Any:
        return np.add(self, other)

    def __radd__(self, other: Any) -> Any:
        return np.add(other, self)

    def __sub__(self, other: Any) -> Any:
        return np.subtract(self, other)

    def __rsub__(self, other: Any) -> Any:
        return np.subtract(other, self)

    def __mul__(self, other: Any) -> Any:
        return np.multiply(self, other)

    def __rmul__(self, other: Any) -> Any:
        return np.multiply(other, self)

    def __truediv__(self, other: Any) -> Any:
        return np.divide(self, other)

    def __rtruediv__(self, other: Any) -> Any:
        return np.divide(other, self)

    def __floordiv__(self, other: Any) -> Any:
        return np.floor_divide(self, other)

    def __rfloordiv__(self, other: Any) -> Any:
        return np.floor_divide(other, self)

    def __mod__(self, other: Any) -> Any:
        return np.remainder(self, other)

    def __rmod__(self, other: Any) -> Any:
        return np.remainder(other, self)

    def __pow__(self, other: Any) -> Any:
        return np.power(self, other)

    def __rpow__(self, other: Any) -> Any:
        return np.power(other, self)

    def __matmul__(self, other: Any) -> Any:
        return self.compute() @ computed(other)

    def __rmatmul__(self, other: Any) -> Any:
        return computed(other) @ self.compute()

    def __neg__(self) -> Any:
        return np.negative(self)

    def __pos__(self) -> Any:
        return self

    def __abs__(self) -> Any:
        return np.absolute(self)

    def __invert__(self) -> Any:
        return np.invert(self)

    def __and__(self, other: Any) -> Any:
        return np.bitwise_and(self, other)

    def __rand__(self, other: Any) -> Any:
        return np.bitwise_and(other, self)

    def __or__(self, other: Any) -> Any:
        return np.bitwise_or(self, other)

    def __ror__(self, other: Any) -> Any:
        return np.bitwise_or(other, self)

    def __lt__(self, other: Any) -> Any:
        return np.less(self, other)

    def __le__(self, other: Any) -> Any:
        return np.less_equal(self, other)

    def __gt__(self, other: Any) -> Any:
        return np.greater(self, other)

    def __ge__(self, other: Any) -> Any:
        return np.greater_equal(self, other)

    def __eq__(self, other: Any) -> Any:
        return np.equal(self, other)

    def __ne__(self, other: Any) -> Any:
        return np.not_equal(self, other)

    __hash__ = object.__hash__


def computed(x: Any) -> Any:
    """`x` as a plain array."""
    return x.compute() if x.__class__ is Lazy else x


def _computed_all(x: Any) -> Any:
    if x.__class__ is Lazy:
        return x.compute()
    if x.__class__ is tuple or x.__class__ is list:
        return x.__class__(map(_computed_all, x))
    return x


def in_use() -> list[Lazy]:
    """Of the last ones made, those that more is likely to be made of: something besides expressions refers to them.

    When much has been waiting for one of them, it has for the others too, and the same.
    """
    from ndgrad.fusion.compute import pending

    last = [x for x in (r() for r in recent) if x is not None and x.known is None]
    order = pending(last)
    uses = Counter(id(a) for x in order for a in x.args if a.__class__ is Lazy)
    return [x for x in last if getrefcount(x) > uses[id(x)] + 4]


def source(value: Any) -> Lazy:
    """A Lazy that has this value. Writes into a large array must be announced by `before_write`."""
    made = Lazy(None, (), None, value.shape, value.dtype)
    made.settle(value)
    return made


def lifted(x: Any) -> Any:
    """An operand as expressions take it: a Lazy, or a plain number as it is."""
    if x.__class__ is Lazy:
        return x
    if isinstance(x, Remote):
        once = x.size > 1 and not any(x.strides)
        return broadcast(source(x[(0,) * x.ndim]), x.shape) if once else source(x)
    if not isinstance(x, np.ndarray):
        return x if isinstance(x, (np.generic, bool, int, float)) else lifted(np.asarray(x))
    if not x.ndim:
        return x[()]
    if x.size > 1 and not any(x.strides):
        return broadcast(source(x.flat[0]), x.shape)
    return source(x.copy() if x.size < SMALL else x)


def before_write(data: np.ndarray[Any, Any]) -> None:
    """Announce a write into `data`: what waits to read its buffer gets a copy of what is there now."""
    if not sources:
        return
    owner = owner_of(data)
    for x in list(sources.values()):
        if owner_of(x.known) is not owner:
            continue
        sources.pop(id(x), None)
        for holder in [h() for h in x.holders or ()]:
            if holder is not None:
                holder.hold(source(x.known))
        x.holders = None
        if getrefcount(x) > 3:  # more than this loop knows it
            x.original = x.known
            x.known = x.known.copy() if isinstance(x.known, Remote) else np.array(x.known)


# Making expressions

_RESOLVED: dict[Any, Any] = {}


def _loop_of(ufunc: np.ufunc, kinds: tuple[Any, ...]) -> tuple[np.dtype[Any], ...]:
    """The dtypes that the ufunc computes in for operands of these: dtypes, or Python's types for weak numbers."""
    key = ufunc, kinds
    found = _RESOLVED.get(key)
    if found is None:
        found = _RESOLVED[key] = ufunc.resolve_dtypes((*kinds, None))
    return found


def _kind_of(x: Any) -> Any:
    if x.__class__ is float or x.__class__ is int:
        return x.__class__
    return BOOL if x.__class__ is bool else x.dtype


def _inner(x: Any) -> Any:
    return x.args[0] if x.__class__ is Lazy and x.op is BROADCAST else x


def _shape_of(x: Any) -> Shape:
    return x.shape if x.__class__ is Lazy else ()


def broadcast(x: Any, shape: Shape) -> Any:
    """x seen in a larger shape."""
    if _shape_of(x) == shape:
        return x
    x = _inner(x)
    if _shape_of(x) == shape:
        return x
    if x.__class__ is not Lazy:
        x = source(np.asarray(x)[()])
    return Lazy(BROADCAST, (x,), None, shape, x.dtype)


def cast(x: Any, dtype: np.dtype[Any]) -> Any:
    if x.dtype == dtype:
        return x
    if x.__class__ is not Lazy or _is_small(x):
        return _again(computed(x).astype(dtype))
    return Lazy(CAST, (x,), None, x.shape, dtype)


def _again(value: Any) -> Any:
    return source(value)


ONE = {np.multiply, np.divide, np.power}


def apply_ufunc(ufunc: np.ufunc, inputs: tuple[Any, ...]) -> Any:
    """ufunc(*inputs), deferred."""
    args = tuple(map(lifted, inputs))
    if ufunc is np.power and args[1].__class__ in (int, float):
        made = _whole_power(args[0], args[1])
        if made is not None:
            return made
    loop = _loop_of(ufunc, tuple(map(_kind_of, args)))
    shape = _joint([_shape_of(x) for x in args])
    if ufunc in ONE:
        a, b = args
        if a.__class__ is Lazy and a.dtype == loop[-1] and _is_one(b):
            return broadcast(a, shape)
        if ufunc is np.multiply and b.__class__ is Lazy and b.dtype == loop[-1] and _is_one(a):
            return broadcast(b, shape)
    return elementwise(ufunc, args, loop, shape)


def elementwise(
    op: Any, args: tuple[Any, ...], loop: tuple[np.dtype[Any], ...], shape: Shape, param: Any = None
) -> Any:
    """The operation over all entries; at a smaller shape and then spread where the operands allow that."""
    args = tuple([_inner(x) for x in args])
    size = _joint([_shape_of(x) for x in args])
    if op.__class__ is np.ufunc and all([x.__class__ is not Lazy or _is_small(x) for x in args]):  # noqa: C419
        with np.errstate(all="ignore"):
            made = source(op(*map(computed, args)))
    else:
        operands = tuple(
            [x if x.__class__ is Lazy else np.asarray(x, dtype=d)[()] for x, d in zip(args, loop, strict=False)]
        )
        made = Lazy(op, operands, None, size, loop[-1])
    return made if size == shape else broadcast(made, shape)


def _joint(shapes: list[Shape]) -> Shape:
    """The shape that operands of these broadcast to; mostly it is that of all but scalars."""
    found: Shape = ()
    for shape in shapes:
        if shape and shape != found:
            if found:
                return np.broadcast_shapes(*shapes)
            found = shape
    return found


def _is_small(x: Lazy) -> bool:
    """Whether x is computed, small, and on the host."""
    return x.known is not None and x.size < SMALL and not isinstance(x.known, Remote)


def _is_one(x: Any) -> bool:
    """Whether x is the number 1, spread or not."""
    x = _inner(x)
    if x.__class__ is not Lazy:
        return bool(x == 1)
    return not x.shape and _is_small(x) and bool(x.known == 1)


def _whole_power(x: Any, n: float) -> Any:
    """x to a small whole power as products, which take a twentieth of the time of NumPy's; None for others."""
    if x.__class__ is not Lazy or x.dtype.kind != "f":
        return None
    if n == 1:
        return x
    if n == 2:
        return np.square(x)
    if n == 3:
        return x * x * x
    if n == 4:
        return np.square(np.square(x))
    return None


def select(condition: Any, a: Any, b: Any) -> Any:
    """np.where."""
    given = [lifted(x) for x in (condition, a, b)]
    test = given[0]
    if _kind_of(test) is not BOOL and _kind_of(test) != BOOL:
        test = apply_ufunc(np.not_equal, (test, 0))
    kinds = [_weak(x) for x in given[1:]]
    dtype = np.result_type(*kinds)
    values = [cast_operand(x, dtype) for x in given[1:]]
    shape = _joint([_shape_of(x) for x in (test, *values)])
    if test.__class__ is not Lazy:
        return broadcast(values[0] if test else values[1], shape)
    if _is_small(_inner(test)) and not _inner(test).shape:
        return broadcast(values[0] if _inner(test).known else values[1], shape)
    return elementwise(WHERE, (test, *values), (BOOL, dtype, dtype, dtype), shape)


def _weak(x: Any) -> Any:
    return x if x.__class__ in (int, float, bool) else x.dtype


def cast_operand(x: Any, dtype: np.dtype[Any]) -> Any:
    if x.__class__ is not Lazy:
        return np.asarray(x, dtype=dtype)[()]
    return x.astype(dtype)


def patched(values: Lazy, where: Any, x: Lazy, exact: Callable[[Any], Any]) -> Any:
    """As the method."""
    if not values.shape == where.shape == x.shape or BROADCAST in (values.op, where.op, x.op):
        return select(where, exact(x), values)
    return Lazy(PATCH, (values, where, x), exact, values.shape, values.dtype)


REDUCTIONS: dict[Any, Callable[[Any], Any]] = {
    np.add: lambda dtype: 0,
    np.maximum: lambda dtype: -np.inf if dtype.kind == "f" else np.iinfo(dtype).min,
    np.minimum: lambda dtype: np.inf if dtype.kind == "f" else np.iinfo(dtype).max,
    np.logical_and: lambda dtype: True,
    np.logical_or: lambda dtype: False,
}


def reduced(ufunc: np.ufunc, x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """ufunc.reduce over `axis`: None for all, an integer or a tuple."""
    ndim = len(x.shape)
    given = range(ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    axes = tuple(sorted({_axis(i, ndim) for i in given}))
    if len(axes) < len(list(given)):
        raise ValueError("duplicate value in 'axis'")
    dtype = x.dtype
    if ufunc is np.add and dtype.kind in "bi":
        dtype = np.dtype(np.int64)
    if ufunc in (np.logical_and, np.logical_or):
        if x.dtype != BOOL:
            x = apply_ufunc(np.not_equal, (x, 0))
        dtype = BOOL
    kept = tuple([1 if i in axes else n for i, n in enumerate(x.shape)])
    left = kept if keepdims else tuple([n for i, n in enumerate(x.shape) if i not in axes])
    if 0 in x.shape or dtype.char not in "fdl?" or x.dtype.kind == "u":
        made = ufunc.reduce(computed(x), axis=axes, keepdims=keepdims)
        return source(made if isinstance(made, Remote) else np.asarray(made)[()])
    inner = _inner(x)
    if not axes:
        return x
    if inner is not x and not inner.shape:  # one number, spread
        if ufunc is np.add:
            inner = inner.astype(dtype) * dtype.type(math.prod([x.shape[i] for i in axes]))
        return broadcast(inner, left)
    made = Lazy(REDUCE, (x,), (ufunc, axes), kept, dtype)
    return made if left == kept else view(made, left)


def _axis(i: Any, ndim: int) -> int:
    if not -ndim <= i < ndim:
        raise np.exceptions.AxisError(i, ndim)
    return int(i) % ndim


def view(x: Lazy, shape: Shape) -> Lazy:
    """The same entries in another shape."""
    if x.known is not None:
        return source(np.reshape(x.known, shape)[()])
    return Lazy(VIEW, (x,), None, shape, x.dtype)


# Functions of NumPy's that have a deferred form


def total(a: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return reduced(np.add, a, axis, keepdims)


def mean(a: Any, axis: Any = None, keepdims: bool = False) -> Any:
    if a.dtype.kind != "f":
        return NotImplemented
    sums = reduced(np.add, a, axis, keepdims)
    count = a.size // max(sums.size, 1)
    return sums / count if count else NotImplemented


def every(a: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return reduced(np.logical_and, a, axis, keepdims)


def reshape(a: Any, shape: Any) -> Any:
    sizes = (shape,) if isinstance(shape, (int, np.integer)) else tuple(shape)
    if a.__class__ is not Lazy:
        return NotImplemented
    if a.op is BROADCAST and not a.args[0].shape and -1 not in sizes and math.prod(sizes) == a.size:
        return broadcast(a.args[0], sizes)
    if a.known is None and a.size < SMALL and -1 not in sizes and math.prod(sizes) == a.size:
        return view(a, sizes)
    return source(np.reshape(a.compute(), sizes))


def clip(a: Any, a_min: Any = None, a_max: Any = None) -> Any:
    if a.dtype.kind == "b":
        return NotImplemented
    made = a
    if a_min is not None:
        made = np.maximum(made, a_min)
    return made if a_max is None else np.minimum(made, a_max)


def _broadcast_to(array: Any, shape: Any) -> Any:
    sizes = (shape,) if isinstance(shape, (int, np.integer)) else tuple(shape)
    if np.broadcast_shapes(array.shape, sizes) != sizes:
        raise ValueError(f"cannot broadcast an array of shape {array.shape} to {sizes}")
    return broadcast(array, sizes)


def _like(value: float) -> Callable[..., Any]:
    return lambda a, dtype=None: broadcast(np.asarray(value, dtype or a.dtype)[()], a.shape)


FUNCTIONS: dict[Any, Callable[..., Any]] = {
    np.where: lambda condition, x, y: select(condition, x, y),
    np.clip: clip,
    np.sum: total,
    np.mean: mean,
    np.max: lambda a, axis=None, keepdims=False: reduced(np.maximum, a, axis, keepdims),
    np.min: lambda a, axis=None, keepdims=False: reduced(np.minimum, a, axis, keepdims),
    np.all: every,
    np.any: lambda a, axis=None, keepdims=False: reduced(np.logical_or, a, axis, keepdims),
    np.round: lambda a, decimals=0: np.rint(a) if decimals == 0 and a.dtype.kind == "f" else NotImplemented,
    np.reshape: reshape,
    np.broadcast_to: _broadcast_to,
    np.shape: lambda a: a.shape,
    np.ndim: lambda a: a.ndim,
    np.size: lambda a: a.size,
    np.result_type: lambda *given: np.result_type(*[x.dtype if x.__class__ is Lazy else x for x in given]),
    np.zeros_like: _like(0.0),
    np.ones_like: _like(1.0),
}
FUNCTIONS[np.amax] = FUNCTIONS[np.max]
FUNCTIONS[np.amin] = FUNCTIONS[np.min]
