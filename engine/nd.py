"""The `nd` namespace: array creation, and every operation as a function of NDArrays.

Where MXNet's name or meaning differs from NumPy's, MXNet's holds here (`ndgrad.aliases`). Every
function takes `out=`, an array that receives the result and keeps its identity.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from ndgrad import problems
from ndgrad.aliases import alias_names, aliased, behind, renamed
from ndgrad.context import Context, placed
from ndgrad.files import load, save
from ndgrad.ndarray import SUPPORTED, NDArray, dtype_of
from ndgrad.ndarray import array as _array
from ndgrad.ops import find, names
from ndgrad.ops.shape import as_shape
from ndgrad.primitive import Primitive
from ndgrad.tape import STATE
from ndgrad.told import Signature, told

__all__ = [
    "NDArray",
    "arange",
    "array",
    "empty",
    "eye",
    "from_numpy",
    "full",
    "linalg",
    "linspace",
    "load",
    "ones",
    "random",
    "save",
    "waitall",
    "zeros",
]

Shape = int | tuple[int, ...]


def array(source_array: Any, ctx: Context | None = None, dtype: npt.DTypeLike | None = None) -> NDArray:
    """A new array with a copy of the values: float32 for Python numbers and lists, else the source's dtype."""
    return placed(_array(source_array, dtype), ctx)


def _new(name: str, ctx: Context | None, make: Callable[[], npt.NDArray[Any]]) -> NDArray:
    """The array that `make` gives, in its place. E307 in NumPy's words where it gives none, E502 for want of memory."""
    try:
        made = make()
    except MemoryError as error:
        shape, dtype = getattr(error, "shape", ()), getattr(error, "dtype", np.dtype("float64"))
        raise problems.too_large(shape, math.prod(shape) * dtype.itemsize) from None
    except (ValueError, TypeError, OverflowError) as error:
        raise problems.bad_argument(name, _first_line(error)) from None
    return placed(NDArray(made), ctx)


def _first_line(error: Exception) -> str:
    text = str(error).partition("\n")[0] or type(error).__name__
    return text[:1].lower() + text[1:]


def zeros(shape: Shape, ctx: Context | None = None, dtype: npt.DTypeLike | None = None) -> NDArray:
    """Zeros of `shape`; the default float unless `dtype` says otherwise."""
    return _new("zeros", ctx, lambda: np.zeros(as_shape(shape, "zeros"), dtype_of(dtype)))


def ones(shape: Shape, ctx: Context | None = None, dtype: npt.DTypeLike | None = None) -> NDArray:
    """Ones of `shape`; the default float unless `dtype` says otherwise."""
    return _new("ones", ctx, lambda: np.ones(as_shape(shape, "ones"), dtype_of(dtype)))


def empty(shape: Shape, ctx: Context | None = None, dtype: npt.DTypeLike | None = None) -> NDArray:
    """An array of `shape` whose values do not matter (they are zeros)."""
    return zeros(shape, ctx, dtype)


def full(shape: Shape, val: float, ctx: Context | None = None, dtype: npt.DTypeLike | None = None) -> NDArray:
    """`val` in every entry of `shape`."""
    return _new("full", ctx, lambda: np.full(as_shape(shape, "full"), val, dtype_of(dtype)))


def eye(N: int, M: int = 0, k: int = 0, ctx: Context | None = None, dtype: npt.DTypeLike | None = None) -> NDArray:
    """An N×M matrix (N×N for M = 0) with ones on the k-th diagonal."""
    return _new("eye", ctx, lambda: np.eye(N, M or None, k, dtype_of(dtype)))


def arange(
    start: float,
    stop: float | None = None,
    step: float = 1.0,
    repeat: int = 1,
    ctx: Context | None = None,
    dtype: npt.DTypeLike | None = None,
) -> NDArray:
    """The numbers from start (0 if only one is given) up to, not including, stop; each `repeat` times."""
    low, high = (0.0, start) if stop is None else (start, stop)
    if not step:
        raise problems.bad_argument("arange", "the step is not 0")
    return _new("arange", ctx, lambda: np.repeat(np.arange(low, high, step), repeat).astype(dtype_of(dtype)))


def linspace(
    start: float, stop: float, num: int, endpoint: bool = True, ctx: Context | None = None, dtype: Any = None
) -> NDArray:
    """`num` numbers from start to stop, evenly spaced."""
    return _new("linspace", ctx, lambda: np.linspace(start, stop, num, endpoint, dtype=dtype_of(dtype)))


def from_numpy(ndarray: npt.NDArray[Any], zero_copy: bool = True) -> NDArray:
    """An array with the buffer of a NumPy array (a copy of it unless zero_copy).

    Writes through one are seen through the other. Those into `ndarray` itself are not noticed, so that a
    derivative recorded before such a write may be wrong: write into the array made here, or pass zero_copy=False.
    """
    if not isinstance(ndarray, np.ndarray):
        raise problems.not_an_array("from_numpy", ndarray)
    return NDArray(ndarray) if zero_copy and ndarray.dtype in SUPPORTED else _array(ndarray)


def waitall() -> None:
    """Return when everything that was asked of a device is done. On the CPU it is."""
    if STATE.remote is not None:
        STATE.remote.waitall()


class _Linalg:
    """nd.linalg.NAME: the operations on matrices."""

    def __getattr__(self, name: str) -> Any:
        found = aliased(f"linalg_{name}")
        op = find(name)
        if found is None and op is None:
            raise AttributeError(f"nd.linalg has no function {name!r}")
        if found is not None:
            return with_out(f"linalg_{name}", found)
        return with_out(name, op.call)  # type: ignore[union-attr]


class _Random:
    """nd.random.NAME: arrays of random numbers."""

    def __getattr__(self, name: str) -> Any:
        from ndgrad import random

        return getattr(random, name)


linalg = _Linalg()
random = _Random()


def _into(out: NDArray, made: Any) -> NDArray:
    if not isinstance(out, NDArray):
        raise problems.bad_argument("out", f"an NDArray takes a result, not {type(out).__name__}")
    out[...] = made
    return out


def with_out(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
    """`call`, also taking `out=`: the result is written there, and `out` is what is returned."""

    op = behind(name)
    if op is not None and call is not op.call:
        op = None
    if op is not None and op.straight and op.arity == 1:

        def single(x: Any = None, out: NDArray | None = None, data: Any = None, **odd: Any) -> Any:
            if odd:
                raise problems.wrong_call(name, f"has no free parameter `{next(iter(odd))}`")
            y = call(data if x is None else x)
            return y if out is None else _into(out, y)

        return _described(single, name, op, call)

    if "out" in getattr(getattr(call, "__code__", None), "co_varnames", ()):
        return call  # an update, which knows what to do with it

    def function(*args: Any, out: NDArray | None = None, **named: Any) -> Any:
        try:
            if out is None and not named:
                return call(*args)
            made = call(*args, **(renamed(op, named) if op is not None else named))
        except TypeError as error:
            if "argument" in str(error):
                raise problems.wrong_call(name, str(error).split("() ")[-1]) from None
            raise problems.bad_argument(name, _first_line(error)) from error
        except (ValueError, IndexError, OverflowError, ZeroDivisionError, AttributeError) as error:
            shapes = tuple(x.shape for x in (*args, *named.values()) if isinstance(x, NDArray))
            raise problems.does_not_fit(name, _first_line(error), shapes) from error
        return made if out is None else _into(out, made)

    return _described(function, name, op, call)


def _described(function: Any, name: str, op: Primitive | None, call: Callable[..., Any]) -> Callable[..., Any]:
    """`function` with what help() and inspect.signature() say of it."""
    function.__name__ = function.__qualname__ = name
    function.__doc__ = told(name, op, call)
    function.__wrapped__ = Signature(op, call)
    return function  # type: ignore[no-any-return]


def __getattr__(name: str) -> Any:
    if name == "contrib":
        from importlib import import_module

        return import_module("ndgrad.contrib")
    found = aliased(name)
    if found is None:
        op = find(name)
        found = None if op is None else op.call
    if found is None:
        raise AttributeError(f"module 'ndgrad.nd' has no attribute {name!r}")
    function = with_out(name, found)
    globals()[name] = function
    return function


def __dir__() -> list[str]:
    return sorted({*__all__, *names(), *alias_names()})
