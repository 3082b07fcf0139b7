"""The reverse steps made to measure for hot operations give what the general step gives.

Every elementwise operation without parameters is compared, with each pattern of tracked operands,
of shapes and of dtypes that its made step treats differently.
"""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from ndgrad import autograd, nd
from ndgrad.ops import find, names
from ndgrad.primitive import Primitive
from ndgrad.reverse import reverse_step
from ndgrad.transforms import hvp

STRAIGHT = [op for op in map(find, names()) if op is not None and op.straight]
SHAPES = {"same": ((3,), (3,)), "scalars": ((), ()), "broadcast": ((2, 3), (3,)), "0-d beside": ((2, 3), ())}


def gradients(op: Primitive, operands: list[np.ndarray], tracked: tuple[bool, ...]) -> list[np.ndarray]:
    """Gradients of an operation whose operands are all used twice, so that cotangents are added up."""
    arrays = [nd.array(x, dtype=x.dtype) for x in operands]
    asked = [a for a, on in zip(arrays, tracked, strict=True) if on]
    for a in asked:
        a.attach_grad()
    with autograd.record():
        y = op.call(*arrays)
        y = y + op.call(*arrays)
    if y.node is None:  # an operation without a derivative
        return []
    y.backward()
    return [a.grad.asnumpy() for a in asked]


@pytest.mark.parametrize("op", STRAIGHT, ids=lambda op: op.name)
@pytest.mark.parametrize("shapes", SHAPES)
def test_a_made_step_agrees_with_the_general_one(op: Primitive, shapes: str, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(7)
    low, high = op.domain
    made = reverse_step(op)
    for dtypes in product(("float64", "float32"), repeat=op.arity):
        drawn = [
            np.asarray(generator.uniform(low, high, shape), dtype)
            for shape, dtype in zip(SHAPES[shapes], dtypes, strict=False)
        ]
        for tracked in product((True, False), repeat=op.arity):
            if not any(tracked):
                continue
            with monkeypatch.context() as patch:
                patch.setattr(op, "steps", 10**9)  # never warm enough
                patch.setattr(op, "back", None)
                wanted = gradients(op, drawn, tracked)
                patch.setattr(op, "back", made)
                got = gradients(op, drawn, tracked)
            for one, other in zip(got, wanted, strict=True):
                assert one.dtype == other.dtype
                np.testing.assert_array_equal(one, other)


def test_an_operation_gets_its_step_when_it_is_hot(monkeypatch: pytest.MonkeyPatch) -> None:
    op = find("sin")
    assert op is not None
    monkeypatch.setattr(op, "steps", 0)
    monkeypatch.setattr(op, "back", None)
    x = nd.array([1.0])
    x.attach_grad()
    with autograd.record():
        y = x
        for _ in range(150):
            y = op.call(y)
    y.backward()
    assert op.back is not None


def test_made_steps_take_what_the_rules_of_traced_nodes_give() -> None:
    """Beside a Hessian-vector product, plain nodes get cotangents from nodes of values that were inside it."""

    def gradients() -> list[np.ndarray]:
        x, y = (nd.array(np.array(v)) for v in ([0.1, 1.0], [0.5, 0.3]))
        x.attach_grad()
        y.attach_grad()
        with autograd.record():
            z = nd.sum(hvp(lambda t: nd.sum(nd.tanh(t) * nd.exp(y)), x, y) * y)
        z.backward()
        return [x.grad.asnumpy(), y.grad.asnumpy()]

    with pytest.MonkeyPatch.context() as patch:
        for op in STRAIGHT:
            patch.setattr(op, "steps", 10**9)
            patch.setattr(op, "back", None)
        wanted = gradients()
        for op in STRAIGHT:
            patch.setattr(op, "back", reverse_step(op))
        got = gradients()
    x, y = np.array([0.1, 1.0]), np.array([0.5, 0.3])
    curved = -2 * np.tanh(x) / np.cosh(x) ** 2
    np.testing.assert_allclose(wanted[1], curved * np.exp(y) * (2 * y + y * y), rtol=1e-12)
    for one, other in zip(got, wanted, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-14)
