"""NDArray as MXNet's users know it: buffers, writes, views, copies, names, and what is refused."""

from __future__ import annotations

import operator
import pickle
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import ndgrad as mx
from ndgrad import autograd, nd
from ndgrad.errors import Error
from ndgrad.ndarray import NDArray
from ndgrad.ops.indexing import plain_key


def leaf(values: Any, req: Any = "write") -> NDArray:
    x = nd.array(np.asarray(values, dtype=np.float64))
    x.attach_grad(req)
    return x


def test_in_place_operations_keep_the_array_and_its_buffer() -> None:
    x = same = nd.array([1.0, 2, 3])
    buffer = x.data
    x += 1
    x[:] = x * 2
    nd.exp(nd.zeros((3,)), out=x)
    x.zero_()
    assert x is same
    assert x.data is buffer
    np.testing.assert_array_equal(x.asnumpy(), [0, 0, 0])


def test_a_basic_slice_shares_memory_and_an_advanced_one_does_not() -> None:
    x = nd.array([1.0, 2, 3, 4])
    view, copy = x[1:3], x[nd.array([1, 2])]
    view[:] = 9
    copy[:] = 5
    np.testing.assert_array_equal(x.asnumpy(), [1, 9, 9, 4])


def test_the_result_of_a_comparison_is_a_mask_and_other_floats_are_positions() -> None:
    x = nd.array([-1.0, 2, -3, 4])
    np.testing.assert_array_equal(x[x > 0].asnumpy(), [2, 4])
    x[x < 0] = 0
    np.testing.assert_array_equal(x.asnumpy(), [0, 2, 0, 4])
    np.testing.assert_array_equal(x[nd.array([3, 1])].asnumpy(), [4, 2])
    with pytest.raises(Error) as caught:
        x[(x > 0) * (x < 3)]
    assert caught.value.code == "E303"
    assert "mask or positions" in str(caught.value)


def test_a_mask_differentiates_in_reading_and_writing() -> None:
    x = leaf([-1.0, 2, 3])
    with autograd.record():
        y = x * x
        y[x < 0] = 0
        z = nd.sum(y) + nd.sum(x[x > 2])
    z.backward()
    np.testing.assert_array_equal(x.grad.asnumpy(), [0, 4, 7])


def test_writes_under_recording_differentiate() -> None:
    x = leaf([2.0, 3, 4])
    with autograd.record():
        y = x + 0
        y *= x
        y[1:2] = x[0:1] * 5
        z = y.sum()
    z.backward()
    np.testing.assert_array_equal(x.grad.asnumpy(), [9, 0, 8])


def test_out_differentiates_too() -> None:
    x, out = leaf([1.0, 2]), nd.zeros((2,), dtype="float64")
    with autograd.record():
        y = nd.square(x, out=out)
    y.backward()
    assert y is out
    np.testing.assert_array_equal(x.grad.asnumpy(), [2, 4])


@pytest.mark.parametrize(("req", "wanted"), [("write", 6), ("add", 12), ("null", 0)])
def test_grad_req_over_two_backwards_with_a_fan_out_of_six(req: str, wanted: float) -> None:
    x = leaf([1.0], req)
    for _ in range(2):
        with autograd.record():
            y = x + x + x + x + x + x
        y.backward()
    assert x.grad.item() == wanted


def test_the_implicit_style_records_without_record() -> None:
    x = nd.array([2.0]).requires_grad_()
    (x * x).backward()
    (x * 3).backward()
    assert x.grad.item() == 7
    x.grad.zero_()
    assert x.grad.item() == 0
    assert x.detach().node is None
    x.requires_grad_(False)
    assert (x * 2).node is None


def test_drop_grad_undoes_attach_grad() -> None:
    x = leaf([1.0])
    x.drop_grad()
    assert x.grad is None
    with autograd.record():
        assert (x * 2).node is None


def test_a_backward_that_does_not_reach_an_array_zeroes_its_gradient_and_says_so() -> None:
    x, w = leaf([1.0]), leaf([2.0])
    with autograd.record():
        y = x * w
    y.backward()
    with autograd.record():
        unused = w * 3
        y = x * 2
    with pytest.warns(mx.GradientNote, match="not reached"):
        y.backward()
    assert (x.grad.item(), w.grad.item()) == (2, 0)
    del unused


def test_a_derivative_of_zero_is_stored_as_zero() -> None:
    x = leaf([1.5])
    x.grad[:] = 7
    with autograd.record():
        y = nd.floor(x)
    y.backward()
    assert x.grad.item() == 0


def test_several_heads_with_their_own_cotangents() -> None:
    x = leaf([1.0, 2])
    with autograd.record():
        y, z = x * 2, x * x
    autograd.backward([y, z], [nd.array([1.0, 10]), None])
    np.testing.assert_array_equal(x.grad.asnumpy(), [4, 24])


def test_a_leaf_is_its_own_head() -> None:
    x = leaf([1.0, 2])
    x.backward(nd.array([3.0, 4]))
    np.testing.assert_array_equal(x.grad.asnumpy(), [3, 4])


class Sigmoid(autograd.Function):
    def forward(self, x: NDArray) -> NDArray:
        y = 1 / (1 + nd.exp(-x))
        self.save_for_backward(y)
        return y

    def backward(self, dy: NDArray) -> NDArray:
        (y,) = self.saved_tensors
        return dy * y * (1 - y)


def test_a_function_of_ones_own_can_be_chained_and_used_again() -> None:
    x, f = leaf([0.5], "add"), Sigmoid()
    for _ in range(2):
        with autograd.record():
            y = f(f(x))
        y.backward()
    s = 1 / (1 + np.exp(-0.5))
    t = 1 / (1 + np.exp(-s))
    np.testing.assert_allclose(x.grad.item(), 2 * t * (1 - t) * s * (1 - s))


@pytest.mark.parametrize("recording", [True, False])
@pytest.mark.parametrize("training", [True, False])
def test_the_truth_table_of_recording_and_training(recording: bool, training: bool) -> None:
    scope = autograd.record if recording else autograd.pause
    with scope(train_mode=training):
        assert (autograd.is_recording(), autograd.is_training()) == (recording, training)
        kept = float(np.mean(nd.Dropout(nd.ones((1000,)), p=0.5).asnumpy() == 0))
        assert (kept > 0.3) == training
        with autograd.predict_mode():
            assert not autograd.is_training()
        with autograd.train_mode():
            assert (autograd.is_recording(), autograd.is_training()) == (recording, True)
    always = nd.Dropout(nd.ones((1000,)), p=0.5, mode="always").asnumpy()
    assert np.mean(always == 0) > 0.3


def test_batch_norm_moves_its_running_statistics_in_the_forward_pass_of_training() -> None:
    x = nd.array(np.array([[1.0], [3.0]]))
    mean, var = nd.zeros((1,), dtype="float64"), nd.ones((1,), dtype="float64")
    with autograd.record():
        nd.BatchNorm(x, nd.ones((1,)), nd.zeros((1,)), mean, var, momentum=0.9)
    np.testing.assert_allclose([mean.item(), var.item()], [0.2, 1.0])
    y = nd.BatchNorm(x, nd.ones((1,)), nd.zeros((1,)), mean, var, eps=0.0)
    np.testing.assert_allclose(y.asnumpy(), [[0.8], [2.8]])


def test_values_leave_and_come_back() -> None:
    x = nd.array([[1, 2], [3, 4]])
    np.testing.assert_array_equal(np.from_dlpack(x), x.asnumpy())
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(x)).asnumpy(), x.asnumpy())
    np.testing.assert_array_equal(np.asarray(x), x.asnumpy())
    copy = x.asnumpy()
    copy[0, 0] = 9
    assert x[0, 0].asscalar() == 1
    assert [row.tolist() for row in x] == [[1, 2], [3, 4]]
    assert (len(x), x.size, x.ndim, x.dtype, str(x.context)) == (2, 4, 2, np.float32, "cpu(0)")
    assert repr(x) == "[[1. 2.]\n [3. 4.]]\n<NDArray 2x2 @cpu(0)>"
    assert x.as_in_context(mx.cpu()) is x
    np.testing.assert_array_equal(x.copyto(nd.zeros((2, 2))).asnumpy(), x.asnumpy())


@pytest.mark.parametrize(
    ("shape", "codes", "wanted"),
    [
        ((2, 3, 4), (0, -1), (2, 12)),
        ((2, 3, 4), (-2,), (2, 3, 4)),
        ((2, 3, 4), (-3, 0), (6, 4)),
        ((2, 6), (0, -4, 2, -1), (2, 2, 3)),
        ((6,), (2, 3), (2, 3)),
    ],
)
def test_mxnets_reshape_codes(shape: Any, codes: Any, wanted: Any) -> None:
    assert nd.zeros(shape).reshape(codes).shape == wanted
    assert nd.zeros(shape).reshape(*codes).shape == wanted


def test_mxnets_names_and_meanings() -> None:
    a, b = nd.ones((2, 3, 4)), nd.ones((4, 5, 6))
    assert nd.dot(a, b).shape == (2, 3, 5, 6)
    assert nd.concat(nd.ones((2, 1)), nd.ones((2, 2)), dim=1).shape == (2, 3)
    assert (nd.array([1.0, 3]) > 2).dtype == np.float32
    assert nd.broadcast_add(nd.ones((2, 1)), nd.ones((1, 3))).shape == (2, 3)
    assert nd.sum(a, axis=1, exclude=True).shape == (3,)
    np.testing.assert_array_equal(nd.pick(nd.array([[1, 2], [3, 4]]), nd.array([0, 1])).asnumpy(), [1, 4])
    np.testing.assert_array_equal(nd.slice_axis(nd.arange(5), axis=0, begin=1, end=3).asnumpy(), [1, 2])
    np.testing.assert_array_equal(nd.arange(2, repeat=2).asnumpy(), [0, 0, 1, 1])
    np.testing.assert_array_equal(nd.linalg.inverse(nd.array([[2.0]])).asnumpy(), [[0.5]])
    assert nd.FullyConnected(nd.ones((2, 3)), nd.ones((4, 3)), no_bias=True, num_hidden=4).shape == (2, 4)
    mx.random.seed(1)
    first = nd.random.normal(shape=(3,)).asnumpy()
    mx.random.seed(1)
    np.testing.assert_array_equal(nd.random.normal(shape=(3,)).asnumpy(), first)


@pytest.mark.parametrize(
    ("provoke", "code"),
    [
        (lambda: nd.elemwise_add(nd.ones((2,)), nd.ones((1,))), "E304"),
        (lambda: nd.array([1.0], ctx=mx.Context("npu")), "E701"),
        (lambda: nd.array([1.0]).attach_grad(stype="row_sparse"), "E307"),
        (lambda: nd.array([1.0]).attach_grad("replace"), "E307"),
        (lambda: nd.ones((2,)).asscalar(), "E308"),
        (lambda: nd.ones((2,)).copyto(nd.ones((3,))), "E304"),
        (lambda: nd.exp(nd.ones((2,)), out=nd.ones((3,))), "E304"),
        (lambda: autograd.grad(leaf([1.0]), nd.ones((1,))), "E402"),
        (lambda: autograd.kinks("matlab"), "E307"),
    ],
)
def test_what_is_refused_has_a_code(provoke: Any, code: str) -> None:
    with pytest.raises(Error) as caught:
        provoke()
    assert caught.value.code == code


def test_two_threads_record_and_sweep_on_their_own() -> None:
    gradients: dict[int, float] = {}

    def work(k: int) -> None:
        x = leaf([float(k)])
        with autograd.record():
            y = x
            for _ in range(200):
                y = y * 1.0 + x * 0.0
            z = y * x
        z.backward()
        gradients[k] = x.grad.item()

    threads = [threading.Thread(target=work, args=(k,)) for k in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert gradients == {k: 2.0 * k for k in range(1, 5)}


@pytest.mark.parametrize(
    ("convention", "wanted"),
    [("min-norm", [2.5, 2, 0.5]), ("torch", [2.5, 2, 0.5]), ("mxnet", [4, 2, 1]), ("jax", [3.5, 1.5, 0])],
)
def test_kinks_follow_the_convention_asked_for_and_are_reported(convention: str, wanted: list[float]) -> None:
    x, z = leaf([0.0, 1, -1]), nd.array(np.array([0.0, 5, -1]))
    with autograd.kinks(convention):
        with autograd.record(), autograd.keep_values():
            y = nd.sum(nd.abs(x)) + nd.sum(nd.maximum(x, z)) + nd.max(nd.stack([x[0], x[0] * 1]))
            y = y + nd.sum(nd.clip(x, -1, 1))
        met = autograd.kinks_met(y)
        y.backward()
    np.testing.assert_array_equal(x.grad.asnumpy(), wanted)
    assert [(k.op, k.count) for k in met] == [("abs", 1), ("maximum", 2), ("max", 1), ("clip", 2)]


WHOLE = {
    "positions": nd.array([0, 0, 2]),
    "numpy": np.array([0.0, 2.0]),
    "tuple": (np.array([0.0, 2.0]), None),
    "list": [nd.array(0.0), nd.array(2.0)],
    "slice": slice(nd.array(1.0), None),
    "scalar": nd.array(1.0),
}


@pytest.mark.parametrize("name", WHOLE)
def test_an_index_of_whole_floats_is_one_of_integers_in_every_mode(name: str) -> None:
    key, integers = WHOLE[name], plain_key(WHOLE[name])
    values = np.array([1.0, 2.0, 3.0])
    wanted = np.zeros(3)
    np.add.at(wanted, integers, 1.0)
    x = leaf(values)
    with autograd.record():
        slope = autograd.grad((x[key] ** 3).sum(), x, create_graph=True, retain_graph=True)
    np.testing.assert_allclose(slope.asnumpy(), wanted * 3 * values**2)
    slope.backward()
    np.testing.assert_allclose(x.grad.asnumpy(), wanted * 6 * values)
    y, dot = mx.jvp(lambda x: x[key] ** 2, (nd.array(values),), (nd.array(values),))
    np.testing.assert_allclose((y.asnumpy(), dot.asnumpy()), (values[integers] ** 2, 2 * values[integers] ** 2))
    with autograd.record():
        z = x * 1
        z[key] = z[key] * 5
        total = z.sum()
    total.backward()
    np.testing.assert_allclose(x.grad.asnumpy(), np.where(wanted > 0, 5, 1))
    batch = nd.array([[1, 2, 3], [4, 5, 6]])
    np.testing.assert_array_equal(
        mx.vmap(lambda x: x[key])(batch).asnumpy(), np.stack([v[integers] for v in batch.asnumpy()])
    )


def test_an_array_shows_its_shape_if_it_has_one() -> None:
    assert repr(nd.array(1)) == "1.0\n<NDArray @cpu(0)>"
    assert repr(nd.array([1])) == "[1.]\n<NDArray 1 @cpu(0)>"


def test_dir_of_the_package_lists_what_it_offers() -> None:
    public = [name for name in dir(mx) if not name.startswith("_")]
    assert {"nd", "autograd", "grad", "array"} <= set(public)
    assert not {"Any", "sys", "TYPE_CHECKING", "ModuleType", "annotations"} & set(public)
    assert all(getattr(mx, name) is not None for name in public)


@pytest.mark.parametrize("divide", [operator.floordiv, operator.mod], ids=["//", "%"])
def test_integers_are_not_divided_by_zero_without_a_word(divide: Callable[[Any, Any], Any]) -> None:
    x = nd.array(np.array([1, 2, 0]))
    for a, b in ((x, 0), (5, x), (x, x), (x, np.array([1, 0, 2])), (np.int64(3), x)):
        with pytest.raises(Error, match="E309"):
            divide(a, b)
    assert divide(x, 2).tolist() == divide(np.array([1, 2, 0]), 2).tolist()
    with np.errstate(all="ignore"):
        divide(x, 0.0)
        divide(nd.array([1.0]), 0)
