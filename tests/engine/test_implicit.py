"""Fixed points: every order and nesting of derivatives, and linear systems of every size."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pytest

import ndgrad
from ndgrad import autograd, nd
from ndgrad.implicit import fixed_point
from ndgrad.ndarray import NDArray

Function = Callable[[NDArray], NDArray]
rng = np.random.default_rng(2)


def array(values: Any) -> NDArray:
    return nd.array(np.asarray(values, dtype=np.float64))


def f(s: NDArray) -> NDArray:
    return fixed_point(lambda t: nd.cos(t * s) * 0.3 + s**2 * 0.1, array(0.5))


def forward(function: Function) -> Function:
    return lambda x: ndgrad.jvp(function, [x], [array(1.0)])[1]


@pytest.mark.parametrize("order", [1, 2, 3])
def test_derivatives_of_any_order_agree_with_differences_in_every_nesting_of_modes(order: int) -> None:
    below = f
    for _ in range(order - 1):
        below = ndgrad.grad(below)
    wanted = (below(array(0.8 + 1e-4)).item() - below(array(0.8 - 1e-4)).item()) / 2e-4
    for modes in product((ndgrad.grad, forward), repeat=order):
        made = f
        for mode in modes:
            made = mode(made)
        np.testing.assert_allclose(made(array(0.8)).item(), wanted, rtol=1e-6)


def test_a_batch_of_fixed_points_and_a_batch_of_starts() -> None:
    points = array([0.8, 0.9])
    each = [ndgrad.hessian(f)(x).item() for x in points]
    np.testing.assert_allclose(ndgrad.vmap(ndgrad.hessian(f))(points).asnumpy(), each, rtol=1e-10)
    whole = ndgrad.hessian(lambda s: nd.sum(ndgrad.vmap(f)(s)))(points).asnumpy()
    np.testing.assert_allclose(whole, np.diag(each), rtol=1e-10, atol=1e-12)
    made = ndgrad.vmap(lambda x0: fixed_point(lambda t: 0.5 * (t + 4 / t), x0))(array([1.0, -1.0]))
    np.testing.assert_allclose(made.asnumpy(), [2, -2])


@pytest.mark.parametrize("n", [1, 7, 40])
def test_adjoints_and_tangents_are_those_of_the_dense_system(n: int) -> None:
    matrix, b, g = rng.standard_normal((n, n)), rng.standard_normal(n), rng.standard_normal(n)
    matrix *= 0.9 / np.abs(np.linalg.eigvals(matrix)).max()

    def solution(x: NDArray) -> NDArray:
        return fixed_point(lambda t: nd.matmul(array(matrix), t) + x, array(np.zeros(n)))

    inverse = np.linalg.inv(np.eye(n) - matrix)
    _, bar = ndgrad.vjp(solution, [array(b)], array(g), wrt=0)
    np.testing.assert_allclose(bar.asnumpy(), inverse.T @ g, rtol=1e-11, atol=1e-12)
    _, dot = ndgrad.jvp(solution, [array(b)], [array(g)])
    np.testing.assert_allclose(dot.asnumpy(), inverse @ g, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("radius", [0.3, 0.97])
def test_many_unknowns_that_settle_fast_and_slowly(radius: float) -> None:
    """In float32 too, as exact as that is."""
    scale, b, g = np.linspace(-radius, radius, 300), rng.standard_normal(300), rng.standard_normal(300)
    for dtype, near in (("float64", 1e-12), ("float32", 1e-4)):
        factor = array(scale).astype(dtype)

        def solution(x: NDArray, factor: NDArray = factor) -> NDArray:
            return fixed_point(lambda t: factor * t + x, 0 * x)

        _, bar = ndgrad.vjp(solution, [array(b).astype(dtype)], array(g).astype(dtype), wrt=0)
        np.testing.assert_allclose(bar.asnumpy(), g / (1 - scale), rtol=near)
        _, dot = ndgrad.jvp(solution, [array(b).astype(dtype)], [array(g).astype(dtype)])
        np.testing.assert_allclose(dot.asnumpy(), g / (1 - scale), rtol=near)


def test_ten_thousand_unknowns_take_a_few_sweeps_and_no_matrix() -> None:
    b = array(np.linspace(0, 1, 10_000))

    def loss(x: NDArray) -> NDArray:
        made: NDArray = nd.sum(fixed_point(lambda t: 0.5 * nd.sin(t) + x, 0 * x) ** 2)
        return made

    slope = ndgrad.grad(loss)(b).asnumpy()
    x = fixed_point(lambda t: 0.5 * nd.sin(t) + b, 0 * b).asnumpy()
    np.testing.assert_allclose(slope, 2 * x / (1 - 0.5 * np.cos(x)), rtol=1e-11)
    step = np.zeros(10_000)
    step[[0, 5000, 9999]] = 1
    moved = ndgrad.hvp(loss, b, array(step)).asnumpy()
    h = array(1e-5 * step)
    np.testing.assert_allclose(
        moved, (ndgrad.grad(loss)(b + h) - ndgrad.grad(loss)(b - h)).asnumpy() / 2e-5, rtol=1e-6, atol=1e-9
    )


@pytest.mark.parametrize("n", [2, 300])
def test_a_system_without_a_solution_is_an_error(n: int) -> None:
    """Every t is a fixed point of t + 0·x, so none of them has a derivative."""
    with pytest.raises(ndgrad.Error) as caught:
        ndgrad.grad(lambda x: nd.sum(fixed_point(lambda t: t + 0 * x, 0 * x)))(array(np.ones(n)))
    assert caught.value.code == "E410"


def test_what_records_by_itself_is_differentiated_too() -> None:
    x = array(3.0).requires_grad_()
    fixed_point(lambda t: 0.5 * t + x**2, array(0.0)).backward()
    assert x.grad is not None
    np.testing.assert_allclose(x.grad.item(), 12)


def test_the_result_has_the_dtype_of_the_step_and_its_accuracy() -> None:
    x = array(2.0)
    made = fixed_point(lambda t: 0.5 * (t + x / t), nd.array(1.0))
    assert made.dtype == np.float64
    np.testing.assert_allclose(made.item(), 2**0.5, rtol=1e-14)
    with autograd.record(), pytest.raises(ndgrad.Error) as caught:
        fixed_point(lambda t: t * array([1.0, 2.0]), x)
    assert caught.value.code == "E304"
