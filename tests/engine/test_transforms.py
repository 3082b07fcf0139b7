"""Transformations of functions of arrays, one around another: always the closed form.

test_modes.py nests derivatives of numbers and compares vmap with the loop; here are arrays, several arguments,
checkpoints and stated gradients inside the others.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import ndgrad
from ndgrad import autograd, nd
from ndgrad.ndarray import NDArray

rng = np.random.default_rng(5)
A, X, V, B = rng.standard_normal((3, 4)), rng.standard_normal(4), rng.standard_normal(4), rng.standard_normal((5, 4))
Function = Callable[..., Any]


def array(values: Any) -> NDArray:
    return nd.array(np.asarray(values, dtype=np.float64))


def f(x: NDArray) -> NDArray:
    """tanh(Ax): a function from four numbers to three."""
    return nd.tanh(nd.matmul(array(A), x))


SLOPES = 1 - np.tanh(A @ X) ** 2
JACOBIAN = SLOPES[:, None] * A
# ∂²fᵢ/∂xⱼ∂xₖ
SECOND = (-2 * np.tanh(A @ X) * SLOPES)[:, None, None] * A[:, :, None] * A[:, None, :]


def stated(function: Function) -> Function:
    """`function` with its own gradient stated by hand."""
    return ndgrad.custom_gradient(function, lambda g, x: ndgrad.vjp(function, [x], g)[1][0])


WRAPPERS: dict[str, Function] = {
    "plain": lambda function: function,
    "checkpoint": ndgrad.checkpoint,
    "stated": stated,
    "checkpoint of stated": lambda function: ndgrad.checkpoint(stated(function)),
    "stated of checkpoint": lambda function: stated(ndgrad.checkpoint(function)),
    "checkpoint of checkpoint": lambda function: ndgrad.checkpoint(ndgrad.checkpoint(function)),
}
every_wrapper = pytest.mark.parametrize("wrap", WRAPPERS.values(), ids=list(WRAPPERS))


def close(found: NDArray, wanted: Any) -> None:
    np.testing.assert_allclose(found.asnumpy(), wanted, rtol=1e-11, atol=1e-13)


@every_wrapper
@pytest.mark.parametrize("mode", ["reverse", "forward", None])
def test_the_jacobian(wrap: Function, mode: str | None) -> None:
    close(ndgrad.jacobian(wrap(f), mode=mode)(array(X)), JACOBIAN)


@every_wrapper
@pytest.mark.parametrize("outer", ["reverse", "forward"])
@pytest.mark.parametrize("inner", ["reverse", "forward"])
def test_the_jacobian_of_the_jacobian(wrap: Function, outer: str, inner: str) -> None:
    close(ndgrad.jacobian(ndgrad.jacobian(wrap(f), mode=inner), mode=outer)(array(X)), SECOND)


@every_wrapper
def test_the_hessian_and_its_product(wrap: Function) -> None:
    g = wrap(f)
    close(ndgrad.hessian(lambda x: nd.sum(g(x)))(array(X)), SECOND.sum(0))
    close(ndgrad.hvp(lambda x: nd.sum(g(x)), array(X), array(V)), SECOND.sum(0) @ V)
    close(ndgrad.grad(lambda x: nd.sum(ndgrad.jvp(g, [x], [array(V)])[1]))(array(X)), SECOND.sum(0) @ V)


@every_wrapper
def test_gradients_of_each_example_by_vmap(wrap: Function) -> None:
    g = wrap(lambda x: nd.sum(nd.sin(x) * array(V)))
    close(ndgrad.vmap(ndgrad.grad(g))(array(B)), np.cos(B) * V)
    close(ndgrad.vmap(ndgrad.hessian(g))(array(B)), np.stack([np.diag(-np.sin(b) * V) for b in B]))


def test_gradients_by_the_weights_for_each_example() -> None:
    def loss(w: NDArray, x: NDArray, y: NDArray) -> NDArray:
        return (nd.sum(w * x) - y) ** 2

    targets = rng.standard_normal(5)
    found = ndgrad.vmap(ndgrad.grad(loss), (None, 0, 0))(array(X), array(B), array(targets))
    close(found, 2 * (B @ X - targets)[:, None] * B)


def test_a_gradient_through_gradients_of_each_example() -> None:
    """d/dw Σ ‖∇ sin(w·x)‖², a penalty on gradients."""

    def penalty(w: NDArray) -> NDArray:
        gradients = ndgrad.vmap(ndgrad.grad(lambda x: nd.sin(nd.sum(w * x))))(array(B))
        return nd.sum(gradients * gradients)

    z, w = B @ X, X
    exact = (-2 * np.cos(z) * np.sin(z) * (w @ w)) @ B + 2 * w * np.sum(np.cos(z) ** 2)
    close(ndgrad.grad(penalty)(array(X)), exact)


def test_the_jacobian_by_vmap_of_tangents_and_of_cotangents() -> None:
    columns = ndgrad.vmap(lambda t: ndgrad.jvp(f, [array(X)], [t])[1])(array(np.eye(4)))
    rows = ndgrad.vmap(lambda g: ndgrad.vjp(f, [array(X)], g)[1][0])(array(np.eye(3)))
    close(columns.T, JACOBIAN)
    close(rows, JACOBIAN)


def test_vjp_gives_the_value_and_a_cotangent_for_each_argument() -> None:
    g = rng.standard_normal(3)
    y, (by_a, by_x) = ndgrad.vjp(lambda a, x: nd.tanh(nd.matmul(a, x)), [array(A), array(X)], array(g))
    close(y, np.tanh(A @ X))
    close(by_a, np.outer(g * SLOPES, X))
    close(by_x, (g * SLOPES) @ A)


@pytest.mark.parametrize("wrt", [0, 1])
def test_any_argument_may_be_differentiated(wrt: int) -> None:
    function = ndgrad.grad(lambda a, x: nd.sum(nd.tanh(nd.matmul(a, x))), wrt=wrt)
    close(function(array(A), array(X)), [np.outer(SLOPES, X), SLOPES @ A][wrt])


def forward(function: Function) -> Function:
    return lambda x: ndgrad.jvp(function, [x], [array(1.0)])[1]


@pytest.mark.parametrize("outer", [ndgrad.grad, forward])
@pytest.mark.parametrize("inner", [ndgrad.grad, forward])
def test_perturbations_are_not_confused(outer: Function, inner: Function) -> None:
    one, three = array(1.0), array(3.0)
    assert outer(lambda x: x * inner(lambda y: x + y)(one))(one).item() == 1
    assert outer(lambda x: x * inner(lambda y: y * x * x)(x))(three).item() == 27
    assert outer(lambda x: inner(lambda _y: x)(one) + x)(three).item() == 1
    assert outer(lambda x: inner(lambda y: inner(lambda z: x * y * z)(y))(x))(three).item() == 1


def test_nothing_stays_recorded_after_a_transformation() -> None:
    x = array(X)
    ndgrad.hessian(lambda t: nd.sum(f(t)))(x)
    assert x.node is None
    assert x.grad is None
    assert not autograd.is_recording()


def test_a_transformation_inside_record_is_differentiated_by_backward() -> None:
    w = array(0.7)
    w.attach_grad()
    with autograd.record():
        y = ndgrad.grad(lambda x: nd.sin(w * x) * x)(array(1.3))
    y.backward()
    a, x = 0.7, 1.3
    np.testing.assert_allclose(w.grad.item(), 2 * x * np.cos(a * x) - a * x * x * np.sin(a * x))


def test_a_checkpoint_runs_the_function_again_in_the_backward() -> None:
    runs = []

    def counted(x: NDArray) -> NDArray:
        runs.append(1)
        return nd.sin(x)

    x = array(0.5)
    x.attach_grad()
    with autograd.record():
        y = ndgrad.checkpoint(counted)(x)
    assert len(runs) == 1
    y.backward()
    assert len(runs) == 2


def test_a_gradient_that_nothing_outside_leads_to_is_not_recorded() -> None:
    outside = nd.array([2.0])
    outside.attach_grad()
    with autograd.record():
        value, g = ndgrad.value_and_grad(lambda w: nd.sum(w**3))(nd.array([1.0, 2.0]))
        assert value.node is None
        assert g.node is None
        closed, c = ndgrad.value_and_grad(lambda w: nd.sum(w**3) * outside)(nd.array([1.0, 2.0]))
        y = nd.sum(c) + closed
    assert c.node is not None
    y.backward()
    assert outside.grad is not None
    assert outside.grad.asnumpy().tolist() == [3 + 12 + 9]


def test_what_comes_along_with_a_value_keeps_its_graph() -> None:
    outside = nd.array([2.0])
    outside.attach_grad()
    with autograd.record():
        (_, beside), _ = ndgrad.value_and_grad(lambda w: (nd.sum(w**2), outside * 5))(nd.array([1.0]))
    beside.backward()
    assert outside.grad is not None
    assert outside.grad.asnumpy().tolist() == [5]


def test_a_gradient_moves_with_what_its_function_reads_from_outside() -> None:
    """d/dt of ∇ₓ sum((Ax - t)²) = 2Aᵀ(Ax - t): only t moves, and it is no argument of the inner function."""

    def slope(t: NDArray) -> NDArray:
        made: NDArray = ndgrad.grad(lambda x: ((nd.matmul(array(A), x) - t) ** 2).sum())(array(X))
        return made

    t, t_dot = rng.standard_normal(3), rng.standard_normal(3)
    _, change = ndgrad.jvp(slope, [array(t)], [array(t_dot)])
    close(change, -2 * A.T @ t_dot)
    close(ndgrad.jacobian(slope, mode="forward")(array(t)), -2 * A.T)
    close(ndgrad.jacobian(slope, mode="reverse")(array(t)), -2 * A.T)
    close(ndgrad.vmap(slope)(array([t, t_dot])), 2 * (A @ X - np.array([t, t_dot])) @ A)


def test_a_write_inside_does_not_reach_what_was_recorded_before_it() -> None:
    def function(x: NDArray) -> NDArray:
        y = x * 2
        z = y * y
        y[0:1] = 5
        return (z * y).sum()

    close(ndgrad.hvp(function, array([1.0, 2.0]), array([1.0, 1.0])), [40, 96])
