"""Random arrays outside programs: MXNet's `mx.random` and `nd.random`."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ndgrad.context import placed
from ndgrad.ndarray import NDArray
from ndgrad.ops.random import generator
from ndgrad.ops.random import seed as _seed
from ndgrad.ops.shape import as_shape
from ndgrad.tape import STATE

Shape = int | tuple[int, ...]


def seed(seed_state: int, ctx: Any = None) -> None:
    """Start this thread's random numbers anew; the same number gives the same arrays."""
    _seed(seed_state)


def _made(values: Any, dtype: npt.DTypeLike | None, ctx: Any) -> NDArray:
    """Drawn on the host, so that a seed gives the same numbers on every device."""
    return placed(NDArray(np.asarray(values).astype(dtype or STATE.float_dtype)), ctx)


def uniform(low: float = 0.0, high: float = 1.0, shape: Shape = (1,), dtype: Any = None, ctx: Any = None) -> NDArray:
    """Numbers evenly spread over [low, high)."""
    return _made(generator().uniform(low, high, as_shape(shape)), dtype, ctx)


def normal(loc: float = 0.0, scale: float = 1.0, shape: Shape = (1,), dtype: Any = None, ctx: Any = None) -> NDArray:
    """Normally distributed numbers."""
    return _made(generator().normal(loc, scale, as_shape(shape)), dtype, ctx)


def randn(*shape: int, loc: float = 0.0, scale: float = 1.0, dtype: Any = None, ctx: Any = None) -> NDArray:
    """Normally distributed numbers; the sizes are given one by one."""
    return normal(loc, scale, shape or (1,), dtype, ctx)


def randint(low: int, high: int, shape: Shape = (1,), dtype: Any = "int64", ctx: Any = None) -> NDArray:
    """Integers in [low, high)."""
    return _made(generator().integers(low, high, as_shape(shape)), dtype, ctx)


def exponential(scale: float = 1.0, shape: Shape = (1,), dtype: Any = None, ctx: Any = None) -> NDArray:
    """Exponentially distributed numbers of mean `scale`."""
    return _made(generator().exponential(scale, as_shape(shape)), dtype, ctx)


def gamma(alpha: float = 1.0, beta: float = 1.0, shape: Shape = (1,), dtype: Any = None, ctx: Any = None) -> NDArray:
    """Gamma-distributed numbers of shape alpha and scale beta."""
    return _made(generator().gamma(alpha, beta, as_shape(shape)), dtype, ctx)


def poisson(lam: float = 1.0, shape: Shape = (1,), dtype: Any = None, ctx: Any = None) -> NDArray:
    """Poisson-distributed counts of mean lam, as floats."""
    return _made(generator().poisson(lam, as_shape(shape)), dtype, ctx)


def bernoulli(prob: float = 0.5, shape: Shape = (1,), dtype: Any = None, ctx: Any = None) -> NDArray:
    """1 with probability prob, else 0."""
    return _made(generator().random(as_shape(shape)) < prob, dtype, ctx)


def multinomial(data: NDArray, shape: Shape = (), get_prob: bool = False, dtype: Any = "int32") -> Any:
    """Class numbers drawn with the probabilities in the last axis of data, `shape` of them for each row.

    get_prob: also their log-probabilities, through which a gradient passes.
    """
    draws = generator().random((*data.shape[:-1], *as_shape(shape)))
    ends = np.cumsum(np.asarray(data.data, dtype=np.float64), axis=-1)
    ends = ends.reshape((*data.shape[:-1], *(1,) * len(as_shape(shape)), data.shape[-1]))
    picked = np.minimum((draws[..., None] >= ends).sum(-1), data.shape[-1] - 1)
    made = NDArray(np.asarray(picked).astype(dtype))
    if not get_prob:
        return made
    rows = np.indices(picked.shape)[: data.ndim - 1]
    return [made, data[(*rows, picked)].log()]


def shuffle(data: NDArray) -> NDArray:
    """A copy with the entries of the first axis in random order."""
    return data[generator().permutation(data.shape[0])]
