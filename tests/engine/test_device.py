"""Arrays on a device: every operation, with its derivative, on a double of a GPU that refuses unasked copies.

The double has CuPy's functions with CuPy's parameters (data/cupy.txt: what CuPy 14 offers), so what it cannot do,
a GPU cannot either. What is then done on the host is listed here: nothing else may be.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ndgrad as mx
from ndgrad import autograd, nd
from ndgrad.device import COUNTS, running
from ndgrad.device.double import Double
from ndgrad.ndarray import NDArray
from ndgrad.tape import STATE

HERE = Path(__file__).parent
CUPY = {name: tuple(rest) for name, *rest in map(str.split, (HERE / "data" / "cupy.txt").read_text().splitlines())}
GPU = mx.gpu(0)
rng = np.random.default_rng(5)


@pytest.fixture(autouse=True)
def double(monkeypatch: pytest.MonkeyPatch) -> Iterator[Double]:
    """A GPU's double in the place of gpu(0), for one test."""
    made = Double(0, CUPY)
    monkeypatch.setitem(running.DEVICES, GPU, made)
    monkeypatch.setattr(type(STATE), "remote", type(STATE).remote, raising=False)
    monkeypatch.setattr(type(STATE), "fusion", type(STATE).fusion, raising=False)
    COUNTS.__init__()  # type: ignore[misc]
    with autograd.default_dtype("float64"):
        yield made


def there(x: Any) -> NDArray:
    return nd.array(np.asarray(x), ctx=GPU)


def test_value_and_gradient_of_a_chain_are_one_kernel_on_the_device() -> None:
    x = there(rng.standard_normal((50, 40)))
    x.attach_grad()
    with autograd.record():
        y = nd.sum(nd.exp(-x * x) * nd.tanh(x) + nd.log(1 + x * x))
    y.backward()
    assert x.context == y.context == x.grad.context == GPU
    assert COUNTS.kernels == 1
    assert not COUNTS.hosted
