"""Random arrays outside programs: MXNet's `mx.random` and `nd.random`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from ndgrad import problems
from ndgrad.context import placed
from ndgrad.ndarray import NDArray, dtype_of
from ndgrad.ops.random import generator
from ndgrad.ops.random import seed as _seed
from ndgrad.ops.shape import as_shape

Shape = int | tuple[int, ...]


def seed(seed_state: int, ctx: Any = None) -> None:
    """Start this thread's random numbers anew; the same number gives the same arrays."""
    _seed(seed_state)


def _drawn(name: str, dtype: npt.DTypeLike | None, ctx: Any, draw: Callable[[], Any]) -> NDArray:
    """Drawn on the host, so that a seed gives the same numbers on every device. E307 for what no numbers have."""
    kind = dtype_of(dtype)
    try:
        values = draw()
    except (ValueError, TypeError, OverflowError) as error:
        raise problems.bad_argument(f"random.{name}", str(error).partition("\n")[0]) from None
    return placed(NDArray(np.asarray(values).astype(kind)), ctx)


def uniform(low: float = 0.0, high: float = 1.0, shape: Shape = (1,), dtype: Any = None, ctx: Any = None) -> NDArray:
    """Numbers evenly spread over [low, high)."""
    return _drawn("uniform", dtype, ctx, lambda: generator().uniform(low, high, as_shape(shape)))


def normal(loc: float = 0.0, scale: float = 1.0, shape: Shape = (1,), dtype: Any = None, ctx: Any = None) -> NDArray:
    """Normally distributed numbers."""
    return _drawn("normal", dtype, ctx, lambda: generator().normal(loc, scale, as_shape(shape)))


def randn(*shape: int, loc: float = 0.0, scale: float = 1.0, dtype: Any = None, ctx: Any = None) -> NDArray:
    """Normally distributed numbers; the sizes are given one by one."""
    return normal(loc, scale, shape or (1,), dtype, ctx)


def randint(low: int, high: int, shape: Shape = (1,), dtype: Any = "int64", ctx: Any = None) -> NDArray:
    """Integers in [low, high)."""
    return _drawn("randint", dtype, ctx, lambda: generator().integers(low, high, as_shape(shape)))


def exponential(scale: float = 1.0, shape: Shape = (1,), dtype: Any = None, ctx: Any = None) -> NDArray:
    """Exponentially distributed numbers of mean `scale`."""
    return _drawn("exponential", dtype, ctx, lambda: generator().exponential(scale, as_shape(shape)))


def gamma(alpha: float = 1.0, beta: float = 1.0, shape: Shape = (1,), dtype: Any = None, ctx: Any = None) -> NDArray:
    """Gamma-distributed numbers of shape alpha and scale beta."""
    return _drawn("gamma", dtype, ctx, lambda: generator().gamma(alpha, beta, as_shape(shape)))


def poisson(lam: float = 1.0, shape: Shape = (1,), dtype: Any = None, ctx: Any = None) -> NDArray:
    """Poisson-distributed counts of mean lam, as floats."""
    return _drawn("poisson", dtype, ctx, lambda: generator().poisson(lam, as_shape(shape)))


def bernoulli(prob: float = 0.5, shape: Shape = (1,), dtype: Any = None, ctx: Any = None) -> NDArray:
    """1 with probability prob, else 0."""
    return _drawn("bernoulli", dtype, ctx, lambda: generator().random(as_shape(shape)) < prob)


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
    if not data.shape:
        raise problems.does_not_fit("random.shuffle", "a number has no entries to shuffle", (data.shape,))
    return data[generator().permutation(data.shape[0])]
