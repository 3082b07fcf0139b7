"""Every operation takes its operands as they come: any layout, precision and broadcastable shape, also none and one.

Operands and parameters are those of test_operations; shapes for broadcasting are drawn by hypothesis.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import mutually_broadcastable_shapes

from ndgrad import autograd, nd
from ndgrad.ndarray import NDArray, plain

sys.path.insert(0, str(Path(__file__).parent))
from test_operations import ELEMENTWISE, Draw, applied, every_operation, floats_of


@pytest.fixture(autouse=True)
def double_precision() -> Iterator[None]:
    with autograd.default_dtype("float64"), np.errstate(all="ignore"):
        yield


def value_and_gradients(drawn: Draw, operands: list[Any]) -> list[np.ndarray]:
    """The value of an operation and its gradients by the float operands, for a cotangent of 1, 2, 3, …"""
    leaves = [NDArray(x) for x in operands]
    for leaf in leaves:
        leaf.attach_grad()
    with autograd.record(train_mode=False):
        y = applied(drawn)(*leaves)
    if y.node is None:
        return [plain(y)]
    g = np.arange(1.0, y.size + 1).reshape(y.shape)
    return [plain(y), *(plain(bar) for bar in autograd.grad([y], leaves, [g]))]


LAYOUTS = {
    "Fortran order": lambda x: np.asfortranarray(x) if x.ndim else x,
    "a strided view": lambda x: np.repeat(x, 2, axis=-1)[..., ::2] if x.ndim else x,
    "reversed in memory": lambda x: np.ascontiguousarray(x[::-1])[::-1] if x.ndim else x,
}


@every_operation
def test_the_layout_of_an_operand_does_not_matter(drawn: Draw) -> None:
    operands = [np.ascontiguousarray(x) if x.ndim else x for x in floats_of(drawn)]
    wanted = value_and_gradients(drawn, operands)
    for change in LAYOUTS.values():
        changed = [change(x) for x in operands]
        for x in changed:
            x.flags.writeable = False
        for got, want in zip(value_and_gradients(drawn, changed), wanted, strict=True):
            np.testing.assert_allclose(got, want, rtol=1e-10, atol=1e-12)


@every_operation
def test_float32_stays_float32_and_is_right_to_its_precision(drawn: Draw) -> None:
    op = drawn[0]
    if op.name in ("float", "astype", "passes") or "random" in op.name:
        return  # they choose the dtype
    with autograd.default_dtype("float32"):
        single = value_and_gradients(drawn, [x.astype(np.float32) for x in floats_of(drawn)])
    double = value_and_gradients(drawn, floats_of(drawn))
    for got, want in zip(single, double, strict=True):
        if want.dtype.kind == "f":
            assert got.dtype == np.float32
            scale = max(1.0, float(np.max(np.abs(want), initial=0.0)))
            np.testing.assert_allclose(got, want, rtol=2e-3, atol=2e-4 * scale)


@pytest.mark.parametrize("op", [op for op in ELEMENTWISE if op.name != "where"], ids=lambda op: op.name)
@settings(max_examples=8, deadline=None, derandomize=True)
@given(data=st.data())
def test_operands_broadcast_and_gradients_have_their_shapes(op: Any, data: st.DataObject) -> None:
    shapes = data.draw(mutually_broadcastable_shapes(num_shapes=op.arity, max_dims=3, max_side=3, min_side=0))
    low, high = op.domain
    draw = np.random.default_rng(1).uniform
    operands = [draw(low, high, shape) for shape in shapes.input_shapes]
    statics = {"a_min": -1.0, "a_max": 1.0} if op.name in ("clip", "passes") else {}
    drawn = (op, operands, statics)
    value, *gradients = value_and_gradients(drawn, operands)
    assert value.shape == shapes.result_shape
    spread = [np.array(np.broadcast_to(x, shapes.result_shape)) for x in operands]
    _, *whole = value_and_gradients(drawn, spread)
    for got, want, x in zip(gradients, whole, operands, strict=False):
        assert got.shape == x.shape
        np.testing.assert_allclose(np.sum(got), np.sum(want), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("op", ELEMENTWISE, ids=lambda op: op.name)
def test_elementwise_operations_take_empty_arrays_and_scalars(op: Any) -> None:
    statics = {"a_min": -1.0, "a_max": 1.0} if op.name in ("clip", "passes") else {}
    for shape in ((), (0,), (2, 0, 3)):
        operands = [np.full(shape, op.domain[0] * 0.5 + op.domain[1] * 0.5) for _ in range(op.arity)]
        if op.name == "where":
            operands[0] = operands[0] > 0
        value, *gradients = value_and_gradients((op, operands, statics), [x for x in operands if x.dtype.kind == "f"])
        assert value.shape == shape
        assert all(g.shape == shape for g in gradients)


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
