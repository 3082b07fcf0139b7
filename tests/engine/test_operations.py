"""Every operation in the registry, checked against itself three ways.

Adding an operation adds its tests: nothing here names an elementwise operation. The others say in
CASES what operands and parameters to draw.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from ndgrad import autograd, nd
from ndgrad.ndarray import NDArray, plain
from ndgrad.ops import REGISTRY
from ndgrad.primitive import Primitive
from ndgrad.tracing import jvp

rng = np.random.default_rng(7)

# For operations that are not elementwise: (shapes of the operands, static parameters), several each.
CASES: dict[str, list[tuple[list[tuple[int, ...]], dict[str, Any]]]] = {
    "sum": [([(2, 3)], {}), ([(2, 3)], {"axis": 0}), ([(2, 3, 2)], {"axis": (0, -1), "keepdims": True}), ([()], {})],
    "mean": [([(2, 3)], {}), ([(2, 3)], {"axis": -1, "keepdims": True}), ([(2, 3, 2)], {"axis": (0, 2)})],
    "max": [([(2, 3)], {}), ([(2, 3)], {"axis": 1}), ([(2, 3)], {"axis": (0, 1), "keepdims": True})],
    "min": [([(2, 3)], {}), ([(2, 3)], {"axis": 0, "keepdims": True})],
    "norm": [([(3,)], {}), ([(2, 3)], {}), ([(2, 3)], {"axis": -1, "keepdims": True})],
    "reshape": [([(2, 3)], {"shape": (3, 2)}), ([(6,)], {"shape": (-1, 2)})],
    "transpose": [([(2, 3)], {}), ([(2, 3, 4)], {"axes": (1, 2, 0)})],
    "broadcast_to": [([(3,)], {"shape": (2, 3)}), ([(2, 1)], {"shape": (4, 2, 3)})],
    "stack": [([(2, 3), (2, 3), (2, 3)], {"axis": 1}), ([()] * 2, {})],
    "float": [([(3,)], {})],
    "astype": [([(3,)], {"dtype": "float64"})],
    "index": [
        ([(4, 3)], {"key": 1}),
        ([(4, 3)], {"key": (slice(None, None, -2), slice(1, None))}),
        ([(4, 3)], {"key": np.array([0, 2, 0, 0])}),
        ([(4, 3)], {"key": np.array([True, False, True, True])}),
        ([(4, 3)], {"key": (..., None, 0)}),
    ],
    "written": [
        ([(4,), ()], {"key": 2}),
        ([(4, 3), (3,)], {"key": slice(0, 2)}),
        ([(4,), (3,)], {"key": np.array([1, 1, 3])}),
    ],
    "scatter": [([(3,)], {"shape": (4,), "key": np.array([1, 1, 3])})],
    "scattered": [([(2,)], {"shape": (4,), "key": slice(1, 3)})],
    "matmul": [
        ([(2, 3), (3, 4)], {}),
        ([(3,), (3,)], {}),
        ([(3,), (3, 2)], {}),
        ([(2, 3), (3,)], {}),
        ([(5, 2, 3), (3, 4)], {}),
        ([(3,), (5, 3, 2)], {}),
        ([(5, 2, 3), (3,)], {}),
        ([(2, 1, 2, 3), (4, 3, 2)], {}),
    ],
    "dot": [
        ([(3,), (3,)], {}),
        ([(2, 3), (3,)], {}),
        ([(2, 4, 3), (5, 3, 2)], {}),
        ([(), (3,)], {}),
        ([(3,), (3, 2)], {}),
    ],
}

ELEMENTWISE = [op for op in REGISTRY.values() if op.elementwise and not op.untracked]
# `output` marks one of several results; operations with several results are drawn, it is not.
OTHERS = [op for op in REGISTRY.values() if not op.elementwise and not op.untracked and op.name != "output"]


def test_every_operation_is_either_elementwise_or_has_a_case_here() -> None:
    assert {op.name for op in OTHERS} == set(CASES)


Draw = tuple[Primitive, list[np.ndarray], dict[str, Any]]


def draws() -> list[Any]:
    made = []
    for op in ELEMENTWISE:
        low, high = op.domain
        shapes = [(2, 3), (3,), (2, 1)][: op.arity] if op.name != "where" else [(2, 3), (3,), (2, 1)]
        operands = [rng.uniform(low, high, s) for s in shapes]
        if op.name == "where":
            operands[0] = operands[0] > 0
        statics = {"a_min": -1.0, "a_max": 1.0} if op.name == "clip" else {}
        made.append(pytest.param((op, operands, statics), id=op.name))
    for op in OTHERS:
        for i, (shapes, statics) in enumerate(CASES[op.name]):
            made.append(pytest.param((op, [rng.uniform(-2, 2, s) for s in shapes], statics), id=f"{op.name}-{i}"))
    return made


@pytest.fixture(autouse=True)
def double_precision() -> Iterator[None]:
    with autograd.default_dtype("float64"):
        yield


every_operation = pytest.mark.parametrize("drawn", draws())


def applied(drawn: Draw) -> Callable[..., NDArray]:
    """The operation as a function of its float operands, given as NDArrays."""
    op, operands, statics = drawn

    def function(*floats: NDArray) -> NDArray:
        rest = iter(floats)
        given = [next(rest) if x.dtype.kind == "f" else x for x in operands]
        return op.call(given, **statics) if op.variadic else op.call(*given, **statics)

    return function


def floats_of(drawn: Draw) -> list[np.ndarray]:
    return [x for x in drawn[1] if x.dtype.kind == "f"]


def vjp(function: Callable[..., NDArray], operands: list[np.ndarray], g: np.ndarray) -> list[np.ndarray]:
    leaves = [nd.array(x) for x in operands]
    for leaf in leaves:
        leaf.attach_grad()
    with autograd.record():
        y = function(*leaves)
    if y.node is None:
        return [np.zeros_like(x) for x in operands]
    return [bar.asnumpy() for bar in autograd.grad([y], leaves, [g])]


@every_operation
def test_jvp_is_the_central_difference(drawn: Draw) -> None:
    function, operands = applied(drawn), floats_of(drawn)
    dots = [rng.standard_normal(x.shape) for x in operands]
    _, y_dot = jvp(function, [nd.array(x) for x in operands], [nd.array(t) for t in dots])
    h = 1e-6
    above = function(*(nd.array(x + h * t) for x, t in zip(operands, dots, strict=True))).asnumpy()
    below = function(*(nd.array(x - h * t) for x, t in zip(operands, dots, strict=True))).asnumpy()
    np.testing.assert_allclose(plain(y_dot), (above - below) / (2 * h), rtol=2e-6, atol=2e-6)


@every_operation
def test_vjp_is_the_transpose_of_jvp(drawn: Draw) -> None:
    function, operands = applied(drawn), floats_of(drawn)
    dots = [rng.standard_normal(x.shape) for x in operands]
    y, y_dot = jvp(function, [nd.array(x) for x in operands], [nd.array(t) for t in dots])
    g = rng.standard_normal(y.shape)
    forward = np.vdot(g, plain(y_dot))
    reverse = sum(np.vdot(bar, dot) for bar, dot in zip(vjp(function, operands, g), dots, strict=True))
    np.testing.assert_allclose(forward, reverse, rtol=1e-12, atol=1e-12)


@every_operation
def test_second_derivatives_agree_forward_over_reverse_and_reverse_over_reverse(drawn: Draw) -> None:
    function, operands = applied(drawn), floats_of(drawn)
    v = [rng.standard_normal(x.shape) for x in operands]
    g = rng.standard_normal(function(*map(nd.array, operands)).shape)

    def gradient(*leaves: NDArray, create_graph: bool = False) -> list[NDArray]:
        for leaf in leaves:
            leaf.attach_grad()
        with autograd.record():
            y = function(*leaves)
            if y.node is None:
                return [nd.array(np.zeros(x.shape)) for x in leaves]
            return autograd.grad([y], list(leaves), [nd.array(g)], create_graph=create_graph)

    _, forward = jvp(lambda *x: tuple(gradient(*x)), [nd.array(x) for x in operands], [nd.array(t) for t in v])
    leaves = [nd.array(x) for x in operands]
    with autograd.record():
        bars = gradient(*leaves, create_graph=True)
        pairs = [(bar, nd.array(t)) for bar, t in zip(bars, v, strict=True) if bar.node is not None]
        heads, head_grads = [bar for bar, _ in pairs], [t for _, t in pairs]
        reverse = autograd.grad(heads, leaves, head_grads) if heads else [nd.array(np.zeros(x.shape)) for x in leaves]
    for a, b in zip(forward, reverse, strict=True):
        np.testing.assert_allclose(plain(a), plain(b), rtol=1e-10, atol=1e-10)


def test_a_rule_that_is_wrong_by_a_tenth_of_a_percent_is_caught() -> None:
    def wrong(x: NDArray) -> NDArray:
        return nd.sin(x) * 1.001

    x, t = nd.array(np.array([0.3, 1.2])), nd.array(np.array([1.0, -0.5]))
    _, y_dot = jvp(nd.sin, [x], [t])
    _, other = jvp(wrong, [x], [t])
    with pytest.raises(AssertionError):
        np.testing.assert_allclose(plain(other), plain(y_dot), rtol=2e-6, atol=2e-6)


@pytest.mark.parametrize("op", [op for op in REGISTRY.values() if op.example], ids=lambda op: op.name)
def test_the_example_of_an_operation_is_true(op: Primitive) -> None:
    call, wanted = op.example.split(" -> ")
    names = {"nan": np.nan, "inf": np.inf, op.name: op.call}
    got = plain(eval(call, {"__builtins__": {}}, names))
    np.testing.assert_allclose(np.asarray(got, float), np.asarray(eval(wanted, {}, names), float), atol=5e-7)
