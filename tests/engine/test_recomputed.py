"""Functions that are run again for their derivative: with what they read when they were called, or an error."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import ndgrad
from ndgrad import autograd, nd
from ndgrad.errors import Error
from ndgrad.implicit import fixed_point
from ndgrad.ndarray import NDArray

Function = Callable[[NDArray], NDArray]
module_scale: Any = 5.0


def array(values: Any) -> NDArray:
    return nd.array(np.asarray(values, dtype=np.float64))


def slope(function: Function, at: float = 2.0) -> float:
    """The derivative by `backward`, which runs after the function has returned."""
    x = array(at)
    x.attach_grad()
    with autograd.record():
        y = function(x)
    y.backward()
    assert x.grad is not None
    made = float(x.grad.item())
    x.drop_grad()
    return made


def difference(function: Function, at: float = 2.0, step: float = 1e-5) -> float:
    return float((function(array(at + step)) - function(array(at - step))).item() / (2 * step))


def in_a_loop(x: NDArray) -> NDArray:
    z = 0 * x
    for i in range(3):
        z = z + ndgrad.checkpoint(lambda t: t * i)(x)  # noqa: B023
    return z


def rebound(x: NDArray) -> NDArray:
    p: Any = x * 1
    z = ndgrad.checkpoint(lambda t: t * p)(x)
    p = 0
    return z + p


def by_a_function_around(x: NDArray) -> NDArray:
    p: Any = x * 1

    def inner(t: NDArray) -> NDArray:
        made: NDArray = t * p
        return made

    z = ndgrad.checkpoint(lambda t: inner(t))(x)
    p = 0
    return z + p


def in_a_list(x: NDArray) -> NDArray:
    weights: list[Any] = [x * 2, {"b": (x, 1)}]
    z = ndgrad.checkpoint(lambda t: t * weights[0] * weights[1]["b"][0])(x)
    weights[0] = 9.0
    weights[1]["b"] = (0.0, 1)
    return z


def scaled(t: NDArray) -> NDArray:
    made: NDArray = t * module_scale
    return made


def of_the_module(x: NDArray) -> NDArray:
    global module_scale
    module_scale = x * 1
    z = ndgrad.checkpoint(lambda t: scaled(t))(x)
    module_scale = 7.0
    return z


def recursive(x: NDArray) -> NDArray:
    def power(t: NDArray, n: int = 3) -> NDArray:
        return t if n == 0 else x * power(t, n - 1)

    return ndgrad.checkpoint(power)(x)


def fixed_points_in_a_loop(x: NDArray) -> NDArray:
    z = 0 * x
    for i in range(3):
        w = x * i
        z = z + fixed_point(lambda t: 0.5 * t + w, array(0.0))  # noqa: B023
    return z


def stated(x: NDArray) -> NDArray:
    p: Any = x.detach()
    z = ndgrad.custom_gradient(lambda t: t * p, lambda g, t: g * p)(x)
    p = 100
    return z + 0 * p


def dependent(x: NDArray) -> NDArray:
    s = 2 * x
    return ndgrad.checkpoint(lambda t: t * s * x)(x) + fixed_point(lambda t: 0.5 * t + s * x, array(0.0))


EXAMPLES: dict[Function, float] = {
    in_a_loop: 3,
    rebound: 4,
    by_a_function_around: 4,
    in_a_list: 24,
    of_the_module: 4,
    recursive: 32,
    fixed_points_in_a_loop: 6,
    stated: 2,
    dependent: 40,
}


@pytest.mark.parametrize("function", EXAMPLES, ids=lambda function: function.__name__)
def test_variables_are_what_they_were(function: Function) -> None:
    np.testing.assert_allclose(slope(function), EXAMPLES[function], rtol=1e-9)
    if function is not stated:
        np.testing.assert_allclose(difference(function), EXAMPLES[function], rtol=1e-6)


def written(x: NDArray) -> NDArray:
    p = x * array([1.0, 1.0])
    z = nd.sum(ndgrad.checkpoint(lambda t: t * p)(x))
    p[0] = 50
    return z


def written_for_a_rule(x: NDArray) -> NDArray:
    p = array([1.0, 1.0])
    z = nd.sum(ndgrad.custom_gradient(lambda t: t * p, lambda g, t: nd.sum(g * p))(x))
    p[0] = 50
    return z


def of_an_object(x: NDArray) -> NDArray:
    layer = SimpleNamespace(scale=3.0)
    z = ndgrad.checkpoint(lambda t: t * layer.scale)(x)
    layer.scale = 4.0
    return z


def another_array_of_an_object(x: NDArray) -> NDArray:
    layer = SimpleNamespace(scale=x * 3)
    z = ndgrad.checkpoint(lambda t: t * layer.scale)(x)
    layer.scale = x * 3
    return z


@pytest.mark.parametrize("function", [written, written_for_a_rule, of_an_object, another_array_of_an_object])
def test_what_has_changed_out_of_sight_is_an_error_and_never_a_wrong_gradient(function: Function) -> None:
    with pytest.raises(ndgrad.Error) as caught:
        slope(function)
    assert caught.value.code == "E405"


def test_it_is_run_again_in_the_mode_of_the_first_run_with_its_random_numbers() -> None:
    def dropped(x: NDArray) -> NDArray:
        made: NDArray = nd.sum(ndgrad.checkpoint(lambda t: nd.Dropout(t * array(np.ones(64)), 0.5))(x))
        return made

    def predicted(x: NDArray) -> NDArray:
        with autograd.predict_mode():
            return dropped(x)

    ndgrad.random.seed(3)
    value = dropped(array(1.0)).item()
    assert slope(predicted, 1.0) == 64
    for _ in range(3):
        x = array(1.0)
        x.attach_grad()
        with autograd.record():
            y = dropped(x)
        after = ndgrad.random.uniform(shape=3)
        y.backward()
        assert x.grad is not None
        assert x.grad.item() == y.item()
        assert not np.array_equal(after.asnumpy(), ndgrad.random.uniform(shape=3).asnumpy())
    assert value == 64


def test_a_checkpoint_of_a_captured_array_moves_in_forward_mode() -> None:
    def function(s: NDArray) -> NDArray:
        return ndgrad.checkpoint(lambda t: nd.sin(t) * s**3)(array(0.5))

    wanted = 6 * 2.0 * np.sin(0.5)
    for second in (
        ndgrad.hessian(function)(array(2.0)),
        ndgrad.grad(ndgrad.grad(function))(array(2.0)),
        ndgrad.jvp(ndgrad.grad(function), [array(2.0)], [array(1.0)])[1],
        ndgrad.vmap(ndgrad.hessian(function))(array([2.0]))[0],
    ):
        np.testing.assert_allclose(second.item(), wanted, rtol=1e-12)


def test_a_stated_gradient_of_a_batch_that_is_captured() -> None:
    def function(s: NDArray) -> Function:
        return ndgrad.custom_gradient(lambda t: t * s, lambda g, t: g * s)

    batch = array([1.0, 3.0])
    np.testing.assert_allclose(ndgrad.vmap(lambda s: function(s)(array(2.0)))(batch).asnumpy(), [2, 6])
    np.testing.assert_allclose(ndgrad.vmap(lambda s: ndgrad.grad(function(s))(array(2.0)))(batch).asnumpy(), [1, 3])


def test_a_stated_gradient_is_differentiated_by_what_its_rule_closes_over() -> None:
    """The rule says that the derivative by t is st, with an s that is captured."""

    def function(s: NDArray) -> Function:
        return ndgrad.custom_gradient(lambda t: t * s, lambda g, t: g * s * t)

    def slope_by_t(s: NDArray) -> NDArray:
        made: NDArray = ndgrad.grad(function(s))(array(2.0))
        return made

    one, three = array(1.0), array(3.0)
    assert ndgrad.grad(slope_by_t)(three).item() == 2
    assert ndgrad.jvp(slope_by_t, [three], [one])[1].item() == 2
    assert ndgrad.vmap(ndgrad.grad(slope_by_t))(array([3.0])).asnumpy() == [2]

    def both(z: NDArray) -> NDArray:
        return function(2 * z)(z)  # its derivative is said to be 2z², that by the captured 2z not counted

    assert ndgrad.hessian(both)(three).item() == 12
    assert ndgrad.grad(ndgrad.grad(both))(three).item() == 12
    assert ndgrad.grad(lambda z: ndgrad.jvp(both, [z], [one])[1])(three).item() == 12


def test_a_stated_gradient_of_another_shape_is_refused() -> None:
    x = nd.array([[1.0, 2], [3, 4]])
    x.attach_grad()
    with autograd.record():
        y = ndgrad.custom_gradient(lambda t: t**2, lambda h, t: nd.zeros((3, 2)))(x)
    with pytest.raises(Error, match="the gradient of operand 0 is 3×2, the operand 2×2"):
        y.backward()
