"""Where a derivative does not exist, the value is the one that is promised: one row each, by reverse and by forward.

The subgradient of least norm where the function is convex, the supergradient where it is concave, by
continuity where that is defined. Differences cannot test this: they lie at kinks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import ndgrad
from ndgrad import autograd, nd
from ndgrad.ndarray import NDArray
from ndgrad.ops import find

INF = np.inf
Row = tuple[Callable[[NDArray], NDArray], list[float], Any, list[float]]


def call(name: str) -> Callable[..., Any]:
    """An operation as the language has it."""
    found = find(name)
    assert found is not None
    return found.call


# The function of a vector x, the point, the value there, the gradient of the value's sum.
ROWS: dict[str, Row] = {
    "abs at 0": (nd.abs, [-2, 0, 3], [2, 0, 3], [-1, 0, 1]),
    "abs at -0": (nd.abs, [-0.0], [0], [0]),
    "sign": (nd.sign, [-2, 0, 3], [-1, 0, 1], [0, 0, 0]),
    "floor": (nd.floor, [-1, 0.5, 2], [-1, 0, 2], [0, 0, 0]),
    "ceil": (nd.ceil, [-1, 0.5, 2], [-1, 1, 2], [0, 0, 0]),
    "round": (nd.round, [-1, 0.5, 2], [-1, 0, 2], [0, 0, 0]),
    "trunc": (nd.trunc, [-1, 0.5, 2], [-1, 0, 2], [0, 0, 0]),
    "relu at 0": (nd.relu, [-1, 0, 1], [0, 0, 1], [0, 0, 1]),
    "relu(x) - relu(-x) at 0": (lambda x: nd.relu(x) - nd.relu(-x), [0], [0], [0]),
    "leaky_relu at 0": (call("leaky_relu"), [-1, 0, 1], [-0.01, 0, 1], [0.01, 0.01, 1]),
    "elu at 0": (call("elu"), [0, 1], [0, 1], [1, 1]),
    "elu of alpha 1/2 at 0": (lambda x: call("elu")(x, 0.5), [0, 1], [0, 1], [0.5, 1]),
    "huber at its bounds": (call("huber"), [-1, 0, 1], [0.5, 0, 0.5], [-1, 0, 1]),
    "maximum of equals": (lambda x: nd.maximum(x[0], x[1]), [2, 2], 2, [0.5, 0.5]),
    "minimum of equals": (lambda x: nd.minimum(x[0], x[1]), [2, 2], 2, [0.5, 0.5]),
    "maximum of x with itself": (lambda x: nd.maximum(x, x), [1, 2], [1, 2], [1, 1]),
    "maximum with a number at it": (lambda x: nd.maximum(x, 0), [-1, 0, 1], [0, 0, 1], [0, 0.5, 1]),
    "max of two equals": (nd.max, [1, 3, 3], 3, [0, 0.5, 0.5]),
    "max of three equals": (nd.max, [3, 3, 3], 3, [1 / 3, 1 / 3, 1 / 3]),
    "max over an axis": (lambda x: nd.max(x.reshape((2, 2)), axis=1), [1, 1, 2, 5], [1, 5], [0.5, 0.5, 0, 1]),
    "min of two equals": (nd.min, [1, 1, 3], 1, [0.5, 0.5, 0]),
    "clip at its bounds": (lambda x: nd.clip(x, -1, 1), [-2, -1, 0, 1, 2], [-1, -1, 0, 1, 1], [0, 1, 1, 1, 0]),
    "clip with one bound": (lambda x: nd.clip(x, None, 1), [0, 1, 2], [0, 1, 1], [1, 1, 0]),
    "sqrt at 0": (nd.sqrt, [0], [0], [INF]),
    "log at 0": (nd.log, [0], [-INF], [INF]),
    "cbrt at 0": (nd.cbrt, [0], [0], [INF]),
    "sqrt at 0 in an entry not taken": (lambda x: nd.sqrt(x)[1], [0, 4], 2, [0, 0.25]),
    "sqrt at 0 in a branch not taken": (lambda x: nd.where(x > 0, nd.sqrt(x), 0.0), [0, 4], [0, 2], [0, 0.25]),
    "log at 0 in a branch not taken": (lambda x: nd.where(x > 0, nd.log(x), x), [0, 2], [0, np.log(2)], [1, 0.5]),
    "log at 0 below max": (lambda x: nd.max(nd.log(x)), [0, 2], np.log(2), [0, 0.5]),
    "1/x at 0 beyond clip": (lambda x: nd.clip(1 / x, 0, 5), [0, 1], [5, 1], [0, -1]),
    "sqrt at 0 in a maximum lost": (lambda x: nd.maximum(nd.sqrt(x), 1), [0, 4], [1, 2], [0, 0.25]),
    "norm at 0": (nd.norm, [0, 0], 0, [0, 0]),
    "norm of rows, one of them 0": (
        lambda x: call("norm")(x.reshape((2, 2)), axis=1),
        [0, 0, 3, 4],
        [0, 5],
        [0, 0, 0.6, 0.8],
    ),
    "norm of order 1 at 0": (lambda x: call("norm")(x, 1), [0, 0, -2], 2, [0, 0, -1]),
    "norm of order 3 at 0": (lambda x: call("norm")(x, 3), [0, 0], 0, [0, 0]),
    "norm of order inf at 0": (lambda x: call("norm")(x, INF), [0, 0], 0, [0, 0]),
    "norm of order inf at a tie": (lambda x: call("norm")(x, INF), [2, -2, 1], 2, [0.5, -0.5, 0]),
    "nuclear norm at 0": (lambda x: call("norm")(x.reshape((2, 2)), "nuc"), [0, 0, 0, 0], 0, [0, 0, 0, 0]),
    "spectral norm at 0": (lambda x: call("norm")(x.reshape((2, 2)), 2), [0, 0, 0, 0], 0, [0, 0, 0, 0]),
    "hypot at 0, 0": (lambda x: call("hypot")(x[0], x[1]), [0, 0], 0, [0, 0]),
    "std of equals": (nd.std, [2, 2, 2], 0, [0, 0, 0]),
    "var of equals": (nd.var, [2, 2], 0, [0, 0]),
    "x ** 0": (lambda x: x**0, [-1, 0, 2], [1, 1, 1], [0, 0, 0]),
    "x ** y at y = 0, by x": (lambda x: x ** nd.zeros_like(x), [-1, 0, 2], [1, 1, 1], [0, 0, 0]),
    "x ** 1 at 0": (lambda x: x**1, [0], [0], [1]),
    "x ** 2 at 0": (lambda x: x**2, [0], [0], [0]),
    "x ** 0.5 at 0": (lambda x: x**0.5, [0], [0], [INF]),
    "0 ** x": (lambda x: 0.0**x, [0, 1, 2.5], [1, 0, 0], [0, 0, 0]),
    "x ** y at 0, 2": (lambda x: x[0] ** x[1], [0, 2], 0, [0, 0]),
    "x / the number 0": (lambda x: x / 0, [2, -1], [INF, -INF], [INF, INF]),
    "prod with one 0": (nd.prod, [0, 2, 3], 0, [6, 0, 0]),
    "prod with two 0s": (nd.prod, [0, 0, 3], 0, [0, 0, 0]),
    "cumprod with a 0": (nd.cumprod, [2, 0, 3], [2, 0, 0], [1, 8, 0]),
    "sort of equals": (lambda x: nd.sort(x) * nd.array([1.0, 10, 100]), [3, 1, 1], [1, 10, 300], [100, 1, 10]),
    "cummax of equals": (lambda x: call("cummax")(x), [1, 3, 3], [1, 3, 3], [1, 2, 0]),
    "median of equals": (nd.median, [2, 1, 2], 2, [1, 0, 0]),
    "xlogy at 0, 0, by x": (lambda x: call("xlogy")(x, 0.0), [0], [0], [0]),
    "copysign at 0": (lambda x: call("copysign")(x[0], x[1]), [0, -2], 0, [0, 0]),
    "floor_divide": (lambda x: x[0] // x[1], [6, 3], 2, [0, 0]),
    "mod at a multiple": (lambda x: x[0] % x[1], [6, 3], 0, [1, -2]),
    "arctan2 on its cut": (lambda x: call("arctan2")(x[0], x[1]), [0, -1], np.pi, [-1, 0]),
    "sinc at 0": (call("sinc"), [0], [1], [0]),
    "logsumexp of -inf": (nd.logsumexp, [-INF, 1], 1, [0, 1]),
    "logaddexp far apart": (lambda x: call("logaddexp")(x[0], x[1]), [-1000, 1000], 1000, [0, 1]),
}


@pytest.fixture(autouse=True)
def double_precision() -> Iterator[None]:
    with autograd.default_dtype("float64"), np.errstate(all="ignore"):
        yield


@pytest.mark.parametrize("row", [pytest.param(row, id=name) for name, row in ROWS.items()])
def test_the_value_and_the_gradient_are_the_promised_ones_by_reverse_and_by_forward(row: Row) -> None:
    function, point, value, gradient = row
    x = nd.array(point)
    np.testing.assert_allclose(function(x).asnumpy(), value, rtol=1e-15)
    reverse = ndgrad.grad(function)(x).asnumpy()
    forward = [ndgrad.jvp(function, [x], [unit])[1].asnumpy().sum() for unit in np.eye(len(point))]
    np.testing.assert_allclose(reverse, gradient, rtol=1e-15, err_msg="by reverse")
    np.testing.assert_allclose(forward, gradient, rtol=1e-15, err_msg="by forward")


def maximum_of_pair(x: NDArray) -> NDArray:
    made: NDArray = nd.maximum(x[0], x[1])
    return made


@pytest.mark.parametrize(
    ("convention", "function", "point", "gradient"),
    [
        ("min-norm", nd.abs, [0], [0]),
        ("torch", nd.abs, [0], [0]),
        ("mxnet", nd.abs, [0], [0]),
        ("jax", nd.abs, [0], [1]),
        ("torch", maximum_of_pair, [2, 2], [0.5, 0.5]),
        ("jax", maximum_of_pair, [2, 2], [0.5, 0.5]),
        ("mxnet", maximum_of_pair, [2, 2], [1, 0]),
        ("torch", nd.max, [2, 2], [0.5, 0.5]),
        ("jax", nd.max, [2, 2], [0.5, 0.5]),
        ("mxnet", nd.max, [2, 2], [1, 1]),
        ("torch", lambda x: nd.clip(x, 0, 1), [0, 1], [1, 1]),
        ("jax", lambda x: nd.clip(x, 0, 1), [0, 1], [0.5, 0.5]),
        ("mxnet", lambda x: nd.clip(x, 0, 1), [0, 1], [1, 1]),
    ],
)
def test_another_convention_holds_in_its_scope_only(
    convention: str, function: Callable[[NDArray], NDArray], point: list[float], gradient: list[float]
) -> None:
    x = nd.array(point)
    ours = ndgrad.grad(function)(x).asnumpy()
    with autograd.kinks(convention):
        np.testing.assert_array_equal(ndgrad.grad(function)(x).asnumpy(), gradient)
    np.testing.assert_array_equal(ndgrad.grad(function)(x).asnumpy(), ours)


def test_an_unknown_convention_is_refused() -> None:
    with pytest.raises(ndgrad.Error, match="min-norm, mxnet, torch, jax, not 'matlab'"):
        autograd.kinks("matlab")


def test_the_report_lists_the_kinks_that_a_run_came_upon() -> None:
    x = nd.array([0.0, -2.0, 0.0])
    x.attach_grad()
    with autograd.record(), autograd.keep_values():
        y = nd.sum(nd.abs(x) + nd.exp(x)) + nd.sum(nd.maximum(x, 0.0))
    met = [(kink.op, kink.where, kink.count, kink.value, kink.admissible) for kink in autograd.kinks_met(y)]
    assert met == [("abs", "x == 0", 2, "0", "[-1, 1]"), ("maximum", "a == b", 2, "1/2 each", "[0, 1]")]


@pytest.mark.parametrize("name", ["cholesky", "eigvalsh"])
def test_every_entry_of_a_symmetric_matrix_moves_its_functions(name: str) -> None:
    """NumPy reads one triangle of the matrix; here both count, so that differences agree with the gradient."""
    A = np.array([[2, 0.3, 0.1], [0.3, 3, 0.2], [0.1, 0.2, 1.5]])
    weights = np.arange(9.0).reshape(3, 3) if name == "cholesky" else np.arange(3.0)

    def f(A: Any) -> Any:
        return nd.sum(getattr(nd, name)(A) * nd.array(weights, dtype="float64"))

    x = nd.array(A, dtype="float64")
    x.attach_grad()
    with autograd.record():
        y = f(x)
    y.backward()
    for at in np.ndindex(3, 3):
        step = np.zeros((3, 3))
        step[at] = 1e-6
        ends = [float(f(nd.array(A + sign * step, dtype="float64")).asscalar()) for sign in (1, -1)]
        np.testing.assert_allclose(x.grad.asnumpy()[at], (ends[0] - ends[1]) / 2e-6, rtol=1e-6, atol=1e-9)
