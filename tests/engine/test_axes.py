"""Every form of axis, for every reduction, gives what NumPy gives, and a gradient of the operand's shape."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ndgrad import autograd, nd

REDUCTIONS = ["sum", "mean", "max", "min", "prod", "var", "std", "logsumexp", "norm", "median"]


@pytest.mark.parametrize("name", REDUCTIONS)
@pytest.mark.parametrize("axis", [None, 0, 1, -1, (0, 2), (-1, 0), (0, 1, 2)])
@pytest.mark.parametrize("keepdims", [False, True])
def test_every_form_of_axis(name: str, axis: Any, keepdims: bool) -> None:
    if name == "norm" and isinstance(axis, tuple) and len(axis) == 3:
        return  # NumPy's norm takes one or two axes
    x = np.random.default_rng(2).standard_normal((2, 3, 4))
    numpy_function = {"norm": np.linalg.norm, "logsumexp": lambda x, **k: np.log(np.sum(np.exp(x), **k))}.get(name)
    want = (numpy_function or getattr(np, name))(x, axis=axis, keepdims=keepdims)
    leaf = nd.array(x)
    leaf.attach_grad()
    with autograd.record():
        y = getattr(nd, name)(leaf, axis=axis, keepdims=keepdims)
    y.backward()
    if name == "norm" and axis is None:
        want = np.sqrt(np.sum(x * x, keepdims=keepdims))
    np.testing.assert_allclose(y.asnumpy(), want, rtol=1e-12)
    assert leaf.grad.shape == x.shape
    assert np.all(np.isfinite(leaf.grad.asnumpy()))
