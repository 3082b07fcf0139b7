"""Symbols: graphs that are written down first, bound to arrays and run; they give what the eager run gives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import ndgrad as mx
from ndgrad import autograd, nd, sym
from ndgrad.test_utils import assert_almost_equal, check_numeric_gradient


def filled(run: Any, seed: int = 0) -> Any:
    """The executor, with random numbers in its arguments."""
    draws = np.random.default_rng(seed)
    for x in run.arg_dict.values():
        x[:] = nd.array(draws.normal(size=x.shape))
    return run


def eager(symbol: Any, run: Any) -> tuple[list[Any], dict[str, Any]]:
    """The outputs and gradients of the same graph, function by function on recorded arrays."""
    from ndgrad.symbol.evaluation import run_nodes

    arrays = {name: nd.array(x) for name, x in run.arg_dict.items()}
    for x in arrays.values():
        x.attach_grad()
    with autograd.record():
        ys = run_nodes(symbol._outputs, {**arrays, **run.aux_dict})
    autograd.backward(ys)
    return ys, {name: x.grad for name, x in arrays.items()}


def network() -> Any:
    x = sym.var("x")
    hidden = sym.Activation(sym.FullyConnected(x, num_hidden=5, name="fc1"), act_type="tanh")
    return sym.FullyConnected(hidden, num_hidden=2, name="fc2") ** 2


def test_a_bound_graph_gives_what_the_eager_run_gives() -> None:
    net = network()
    run = filled(net.simple_bind(x=(4, 3)))
    run.forward(is_train=True)
    run.backward()
    ys, grads = eager(net, run)
    assert_almost_equal(run.outputs[0], ys[0])
    for name, g in grads.items():
        assert_almost_equal(run.grad_dict[name], g)


def test_names_and_shapes_follow_from_the_graph() -> None:
    net = network()
    assert net.list_arguments() == ["x", "fc1_weight", "fc1_bias", "fc2_weight", "fc2_bias"]
    assert net.infer_shape(x=(4, 3)) == ([(4, 3), (5, 3), (5,), (2, 5), (2,)], [(4, 2)], [])
    with pytest.raises(mx.ShapeError, match=r"\[E304\] the shapes of `x`, `fc1_weight`, `fc2_weight` do not follow"):
        net.infer_shape(fc1_bias=(5,))


def test_the_gradient_is_a_symbol_and_so_is_its_gradient() -> None:
    x = sym.var("x")
    y = sym.sum(x**3 * sym.sin(x))
    first = y.gradient("x")
    second = sym.sum(first).gradient("x")
    at = np.array([0.3, -1.2, 2.0])
    for run in (lambda s: s.eval(x=at)[0], lambda s: s.bind(args={"x": at}).forward()[0]):
        assert_almost_equal(run(first), 3 * at**2 * np.sin(at) + at**3 * np.cos(at))
        assert_almost_equal(run(second), 6 * at * np.sin(at) + 6 * at**2 * np.cos(at) - at**3 * np.sin(at))
    check_numeric_gradient(sym.sum(first * first), {"x": at})


def test_json_round_trips_are_identical() -> None:
    net = network().gradient(["x", "fc1_bias"])
    again = sym.load_json(net.tojson())
    assert again.tojson() == net.tojson()
    assert again.list_arguments() == net.list_arguments()
