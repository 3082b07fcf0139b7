"""Symbols: graphs that are written down first, bound to arrays and run; they give what the eager run gives."""

from __future__ import annotations

import json
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


# Graphs


def test_symbols_compose_by_name_and_by_order() -> None:
    inner = sym.FullyConnected(sym.var("data"), num_hidden=3, name="in")
    outer = sym.FullyConnected(sym.var("data2"), num_hidden=2, name="out")
    net = outer(data2=sym.relu(inner), name="composed")
    assert net.name == "composed"
    assert net.list_arguments() == ["data", "in_weight", "in_bias", "out_weight", "out_bias"]
    assert outer.list_arguments() == ["data2", "out_weight", "out_bias"]
    assert outer(inner).list_arguments() == net.list_arguments()
    assert net.infer_shape(data=(7, 5))[1] == [(7, 2)]


def test_internals_children_outputs_and_groups() -> None:
    x = sym.var("x")
    net = sym.tanh(sym.FullyConnected(x, num_hidden=3, name="fc"), name="t")
    internals = net.get_internals()
    assert internals.list_outputs() == ["x", "fc_weight", "fc_bias", "fc_output", "t_output"]
    assert internals["fc_output"].infer_shape(x=(2, 4))[1] == [(2, 3)]
    assert net.get_children().list_outputs() == ["fc_output"]
    assert x.get_children() is None
    group = sym.Group([net, x * 2])
    assert len(group) == 2
    assert [part.list_outputs() for part in group] == [["t_output"], group[1].list_outputs()]
    values = sym.Group([x * 2, x + 1]).eval(x=nd.array([1.0, 2.0]))
    assert [v.asnumpy().tolist() for v in values] == [[2, 4], [2, 3]]


def test_attributes_are_texts_that_stay() -> None:
    x = sym.var("x", attr={"mood": "calm"}, shape=(2, 0), dtype="float64", lr_mult=2.0)
    y = sym.sin(x, name="y", attr={"stage": "1"})
    assert x.attr("mood") == "calm"
    assert y.attr_dict() == {
        "x": {"mood": "calm", "__shape__": "(2, 0)", "__lr_mult__": "2.0", "__dtype__": "float64"},
        "y": {"stage": "1"},
    }
    y._set_attr(stage="2")
    assert sym.load_json(y.tojson()).list_attr() == {"stage": "2"}
    assert y.infer_type()[1] == [np.float64]


def test_every_function_of_nd_is_a_function_of_sym() -> None:
    missing = [name for name in dir(nd) if name[0] != "_" and callable(getattr(nd, name)) and not hasattr(sym, name)]
    assert sorted(missing) == ["NDArray", "array", "empty", "from_numpy", "save", "waitall"]


def test_operators_of_symbols_are_those_of_arrays() -> None:
    a, b = np.array([1.0, 2.0, 3.5]), np.array([2.0, -1.0, 3.5])
    x, y = sym.var("x"), sym.var("y")
    for f in (
        lambda p, q: 2 + p - q * 3,
        lambda p, q: 1 / p + p / q,
        lambda p, q: p**2 + 2**q,
        lambda p, q: p % q + p // 2,
        lambda p, q: (p > q) + (p >= q) * 2 + (p < q) * 4 + (p <= q) * 8 + (p == q) * 16 + (p != q) * 32,
        lambda p, q: -p + abs(q) + q,
        lambda p, q: p @ q,
    ):
        found = f(x, y).eval(x=a, y=b)[0]
        assert_almost_equal(found, f(nd.array(a), nd.array(b)))


def test_shapes_are_inferred_by_part_and_backwards() -> None:
    a, b, c = sym.var("a"), sym.var("b"), sym.var("c")
    y = sym.FullyConnected(a + b, num_hidden=3, name="fc") * c
    assert y.infer_shape_partial(c=(2, 3)) == ([None, None, None, (3,), (2, 3)], [(2, 3)], [])
    assert y.infer_shape(a=(2, 5)) == ([(2, 5), (2, 5), (3, 5), (3,), (2, 3)], [(2, 3)], [])
    open_ended = sym.var("d", shape=(0, 4)) + sym.var("e")
    assert open_ended.infer_shape(e=(6, 4))[0] == [(6, 4), (6, 4)]
    with pytest.raises(mx.ShapeError, match="E304"):
        open_ended.infer_shape(e=(6, 5))
    with pytest.raises(mx.ShapeError, match="E301"):
        y.infer_shape(a=(2, 5), b=(3, 5))
    with pytest.raises(mx.NameError_, match="did you mean `fc_bias`"):
        y.infer_shape(fc_bia=(3,))


def test_dtypes_are_inferred() -> None:
    x, i = sym.var("x"), sym.var("i", dtype="int64")
    assert sym.exp(x).infer_type(x="float64") == ([np.float64], [np.float64], [])
    assert sym.cast(x, dtype="float16").infer_type() == ([np.float32], [np.float16], [])
    assert sym.argsort(x).infer_type()[1] == [np.float32]
    assert (i + 1).infer_type()[1] == [np.int64]
    assert (x > 0).infer_type(x="float64")[1] == [np.float64]


# Executors


@pytest.mark.parametrize(("req", "wanted"), [("write", 6.0), ("add", 18.0), ("null", 0.0)])
def test_requests_of_gradients(req: str, wanted: float) -> None:
    x = sym.var("x")
    grads = {"x": nd.zeros(1)}
    run = (x * x).bind(args=[nd.array([3.0])], args_grad=grads, grad_req=req)
    for _ in range(3):
        run.forward(is_train=True)
        run.backward()
    assert grads["x"].asscalar() == wanted
    assert run.grad_dict["x"] is grads["x"]


def test_heads_may_be_given_and_left_out() -> None:
    x = sym.var("x")
    run = sym.Group([x * 2, x * x]).bind(args={"x": nd.array([1.0, 3.0])}, args_grad={"x": nd.zeros(2)})
    run.forward(is_train=True)
    run.backward([None, nd.array([10.0, 1.0])])
    assert run.grad_dict["x"].asnumpy().tolist() == [22.0, 8.0]
    run.backward()  # again, from the same forward pass
    assert run.grad_dict["x"].asnumpy().tolist() == [4.0, 8.0]
    with pytest.raises(mx.GradientError, match="E404"):
        run.backward([nd.ones(3), nd.ones(2)])
    with pytest.raises(mx.ShapeError, match="E307"):
        run.backward([nd.ones(2)])


def test_arguments_are_changed_reshaped_and_copied() -> None:
    net = network()
    run = filled(net.simple_bind(x=(4, 3)))
    run.forward(x=np.ones((4, 3)))
    assert run.arg_dict["x"].asnumpy().sum() == 12
    wider = run.reshape(x=(9, 3))
    assert wider.arg_dict["fc1_weight"] is run.arg_dict["fc1_weight"]
    wider.forward(x=np.ones((9, 3)))
    assert_almost_equal(wider.outputs[0][0], run.outputs[0][0])
    assert_almost_equal(wider.output_dict[net.list_outputs()[0]], wider.outputs[0])
    run.copy_params_from({"fc1_bias": nd.ones(5)})
    assert run.arg_dict["fc1_bias"].asnumpy().tolist() == [1] * 5
    run.copy_params_from({"other": nd.ones(5)}, allow_extra_params=True)


@pytest.mark.parametrize(
    ("provoke", "code"),
    [
        (lambda x: (x * sym.var("y")).bind(args={"x": nd.ones(2)}), "E203"),
        (lambda x: (x * 2).bind(args={"x": nd.ones(2), "z": nd.ones(2)}), "E201"),
        (lambda x: (x * 2).bind(args=[nd.ones(2), nd.ones(2)]), "E307"),
        (lambda x: (x * 2).bind(args=[nd.ones(2)], grad_req="sum"), "E307"),
        (lambda x: (x * 2).bind(args=[nd.ones(2)], args_grad=[nd.ones(3)]), "E304"),
        (lambda x: (x * 2).bind(mx.gpu(0), args=[nd.ones(2)]), "E701"),
        (lambda x: (x * 2).bind(args=[nd.ones(2)]).backward(), "E307"),
        (lambda x: (x * 2).bind(args=[nd.ones(2)]).forward(y=1), "E201"),
        (lambda x: (x * 2).bind(args=[nd.ones(2)]).forward(x=nd.ones(3)), "E304"),
        (lambda x: (x * 2).bind(args=[nd.ones(2)]).copy_params_from({"w": nd.ones(2)}), "E201"),
        (lambda x: (x @ x).bind(args=[nd.ones((2, 3))]).forward(), "E301"),
        (lambda x: (x * sym.var("x")).eval(x=nd.ones(2)), "E307"),
        (lambda x: (x * 2).gradient("y"), "E201"),
        (lambda x: x["y"], "E303"),
        (lambda x: x[3], "E303"),
        (lambda x: sym.Group([]), "E307"),
        (lambda x: sym.FullyConnected(x, num_hiden=3), "E204"),
        (lambda x: sym.dot(x), "E204"),
        (lambda x: bool(x > 0), "E308"),
        (lambda x: sym.var("x", attr={"a": 1}), "E307"),
        (lambda x: sym.var(3), "E307"),
        (lambda x: sym.load_json("{"), "E604"),
        (lambda x: sym.load_json('{"nodes": []}'), "E604"),
        (lambda x: sym.load_json('{"ndgrad_symbol": 1, "nodes": [{"op": "no_such"}], "heads": []}'), "E604"),
        (lambda x: sym.contrib.foreach(lambda a, s: (a, [s, s]), x, x), "E307"),
    ],
)
def test_each_mistake_has_its_code(provoke: Any, code: str) -> None:
    with pytest.raises(mx.Error) as caught:
        provoke(sym.var("x"))
    assert caught.value.code == code, caught.value


def test_an_unknown_function_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match="did you mean 'FullyConnected'"):
        sym.FulyConnected  # noqa: B018


def test_an_argument_overwritten_between_the_passes_is_an_error() -> None:
    run = (sym.var("x") ** 2).bind(args={"x": nd.array([2.0])}, args_grad={"x": nd.zeros(1)})
    run.forward(is_train=True)
    run.arg_dict["x"][:] = 5
    with pytest.raises(mx.GradientError, match="E405"):
        run.backward()
    run.forward(is_train=True, x=nd.array([3.0]))
    run.backward()
    assert run.grad_dict["x"].asscalar() == 6
    run.copy_params_from({"x": nd.array([5.0])})
    with pytest.raises(mx.GradientError, match="E405"):
        run.backward()


def test_outputs_do_not_change_with_the_arguments() -> None:
    run = sym.var("x").reshape((2, 2)).bind(args={"x": nd.arange(4)})
    (y,) = run.forward()
    run.arg_dict["x"][:] = 9
    assert y.asnumpy().tolist() == [[0, 1], [2, 3]]


# Plans


def test_equal_operations_are_one_step_and_unused_ones_none() -> None:
    x, w = sym.var("x"), sym.var("w")
    unused = sym.exp(x)
    y = sym.sin(x * w) + sym.sin(x * w) * 2
    plan = sym.Group([y, unused])[0].bind(args={"x": nd.ones(2), "w": nd.ones(2)}).plan(False)
    assert [step.op.name for step in plan.steps] == ["multiply", "sin", "multiply", "add"]


def test_a_gradient_shares_what_its_value_has_computed() -> None:
    x = sym.var("x")
    y = sym.exp(x)
    plan = sym.Group([y, y.gradient("x")]).bind(args={"x": nd.ones(2)}).plan(False)
    assert [step.op.name for step in plan.steps].count("exp") == 1


def test_entries_that_no_path_reaches_have_gradient_0() -> None:
    x = sym.var("x")
    y = sym.where(x > 0, sym.sqrt(x), sym.zeros_like(x))
    run = y.bind(args={"x": nd.array([0.0, 4.0])}, args_grad={"x": nd.zeros(2)})
    run.forward(is_train=True)
    run.backward()
    assert run.grad_dict["x"].asnumpy().tolist() == [0, 0.25]
    slope = y.gradient("x")
    run = slope.bind(args={"x": nd.array([0.0, 4.0])}, args_grad={"x": nd.zeros(2)})
    assert run.forward(is_train=True)[0].asnumpy().tolist() == [0, 0.25]
    run.backward()
    assert run.grad_dict["x"].asnumpy().tolist() == [0, -1 / 32]


def test_gradients_of_calls_that_are_one_step_are_symbols_too() -> None:
    x, i = sym.var("x"), sym.var("i")
    given = {"i": nd.array([0, 2, 2]), "x": nd.array(np.arange(6.0).reshape(3, 2))}
    first = sym.sum(sym.Embedding(i, x, input_dim=3, output_dim=2) ** 3).gradient("x")
    second = sym.sum(first).gradient("x")
    for run in (lambda s: s.eval(**given)[0], lambda s: s.bind(args=given).forward()[0]):
        assert run(first).asnumpy().tolist() == [[0, 3], [0, 0], [96, 150]]
        assert run(second).asnumpy().tolist() == [[0, 6], [0, 0], [48, 60]]
    _, (last,) = sym.contrib.while_loop(lambda v: sym.sum(v) < 50, lambda v: (v, [v * v]), [x])
    slope = sym.sum(last).gradient("x").bind(args={"x": nd.array([2.0, 3.0])})
    assert slope.forward()[0].asnumpy().tolist() == [32, 108]


def test_dropout_draws_anew_in_each_pass_and_goes_back_through_its_own_mask() -> None:
    run = sym.Dropout(sym.var("x"), p=0.5).simple_bind(x=(300,))
    run.arg_dict["x"][:] = 1
    masks = []
    for _ in range(2):
        run.forward(is_train=True)
        run.backward()
        assert mx.test_utils.same(run.outputs[0], run.grad_dict["x"])
        masks.append(run.outputs[0].asnumpy())
    assert (masks[0] != masks[1]).any()
    assert (run.forward()[0].asnumpy() == 1).all()


def test_a_long_chain_is_bound_without_recursion_and_in_stretches() -> None:
    x = sym.var("x")
    y = x
    for _ in range(2000):
        y = y * 1.001
    run = y.bind(args={"x": nd.array([1.0], dtype="float64")}, args_grad={"x": nd.array([0.0], dtype="float64")})
    run.forward(is_train=True)
    run.backward()
    np.testing.assert_allclose(run.grad_dict["x"].asnumpy(), 1.001**2000, rtol=1e-10)


def test_the_same_symbol_runs_on_other_shapes_and_dtypes() -> None:
    y = sym.sum(sym.var("x") ** 2)
    for dtype in ("float32", "float64"):
        for shape in ((2,), (3, 4), ()):
            run = y.bind(args={"x": nd.full(shape, 3.0, dtype=dtype)}, args_grad={"x": nd.zeros(shape, dtype=dtype)})
            (value,) = run.forward(is_train=True)
            run.backward()
            assert value.dtype == dtype
            assert (run.grad_dict["x"].asnumpy() == 6).all()


# Loops and branches


def cumulative(F: Any, x: Any, s: Any, w: Any) -> Any:
    def step(row: Any, state: Any) -> Any:
        new = F.tanh(row * w + state)
        return new * 2, new

    outputs, last = F.contrib.foreach(step, x, s)
    return F.sum(outputs * outputs) + F.sum(last)


@pytest.mark.parametrize("unrolled", [True, False])
def test_foreach_is_the_same_on_arrays_and_in_graphs(unrolled: bool, monkeypatch: Any) -> None:
    from ndgrad.symbol import evaluation

    if not unrolled:
        monkeypatch.setattr(evaluation, "UNROLLED", 0)
    arrays = {"x": nd.array(np.random.default_rng(1).normal(size=(5, 3))), "s": nd.ones(3), "w": nd.array([0.5, -1, 2])}
    for x in arrays.values():
        x.attach_grad()
    with autograd.record():
        wanted = cumulative(nd, **arrays)
    wanted.backward()
    y = cumulative(sym, **{name: sym.var(name) for name in arrays})
    assert y.infer_shape(x=(5, 3))[0] == [(5, 3), (3,), (3,)]
    run = y.bind(args=dict(arrays), args_grad={name: nd.zeros(x.shape) for name, x in arrays.items()})
    assert_almost_equal(run.forward(is_train=True)[0], wanted)
    run.backward()
    for name, x in arrays.items():
        assert_almost_equal(run.grad_dict[name], x.grad, rtol=1e-4)
    again = sym.load_json(y.tojson())
    assert again.tojson() == y.tojson()
    assert_almost_equal(again.eval(**arrays)[0], wanted)


def test_while_loop_ends_when_it_ends() -> None:
    def grow(F: Any, x: Any) -> Any:
        return F.contrib.while_loop(lambda v: F.sum(v) < 20, lambda v: (v + 1, [v * 2]), [x])

    x = nd.array([1.0, 2.0])
    x.attach_grad()
    with autograd.record():
        outputs, (last,) = grow(nd, x)
    last.backward()
    assert outputs.asnumpy().tolist() == [[2, 3], [3, 5], [5, 9]]
    assert x.grad.asnumpy().tolist() == [8, 8]
    rows, (end,) = grow(sym, sym.var("x"))
    for head, gradient in ((end, [8, 8]), (rows, [7, 7])):
        run = head.bind(args={"x": x}, args_grad={"x": nd.zeros(2)})
        run.forward(is_train=True)
        run.backward()
        assert run.grad_dict["x"].asnumpy().tolist() == gradient
    assert rows.infer_shape_partial(x=(2,)) == ([(2,)], [None], [])
    empty, _ = nd.contrib.while_loop(lambda v: nd.sum(v) < 0, lambda v: (v + 1, [v]), [x])
    assert empty.shape == (0, 2)
    limited, _ = nd.contrib.while_loop(lambda v: nd.sum(v) < 20, lambda v: (v, [v * 2]), [x], max_iterations=2)
    assert limited.shape == (2, 2)


@pytest.mark.parametrize(
    ("at", "value", "slope"), [([1.0, 2.0], [2.0, 8.0], [4.0, 8.0]), ([-1.0, 0.5], [-3.0, 1.5], [3.0, 3.0])]
)
def test_cond_takes_one_side(at: Any, value: Any, slope: Any) -> None:
    x = sym.var("x")
    square = x * x
    y = sym.contrib.cond(sym.sum(x) > 0, lambda: square * 2, lambda: x * 3)
    run = y.bind(args={"x": nd.array(at)}, args_grad={"x": nd.zeros(2)})
    assert run.forward(is_train=True)[0].asnumpy().tolist() == value
    run.backward()
    assert run.grad_dict["x"].asnumpy().tolist() == slope


def test_the_symbol_of_a_recorded_array_computes_it_again() -> None:
    x, w = nd.array(np.random.default_rng(2).normal(size=(4, 3))), nd.ones((2, 3))
    for each in (x, w):
        each.attach_grad()
    with autograd.record():
        y = nd.log_softmax(nd.FullyConnected(x, w, no_bias=True, num_hidden=2))[1:, ::-1].sum(axis=0) * 3
    symbol = autograd.get_symbol(y)
    assert_almost_equal(symbol.eval(var0=x, var1=w)[0], y)
    with pytest.raises(mx.GradientError, match="E402"):
        autograd.get_symbol(nd.ones(1))
    with pytest.raises(mx.Error, match=r"E305.*not Symbol"):
        autograd.get_symbol(symbol)  # type: ignore[arg-type]
    y.backward()
    with pytest.raises(mx.GradientError, match="E403"):
        autograd.get_symbol(y)


def _text(nodes: list[dict[str, Any]], heads: Any = ((1, 0),)) -> str:
    return json.dumps({"ndgrad_symbol": 1, "nodes": [{"op": "null", "name": "x"}, *nodes], "heads": heads})


def _called(op: Any, **more: Any) -> dict[str, Any]:
    return {"op": op, "name": "f", "inputs": [[0, 0]], "args": [{"slot": 0}], **more}


OTHERS = ["save", "load", "random.seed", "random.generator", "random.np", "random._made", "__class__", "__dict__", "np",
          "linalg.__class__", "contrib.np", "contrib.foreach", "contrib.__class__", "core.none", "nd", 5]  # fmt: skip
NOT_GRAPHS = {
    **{f"calls {op}": _text([_called(op)]) for op in OTHERS},
    "an output that is not there": _text([_called("tanh")], [[0, 5]]),
    "a node that is not there": _text([_called("tanh")], [[-1, 0]]),
    "no outputs": _text([_called("tanh")], []),
    "a slot that is not there": _text([_called("tanh", args=[{"slot": 3}])]),
    "a slot from the end": _text([_called("tanh", args=[{"slot": -1}])]),
    "a node after it": _text([_called("tanh", inputs=[[1, 0]])]),
    "a write into what it is given": _text([_called("tanh", named={"out": {"slot": 0}})]),
    "an array of objects": _text([_called("tanh", args=[{"array": [1], "shape": [1], "dtype": "object"}])]),
    "an array of no size": _text([_called("tanh", args=[{"array": [1], "shape": [10**30], "dtype": "int8"}])]),
    "no name": _text([{"op": "tanh"}]),
    "a deep nest": _text([]) [:-2] + "[" * 100_000,
}  # fmt: skip


@pytest.mark.parametrize("what", NOT_GRAPHS)
def test_a_file_can_name_nothing_but_functions_of_arrays(what: str) -> None:
    with pytest.raises(mx.Error) as caught:
        sym.load_json(NOT_GRAPHS[what])
    assert caught.value.code == "E604"


@pytest.mark.parametrize(
    ("node", "code"),
    [
        (_called("tanh", outputs=3), "E604"),
        (_called("zeros", inputs=[], args=[{"tuple": [10**15]}]), "E502"),
        (_called("zeros", inputs=[], args=[{"tuple": [10**30]}]), "E307"),
        (_called("zeros", inputs=[], args=["many"]), "E307"),
        (_called("tanh", args=[]), "E304"),
        (_called("tanh", named={"colour": 1}), "E204"),
    ],
)
def test_a_call_that_cannot_be_made_is_a_diagnostic(node: dict[str, Any], code: str) -> None:
    symbol = sym.load_json(_text([node, {"op": "core.add", "name": "g", "inputs": [[0, 0], [1, 0]],
                                         "args": [{"slot": 0}, {"slot": 1}]}], [[2, 0]]))  # fmt: skip
    with pytest.raises(mx.Error) as caught:
        symbol.eval(x=nd.array([1.0, 2.0]))
    assert caught.value.code == code, caught.value
