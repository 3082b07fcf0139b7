"""The `nd` namespace: array creation, and every operation as a function of NDArrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ndgrad.ndarray import NDArray, array
from ndgrad.ops import find, names
from ndgrad.ops.shape import as_shape
from ndgrad.tape import STATE

__all__ = ["NDArray", "arange", "array", "eye", "full", "ones", "zeros"]


def zeros(shape: int | tuple[int, ...], dtype: npt.DTypeLike | None = None) -> NDArray:
    """Zeros of `shape`; the default float unless `dtype` says otherwise."""
    return NDArray(np.zeros(as_shape(shape), dtype or STATE.float_dtype))


def ones(shape: int | tuple[int, ...], dtype: npt.DTypeLike | None = None) -> NDArray:
    """Ones of `shape`; the default float unless `dtype` says otherwise."""
    return NDArray(np.ones(as_shape(shape), dtype or STATE.float_dtype))


def full(shape: int | tuple[int, ...], value: float, dtype: npt.DTypeLike | None = None) -> NDArray:
    """`value` in every entry of `shape`."""
    return NDArray(np.full(as_shape(shape), value, dtype or STATE.float_dtype))


def eye(n: int, m: int | None = None, k: int = 0, dtype: npt.DTypeLike | None = None) -> NDArray:
    """An n×m matrix with ones on the k-th diagonal."""
    return NDArray(np.eye(n, m, k, dtype or STATE.float_dtype))


def arange(start: float, stop: float | None = None, step: float = 1.0, dtype: npt.DTypeLike | None = None) -> NDArray:
    """The numbers from start (0 if only one is given) up to, not including, stop."""
    low, high = (0.0, start) if stop is None else (start, stop)
    kind = np.dtype(dtype) if dtype is not None else STATE.float_dtype
    return NDArray(np.arange(low, high, step).astype(kind))


def __getattr__(name: str) -> Any:
    op = find(name)
    if op is None:
        raise AttributeError(f"module 'ndgrad.nd' has no attribute {name!r}")
    return op.call


def __dir__() -> list[str]:
    return sorted({*__all__, *names()})
