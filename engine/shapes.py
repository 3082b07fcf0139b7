"""The shape and dtype of every result, known without computing it.

    infer(op, operands, statics)     what op.call would give, as Abstract, or the error it would raise
    ABSTRACT.matmul(a, b)            the same by name: a namespace `F` over Abstract values

Elementwise operations broadcast, and their dtype is found on scalars; other primitives have a shape
rule; composites are run in ABSTRACT. Where it takes values to know a shape, Undetermined is raised.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ndgrad import problems
from ndgrad.apply import bind, plain_operand, unexplained
from ndgrad.errors import Error
from ndgrad.memory import SHARE, used_memory
from ndgrad.namespace import PLAIN
from ndgrad.ndarray import NDArray, plain
from ndgrad.primitive import Primitive
from ndgrad.tape import STATE

_FOLLOWED = 1 << 24  # indices in one array: NumPy goes through them one by one

Shape = tuple[int, ...]
DType = np.dtype[Any]


class Undetermined(Exception):
    """The shape depends on values, which are not there yet."""


class Abstract:
    """An array of which only shape and dtype are known. Operators and indexing are the operations."""

    __slots__ = ("dtype", "shape")

    __array_ufunc__ = None  # so that NumPy leaves mixed operators to this class

    def __init__(self, shape: Shape, dtype: Any) -> None:
        self.shape = shape
        self.dtype: DType = np.dtype(dtype)

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        return self.size * self.dtype.itemsize

    @property
    def T(self) -> Abstract:
        return _one("transpose", self)

    def __repr__(self) -> str:
        return f"<{self.dtype} of shape {problems.shown(self.shape)}>"

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("a scalar has no length")
        return self.shape[0]

    def __getitem__(self, key: Any) -> Abstract:
        return _one("index", self, key)

    def __add__(self, other: Any) -> Abstract:
        return _one("add", self, other)

    def __radd__(self, other: Any) -> Abstract:
        return _one("add", other, self)

    def __sub__(self, other: Any) -> Abstract:
        return _one("subtract", self, other)

    def __rsub__(self, other: Any) -> Abstract:
        return _one("subtract", other, self)

    def __mul__(self, other: Any) -> Abstract:
        return _one("multiply", self, other)

    def __rmul__(self, other: Any) -> Abstract:
        return _one("multiply", other, self)

    def __truediv__(self, other: Any) -> Abstract:
        return _one("divide", self, other)

    def __rtruediv__(self, other: Any) -> Abstract:
        return _one("divide", other, self)

    def __floordiv__(self, other: Any) -> Abstract:
        return _one("floor_divide", self, other)

    def __rfloordiv__(self, other: Any) -> Abstract:
        return _one("floor_divide", other, self)

    def __mod__(self, other: Any) -> Abstract:
        return _one("mod", self, other)

    def __rmod__(self, other: Any) -> Abstract:
        return _one("mod", other, self)

    def __pow__(self, other: Any) -> Abstract:
        return _one("power", self, other)

    def __rpow__(self, other: Any) -> Abstract:
        return _one("power", other, self)

    def __matmul__(self, other: Any) -> Abstract:
        return _one("matmul", self, other)

    def __rmatmul__(self, other: Any) -> Abstract:
        return _one("matmul", other, self)

    def __neg__(self) -> Abstract:
        return _one("negative", self)

    def __pos__(self) -> Abstract:
        return _one("positive", self)

    def __abs__(self) -> Abstract:
        return _one("abs", self)

    def __lt__(self, other: Any) -> Abstract:
        return _one("less", self, other)

    def __le__(self, other: Any) -> Abstract:
        return _one("less_equal", self, other)

    def __gt__(self, other: Any) -> Abstract:
        return _one("greater", self, other)

    def __ge__(self, other: Any) -> Abstract:
        return _one("greater_equal", self, other)

    def _no_value(self, *_: Any, **__: Any) -> Any:
        raise Undetermined("it depends on the values of an operand")

    __array__ = __bool__ = __int__ = __float__ = __index__ = _no_value


class AbstractNamespace:
    """F over Abstract values: every registered operation by name."""

    def __getattr__(self, name: str) -> Any:
        from ndgrad.ops import lookup

        op = lookup(name)
        if op is None:
            raise AttributeError(f"a rule uses F.{name}, which is no operation")
        found = op

        def call(*args: Any, **named: Any) -> Any:
            if found.gathers:
                return infer(found, (), (args[0], args[1:]))
            return infer(found, *bind(found, args, named))

        setattr(self, name, call)
        return call


ABSTRACT: Any = AbstractNamespace()


def _one(name: str, *args: Any) -> Abstract:
    made: Abstract = getattr(ABSTRACT, name)(*args)
    return made


def infer(op: Primitive, operands: tuple[Any, ...], statics: tuple[Any, ...] = ()) -> Any:
    """The shape and dtype of op(operands, statics): an Abstract, or a tuple of them for several outputs.

    operands: Abstract or plain arrays and numbers (for a variadic operation a sequence of them).
    Raises the error that the call would raise for these shapes and dtypes (E502 for an array that would
    take the process beyond STATE.max_bytes), or Undetermined where the shape depends on values.
    """
    if op.gathers:
        subscripts, *rest = statics
        statics = (subscripts, tuple(_operand(op, x) for group in rest for x in group if x is not None))
    elif op.variadic:
        operands = tuple(_operand(op, x) for x in _entries(op, operands[0]))
    else:
        operands = tuple(_operand(op, x) for x in operands)
    if op.unknown and not (op.concrete and not any(isinstance(x, Abstract) for x in operands)):
        raise Undetermined(op.unknown)
    if op.statics[:1] == ("key",) or op.statics[1:] == ("key",):
        statics = (*statics[:-1], _key(statics[-1]))
    if op.composite:
        return _composite(op, operands, statics)
    if op.unknown:
        return _as_abstract(op.value(PLAIN, *map(plain, operands), *statics))
    made = _elementwise(op, operands, statics) if op.elementwise else _by_rule(op, operands, statics)
    if STATE.max_bytes is not None:
        for part in made if isinstance(made, tuple) else (made,):
            _allow(part, op.view, STATE.max_bytes)
    return made


def _allow(y: Abstract, view: bool, limit: int) -> None:
    """Refuse an array that would take the process beyond the limit, or a view that no one could run through. E502."""
    if y.nbytes > limit / SHARE and y.nbytes > (limit * SHARE if view else limit - used_memory()):
        raise problems.too_large(y.shape, y.nbytes, limit)


def _entries(op: Primitive, items: Any) -> tuple[Any, ...]:
    if isinstance(items, (Abstract, NDArray, np.ndarray)):
        if not items.shape:
            raise problems.not_an_array(op.name, items)
        return (Abstract(items.shape[1:], items.dtype),) * items.shape[0]
    if not isinstance(items, (list, tuple)):
        raise problems.not_an_array(op.name, items)
    return tuple(items)


def _operand(op: Primitive, x: Any) -> Any:
    """Lists as arrays; everything else as it is."""
    if isinstance(x, (Abstract, NDArray)) or x is None:
        return x
    if isinstance(x, (list, tuple)) and any(isinstance(e, (Abstract, NDArray, list, tuple)) for e in x):
        entries = [_operand(op, e) for e in x]
        if any(isinstance(e, (Abstract, NDArray)) for e in entries):
            return ABSTRACT.stack(entries)
    return plain_operand(op, x)


def _key(key: Any) -> Any:
    """An index in which arrays of integers that are not there yet are zeros of their shape."""
    if isinstance(key, tuple):
        return tuple(map(_key, key))
    if isinstance(key, list):
        return [_key(k) for k in key]
    if not isinstance(key, Abstract):
        return key
    if key.dtype.kind == "b":
        raise Undetermined("a mask takes as many entries as are true in it")
    if key.size > _FOLLOWED:
        raise Undetermined("so many indices are not followed")
    return np.broadcast_to(np.int64(0), key.shape) if key.shape else 0


def shape_of(x: Any) -> Shape:
    """The shape of an operand; a plain number has none."""
    return x.shape if hasattr(x, "shape") else np.shape(x)


def _dtype_of(x: Any) -> DType:
    return x.dtype if hasattr(x, "dtype") else np.asarray(x).dtype


def _as_abstract(x: Any) -> Abstract:
    return x if isinstance(x, Abstract) else Abstract(shape_of(x), _dtype_of(x))


def _elementwise(op: Primitive, operands: tuple[Any, ...], statics: tuple[Any, ...]) -> Abstract:
    """Broadcast shapes; the dtype of the same operation on scalars, where Python numbers stay weak."""
    shapes = tuple(shape_of(x) for x in operands)
    try:
        shape = np.broadcast_shapes(*shapes)
    except ValueError:
        raise problems.shapes_do_not_broadcast(op.name, shapes) from None
    scalars = tuple(np.ones((), x.dtype) if hasattr(x, "dtype") else x for x in operands)
    for i, x in enumerate(statics):
        if isinstance(x, Abstract):  # a parameter that is computed: a number, or an array that broadcasts
            try:
                shape = np.broadcast_shapes(shape, x.shape)
            except ValueError:
                raise problems.shapes_do_not_broadcast(op.name, (*shapes, x.shape)) from None
            one = np.ones((), x.dtype)
            statics = (*statics[:i], one if x.shape else one.item(), *statics[i + 1 :])
    try:
        with np.errstate(all="ignore"):
            y = np.asarray(op.value(PLAIN, *scalars, *statics))
    except (Error, Undetermined, MemoryError):
        raise
    except Exception as error:
        raise unexplained(op, error, operands) from None
    if y.shape:  # a parameter is an array
        try:
            shape = np.broadcast_shapes(shape, y.shape)
        except ValueError:
            raise problems.shapes_do_not_broadcast(op.name, (*shapes, y.shape)) from None
    return Abstract(shape, y.dtype)


def _by_rule(op: Primitive, operands: tuple[Any, ...], statics: tuple[Any, ...]) -> Any:
    if op.shape is None:
        raise Undetermined("the operation has no shape rule")
    shapes = tuple(shape_of(x) for x in operands)
    dtypes = tuple(_dtype_of(x) for x in operands)
    try:
        shape = op.shape(*((shapes,) if op.variadic else shapes), *statics)
    except (Error, Undetermined, MemoryError):
        raise
    except ValueError:
        raise problems.shapes_do_not_broadcast(op.name, shapes) from None
    except Exception as error:
        raise unexplained(op, error, operands) from None
    try:
        dtype: Any = (
            np.result_type(*dtypes) if op.dtype is None else op.dtype(*((dtypes,) if op.variadic else dtypes), *statics)
        )
    except (TypeError, ValueError) as error:
        raise unexplained(op, error, operands) from None
    if op.outputs == 1:
        return Abstract(shape, dtype)
    each = dtype if isinstance(dtype, tuple) else (dtype,) * len(shape)
    return tuple(Abstract(s, d) for s, d in zip(shape, each, strict=True))


def _composite(op: Primitive, operands: tuple[Any, ...], statics: tuple[Any, ...]) -> Any:
    """What comes out when the operation is run over shapes; by its rule where it asks for values."""
    made = tuple(_for_composite(op, x) for x in operands)
    try:
        y = op.value(ABSTRACT, *((made,) if op.variadic else made), *statics)
    except Undetermined:
        if op.shape is None:
            raise
        return _by_rule(op, operands, statics)
    except (Error, MemoryError):
        raise
    except Exception as error:
        raise unexplained(op, error, operands) from None
    return tuple(map(_as_abstract, y)) if isinstance(y, (tuple, list)) else _as_abstract(y)


def _for_composite(op: Primitive, x: Any) -> Any:
    """An operand as the composite sees it: an array. Values are left to those that ask for them, and scalars."""
    if x is None or isinstance(x, Abstract):
        return x
    if not hasattr(x, "dtype"):
        return np.asarray(x, dtype=None if isinstance(x, bool) else STATE.float_dtype)[()]
    if isinstance(x, NDArray):
        x = x.data if not x.traced and (op.concrete or not x.shape) else Abstract(x.shape, x.dtype)
    return x if op.concrete or isinstance(x, Abstract) or not x.shape else Abstract(x.shape, x.dtype)


def within_memory(op: Primitive, operands: tuple[Any, ...], statics: tuple[Any, ...]) -> None:
    """Refuse an array that would take the process beyond STATE.max_bytes (E502). Other errors are left to the call."""
    from ndgrad.errors import LimitError

    try:
        infer(op, operands, statics)
    except LimitError:
        raise
    except (Error, Undetermined):
        return
