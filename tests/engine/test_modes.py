"""Reverse, forward, batches, nested in every order: always the closed form."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import ndgrad
from ndgrad import autograd, nd
from ndgrad.errors import Error
from ndgrad.implicit import fixed_point
from ndgrad.ndarray import NDArray

rng = np.random.default_rng(3)
Function = Callable[..., Any]


def array(values: Any) -> NDArray:
    return nd.array(np.asarray(values, dtype=np.float64))


def forward(f: Function) -> Function:
    """The derivative of a function of one number, in forward mode."""
    return lambda x: ndgrad.jvp(f, [x], [array(1.0)])[1]


def by_jacobian(mode: str) -> Callable[[Function], Function]:
    return lambda f: ndgrad.jacobian(f, mode=mode)


DERIVATIVES = {
    "reverse": ndgrad.grad,
    "forward": forward,
    "rows": by_jacobian("reverse"),
    "columns": by_jacobian("forward"),
}


@pytest.mark.parametrize("outer", DERIVATIVES)
@pytest.mark.parametrize("middle", DERIVATIVES)
@pytest.mark.parametrize("inner", DERIVATIVES)
def test_three_derivatives_nest_in_any_order(outer: str, middle: str, inner: str) -> None:
    third = DERIVATIVES[outer](DERIVATIVES[middle](DERIVATIVES[inner](lambda x: nd.sin(x) * x**3)))
    x = 1.5
    exact = (6 - 9 * x**2) * np.sin(x) + (18 * x - x**3) * np.cos(x)
    np.testing.assert_allclose(third(array(x)).item(), exact, rtol=1e-12)


@pytest.mark.parametrize("outer", DERIVATIVES)
@pytest.mark.parametrize("inner", DERIVATIVES)
def test_inner_and_outer_perturbations_are_not_confused(outer: str, inner: str) -> None:
    """d/dx (x · d/dy (x y)) = 2x, whatever computes the two derivatives."""
    f = DERIVATIVES[outer](lambda x: x * DERIVATIVES[inner](lambda y: x * y)(array(1.0)))
    assert f(array(3.0)).item() == 6


def test_the_hessian_and_its_products() -> None:
    def f(x: NDArray) -> NDArray:
        return nd.sum(nd.sin(x) * x**2)

    x = np.array([0.5, 1.2])
    exact = np.diag(-np.sin(x) * x**2 + 4 * x * np.cos(x) + 2 * np.sin(x))
    np.testing.assert_allclose(ndgrad.hessian(f)(array(x)).asnumpy(), exact, rtol=1e-12, atol=1e-12)
    v = np.array([2.0, -1.0])
    np.testing.assert_allclose(ndgrad.hvp(f, array(x), array(v)).asnumpy(), exact @ v, rtol=1e-12)


def test_value_and_grad_by_several_arguments_at_once() -> None:
    value, (gw, gb) = ndgrad.value_and_grad(lambda w, b: nd.sum(w * b), wrt=(0, 1))(array([1.0, 2]), array(3.0))
    assert value.item() == 9
    np.testing.assert_array_equal(gw.asnumpy(), [3, 3])
    assert gb.item() == 3


X = rng.standard_normal((5, 3))
W = rng.standard_normal((3, 2))
w = rng.standard_normal(3)
MATRICES = rng.standard_normal((4, 3, 3)) + 3 * np.eye(3)

BATCHED: dict[str, tuple[Function, tuple[Any, ...]]] = {
    "sum of squares": (lambda x: nd.sum(x * x), (X,)),
    "vector times matrix": (lambda x: nd.matmul(x, array(W)), (X,)),
    "matrix times vector": (lambda x: nd.matmul(array(W).T, x), (X,)),
    "inner product": (lambda x, y: nd.matmul(x, y), (X, X)),
    "dot": (lambda x, y: nd.dot(x, y), (X, X)),
    "number times vector": (lambda x, y: x * nd.sum(y), (X, X)),
    "softmax": (nd.softmax, (X,)),
    "slices": (lambda x: x[1:] * x[0], (X,)),
    "sort": (nd.sort, (X,)),
    "median": (nd.median, (X,)),
    "outer": (lambda x: nd.outer(x, array(w)), (X,)),
    "norm": (nd.norm, (X,)),
    "cumsum": (nd.cumsum, (X,)),
    "take": (lambda i: nd.take(array(w), i), (np.array([0, 2, 1]),)),
    "stack": (lambda x: nd.stack([x[0], x[1] * 2]), (X,)),
    "concatenate": (lambda x: nd.concatenate([x, array(w)]), (X,)),
    "einsum": (lambda x: nd.einsum("i,ij->j", x, array(W)), (X,)),
    "where": (lambda x: nd.where(x > 0, nd.sqrt(nd.maximum(x, 0)), 0.0), (X,)),
    "inverse": (lambda a: nd.matmul(nd.inv(a), array(w)), (MATRICES,)),
    "solve": (lambda a, b: nd.solve(a, b), (MATRICES, X[:4])),
    "trace": (nd.trace, (MATRICES,)),
    "det": (nd.det, (MATRICES,)),
    "gradient": (ndgrad.grad(lambda t: nd.sum(nd.sin(t) * array(w))), (X,)),
    "gradient at a masked point": (
        ndgrad.grad(lambda t: nd.sum(nd.where(t > 0, nd.sqrt(t), 0.0))),
        (np.maximum(X, 0),),
    ),
    "tangent": (lambda x: ndgrad.jvp(nd.tanh, [x], [array(w)])[1], (X,)),
    "hessian": (ndgrad.hessian(lambda t: nd.sum(t**3)), (X,)),
    "vmap": (lambda x: ndgrad.vmap(lambda t: t * nd.sum(x))(x), (X,)),
    "a write": (lambda x: _written(x), (X,)),
}


def _written(x: NDArray) -> NDArray:
    y = x * 1.0
    y[0] = x[1] * x[2]
    return nd.sum(y * y)


@pytest.mark.parametrize("name", BATCHED)
def test_vmap_is_the_loop_over_the_examples(name: str) -> None:
    function, arguments = BATCHED[name]
    with np.errstate(all="ignore"):
        batch = ndgrad.vmap(function)(*map(array, arguments)).asnumpy()
        loop = [function(*(array(a[i]) for a in arguments)).asnumpy() for i in range(len(arguments[0]))]
    np.testing.assert_allclose(batch, np.stack(loop), rtol=1e-12, atol=1e-12)


def test_vmap_takes_the_examples_from_any_axis() -> None:
    made = ndgrad.vmap(lambda x, y, z: x * y + z, (1, 0, None))(array(X.T), array(X), array(w))
    np.testing.assert_allclose(made.asnumpy(), X * X + w)


def test_a_gradient_passes_through_vmap() -> None:
    g = ndgrad.grad(lambda m: nd.sum(ndgrad.vmap(lambda x: nd.tanh(nd.matmul(x, m)))(array(X))))(array(W))
    np.testing.assert_allclose(g.asnumpy(), X.T @ (1 - np.tanh(X @ W) ** 2))


def test_checkpoint_gives_the_same_gradients_also_for_what_a_function_closes_over() -> None:
    a, b = array(0.7), array(2.0)
    a.attach_grad()
    b.attach_grad()
    with autograd.record():
        y = ndgrad.checkpoint(lambda x: nd.sin(x) * b)(a) * 3
    y.backward()
    np.testing.assert_allclose([a.grad.item(), b.grad.item()], [6 * np.cos(0.7), 3 * np.sin(0.7)])
    second = ndgrad.grad(ndgrad.grad(lambda x: ndgrad.checkpoint(lambda t: nd.sin(t) * t)(x)))(array(0.7)).item()
    np.testing.assert_allclose(second, 2 * np.cos(0.7) - 0.7 * np.sin(0.7))


def test_a_stated_gradient_is_taken_and_a_stopped_one_is_not() -> None:
    assert ndgrad.grad(ndgrad.custom_gradient(nd.exp, lambda g, x: 7 * g))(array(1.0)).item() == 7
    assert ndgrad.grad(lambda x: ndgrad.stop_gradient(x) * x)(array(3.0)).item() == 3


@pytest.mark.parametrize("derivative", ["reverse", "forward"])
def test_a_fixed_point_is_differentiated_implicitly_once_and_twice(derivative: str) -> None:
    d = DERIVATIVES[derivative]

    def root(a: NDArray) -> NDArray:
        return fixed_point(lambda x: 0.5 * (x + a / x), array(1.0))

    np.testing.assert_allclose(d(root)(array(2.0)).item(), 0.5 / 2**0.5, rtol=1e-9)
    np.testing.assert_allclose(d(d(root))(array(2.0)).item(), -0.25 / 2**1.5, rtol=1e-9)


def test_a_value_inside_jvp_is_not_written_into_an_array_from_outside() -> None:
    def f(x: NDArray) -> NDArray:
        z = nd.zeros((2,), dtype="float64")
        z[0] = x
        return z

    with pytest.raises(Error) as caught:
        ndgrad.jvp(f, [array(1.0)], [array(1.0)])
    assert caught.value.code == "E412"
