"""Random arrays, keyed by `seed`. Location and scale differentiate; the draws themselves are constants."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

from ndgrad.dtypes import default, double, whole
from ndgrad.ops.shape import as_shape
from ndgrad.primitive import NoDerivative, composite, primitive
from ndgrad.tape import STATE


class _Generators(threading.local):
    current: np.random.Generator | None = None
    begun: Any = None


_generators = _Generators()


def seed(number: int | None = None) -> None:
    """Start this thread's random numbers anew; the same number gives the same arrays."""
    made = _generators.current = np.random.default_rng(number)
    _generators.begun = made.bit_generator.state


def generator() -> np.random.Generator:
    """This thread's random numbers."""
    if _generators.current is None:
        seed()
    assert _generators.current is not None
    return _generators.current


def place() -> Any:
    """The place in this thread's random numbers; None before the first of them."""
    return None if _generators.current is None else _generators.current.bit_generator.state


def beginning() -> Any:
    """The place that they began from."""
    return _generators.begun


# The draws themselves: constants, of a shape that is known before they are made.
primitive(
    "normal_draws",
    value=lambda F, shape: generator().standard_normal(as_shape(shape)),
    vjps=[],
    shape=lambda shape: as_shape(shape),
    dtype=double,
    internal=True,
)
primitive(
    "uniform_draws",
    value=lambda F, shape: generator().random(as_shape(shape)),
    vjps=[],
    shape=lambda shape: as_shape(shape),
    dtype=double,
    internal=True,
)
primitive(
    "shuffled",
    value=lambda F, n: generator().permutation(n),
    vjps=[],
    shape=lambda n: as_shape(n),
    dtype=whole,
    internal=True,
)

random_normal = composite(
    "random_normal",
    value=lambda F, loc=0.0, scale=1.0, shape=(): loc + scale * F.float(F.normal_draws(shape)),
    operands=2,
    example="random_normal(3.0, 0.0, 2) -> [3, 3]",
)
random_uniform = composite(
    "random_uniform",
    value=lambda F, low=0.0, high=1.0, shape=(): low + (high - low) * F.float(F.uniform_draws(shape)),
    operands=2,
    example="random_uniform(3.0, 3.0, 2) -> [3, 3]",
)


def _bernoulli(p: Any, shape: tuple[int, ...]) -> Any:
    np.broadcast_shapes(shape or np.shape(p), np.shape(p))  # refused before it takes time
    return (generator().random(shape or np.shape(p)) < p).astype(STATE.float_dtype)


random_bernoulli = primitive(
    "random_bernoulli",
    value=lambda F, p=0.5, shape=(): _bernoulli(p, as_shape(shape)),
    vjps=[NoDerivative("a draw of 0 or 1 does not change continuously")],
    shape=lambda p, shape: np.broadcast_shapes(as_shape(shape) or p, p),
    dtype=default,
    example="random_bernoulli(1.0, 2) -> [1, 1]",
)
permutation = composite(
    "permutation",
    value=lambda F, x: F.shuffled(int(x)) if not np.shape(x) else F.index(x, F.shuffled(x.shape[0])),
    example="permutation([7, 7]) -> [7, 7]",
)
