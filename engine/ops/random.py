"""Random arrays, keyed by `seed`. Location and scale differentiate; the draws themselves are constants."""

from __future__ import annotations

import threading

import numpy as np

from ndgrad.ops.shape import as_shape
from ndgrad.primitive import NoDerivative, composite, primitive
from ndgrad.tape import STATE


class _Generators(threading.local):
    current: np.random.Generator | None = None


_generators = _Generators()


def seed(number: int | None = None) -> None:
    """Start this thread's random numbers anew; the same number gives the same arrays."""
    _generators.current = np.random.default_rng(number)


def generator() -> np.random.Generator:
    """This thread's random numbers."""
    if _generators.current is None:
        seed()
    assert _generators.current is not None
    return _generators.current


random_normal = composite(
    "random_normal",
    value=lambda F, loc=0.0, scale=1.0, shape=(): (
        loc + scale * generator().standard_normal(as_shape(shape)).astype(STATE.float_dtype)
    ),
    operands=2,
    example="random_normal(3.0, 0.0, 2) -> [3, 3]",
)
random_uniform = composite(
    "random_uniform",
    value=lambda F, low=0.0, high=1.0, shape=(): (
        low + (high - low) * generator().random(as_shape(shape)).astype(STATE.float_dtype)
    ),
    operands=2,
    example="random_uniform(3.0, 3.0, 2) -> [3, 3]",
)
random_bernoulli = primitive(
    "random_bernoulli",
    value=lambda F, p=0.5, shape=(): (generator().random(as_shape(shape) or np.shape(p)) < p).astype(STATE.float_dtype),
    vjps=[NoDerivative("a draw of 0 or 1 does not change continuously")],
    example="random_bernoulli(1.0, 2) -> [1, 1]",
)
permutation = composite(
    "permutation",
    value=lambda F, x: (
        generator().permutation(int(x)) if not np.shape(x) else F.index(x, generator().permutation(x.shape[0]))
    ),
    example="permutation([7, 7]) -> [7, 7]",
)
