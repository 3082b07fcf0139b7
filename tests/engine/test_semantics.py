"""The rules of recording, backward and arrays that people learn once and then rely on: one test a rule."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import ndgrad as mx
from ndgrad import autograd, nd
from ndgrad.errors import Error
from ndgrad.ndarray import NDArray


def leaf(values: Any, req: Any = "write") -> NDArray:
    x = nd.array(np.asarray(values, dtype=np.float64))
    x.attach_grad(req)
    return x


# Recording


def test_switches_give_back_what_was_set_before() -> None:
    before = autograd.set_recording(True)
    assert before is None
    assert autograd.set_recording(False) is True
    assert autograd.set_recording(before) is False
    x = nd.array([2.0]).requires_grad_()
    assert (x * x).node is not None  # as at the outset
    assert autograd.set_training(True) is False
    assert autograd.set_training(False) is True


def test_modes_leave_recording_as_it_is_and_are_restored_after_an_exception() -> None:
    seen = []
    with contextlib.suppress(KeyError), autograd.record(), autograd.predict_mode():
        seen.append((autograd.is_recording(), autograd.is_training()))
        raise KeyError
    assert seen == [(True, False)]
    assert (autograd.is_recording(), autograd.is_training()) == (False, False)


def test_only_operations_on_tracked_arrays_are_recorded() -> None:
    with autograd.record():
        assert nd.exp(nd.ones((2,))).node is None


def test_the_gradient_buffer_is_there_from_the_start_and_stays_the_same_array() -> None:
    x = nd.array([[1.0, 2.0]])
    x.attach_grad()
    buffer = x.grad
    assert (buffer.shape, buffer.dtype, buffer.asnumpy().any()) == ((1, 2), np.float32, False)
    with autograd.record():
        y = x * 2
    y.backward()
    assert x.grad is buffer
    np.testing.assert_array_equal(buffer.asnumpy(), [[2, 2]])


def test_a_head_is_cast_to_the_dtype_of_the_value() -> None:
    x = nd.array([1.0, 2.0])
    x.attach_grad()
    with autograd.record():
        y = x * x
    y.backward(nd.array(np.array([1, 10])))
    assert x.grad.dtype == np.float32
    np.testing.assert_array_equal(x.grad.asnumpy(), [2, 40])


def test_grad_gives_a_list_for_a_list_and_an_array_for_an_array_and_stores_nothing() -> None:
    x, w = leaf([1.0]), leaf([2.0])
    with autograd.record():
        y = x * w * w
    both = autograd.grad(y, [x, w], retain_graph=True)
    alone = autograd.grad(y, x)
    assert [g.item() for g in both] == [4, 4]
    assert alone.item() == 4
    assert (x.grad.item(), w.grad.item()) == (0, 0)


def test_marked_variables_get_their_gradients_in_the_arrays_given() -> None:
    x, buffer = nd.array([3.0]), nd.zeros((1,))
    autograd.mark_variables([x], [buffer])
    with autograd.record():
        y = x * x
    y.backward()
    assert buffer.item() == 6
    assert x.grad is buffer


def test_the_graph_of_an_array_is_a_symbol() -> None:
    x = nd.array([1.0, 2.0])
    x.attach_grad()
    with autograd.record():
        y = (x * 3).sum()
    symbol = autograd.get_symbol(y)
    assert [node["op"] for node in json.loads(symbol.tojson())["nodes"]] == ["null", "core.multiply", "core.sum"]
    assert symbol.list_arguments() == ["var0"]
    assert symbol.eval(var0=nd.array([5.0, 7.0]))[0].item() == 36


class Doubled(autograd.Function):
    """x, w → 2x, xw, with a count of the backwards."""

    backwards = 0

    def forward(self, x: NDArray, w: NDArray) -> tuple[NDArray, NDArray]:
        self.save_for_backward(x, w)
        return 2 * x, x * w

    def backward(self, g: NDArray, h: NDArray) -> tuple[NDArray, NDArray]:
        self.backwards += 1
        x, w = self.saved_tensors
        return 2 * g + h * w, h * x


def test_a_function_with_several_inputs_and_outputs_respects_add_and_null() -> None:
    x, w, f = leaf([3.0], "add"), leaf([5.0], "null"), Doubled()
    for _ in range(2):
        with autograd.record():
            a, b = f(x, w)
            c, _unused = f(a, w)
            y = b + c
        y.backward()
    assert x.grad.item() == 2 * (5 + 4)
    assert w.grad.item() == 0
    assert f.backwards == 4


def test_a_gradient_may_depend_on_gradients() -> None:
    x = leaf([2.0])
    with autograd.record():
        first = autograd.grad(x**3, x, create_graph=True)
        y = first * first
    y.backward()
    assert x.grad.item() == 2 * 12 * 12


ERRORS: dict[str, tuple[Callable[[], Any], str, str]] = {
    "never recorded": (
        lambda: nd.ones((1,)).backward(),
        "E402",
        "this array was not recorded, so it has no derivative",
    ),
    "freed": (lambda: _backward_twice(), "E403", f"the graph was already freed by the backward at {__file__}:"),
    "a head's shape": (lambda: _backward_from((2,), (3,)), "E404", "the head has shape 3, the output 2"),
    "overwritten": (lambda: _overwritten(), "E405", "a value that the derivative of `multiply` needs was overwritten"),
    "not a float": (lambda: nd.array(np.arange(2)).attach_grad(), "E401", "a value of dtype int64 has no gradient"),
    "nothing reached": (lambda: _unreached(), "E409", "no array with attach_grad is reached from here"),
}


def _backward_twice() -> None:
    x = leaf([1.0])
    with autograd.record():
        y = x * x
    y.backward()
    y.backward()


def _backward_from(shape: tuple[int, ...], head: tuple[int, ...]) -> None:
    x = leaf(np.ones(shape))
    with autograd.record():
        y = x * 2
    y.backward(nd.ones(head))


def _overwritten() -> None:
    x, w = leaf([1.0]), leaf([2.0])
    with autograd.record():
        y = x * w
    w[:] = 3
    y.backward()


def _unreached() -> None:
    x = leaf([1.0])
    with autograd.record():
        y = x * 2
    x.drop_grad()
    y.backward()


@pytest.mark.parametrize(("provoke", "code", "message"), ERRORS.values(), ids=list(ERRORS))
def test_each_mistake_has_its_own_message(provoke: Callable[[], Any], code: str, message: str) -> None:
    with pytest.raises(Error) as caught:
        provoke()
    assert caught.value.code == code
    assert message in str(caught.value)


def test_a_function_without_a_gradient_gives_zero() -> None:
    class Still(autograd.Function):
        def forward(self, x: NDArray) -> NDArray:
            return x * 2

        def backward(self, dy: NDArray) -> None:
            return None

    x = nd.array([1.0, 2.0])
    x.attach_grad()
    with autograd.record():
        y = Still()(x)
    y.backward()
    assert np.array_equal(x.grad.asnumpy(), [0, 0])
    with autograd.record():
        y = Still()(x) + x
    y.backward()
    assert np.array_equal(x.grad.asnumpy(), [1, 1])


def test_a_stated_gradient_that_is_constant_has_a_zero_derivative_forward_too() -> None:
    still = mx.custom_gradient(lambda x: 2 * x, lambda g, x: nd.array(0.0))
    assert mx.jvp(still, [nd.array(3.0)], [nd.array(1.0)])[1].item() == 0


def test_integers_are_made_of_numbers_only() -> None:
    for bad in (np.nan, np.inf, -np.inf, 2.0**63, -(2.0**64)):
        for made in (lambda x: nd.int(x), lambda x: x.astype("int64")):
            with pytest.raises(Error) as caught:
                made(nd.array([1.0, bad], dtype="float64"))
            assert caught.value.code == "E312"
    assert nd.int(nd.array([-(2.0**63)], dtype="float64")).item() == -(2**63)


def test_closeness_and_places_are_numpys() -> None:
    values = np.array([0.0, 1.0, 1 + 1e-7, 1.1, np.inf, -np.inf, np.nan])
    a, b = values[:, None], values[None]
    for same in (False, True):
        made = nd.isclose(nd.array(a, dtype="float64"), nd.array(b, dtype="float64"), equal_nan=same)
        assert np.array_equal(made.asnumpy(), np.isclose(a, b, equal_nan=same))
    assert nd.allclose(nd.array([1.0, 2.0]), nd.array([1.0, 2.0])).item()
    mask = np.random.default_rng(0).random((3, 4, 5)) > 0.6
    for x in (mask, mask[0, 0], mask[:0]):
        for here, there in zip(nd.nonzero(nd.array(x)), np.nonzero(x), strict=True):
            assert np.array_equal(here.asnumpy(), there)


def test_an_overwritten_value_is_reported_with_both_places() -> None:
    with pytest.raises(Error) as caught:
        _overwritten()
    assert "overwritten at " in str(caught.value.help)
    assert not re.search(r"operation \d", str(caught.value))  # a number of this process says nothing
    assert f"overwritten at {__file__}:{_overwritten.__code__.co_firstlineno + 4}" in str(caught.value.help)


# Arrays


def test_numbers_and_lists_become_float32_and_arrays_keep_their_dtype() -> None:
    assert nd.array([1, 2]).dtype == np.float32
    assert nd.array(np.float64(1)).dtype == np.float64
    assert nd.array(nd.ones((1,), dtype="float64")).dtype == np.float64


@pytest.mark.parametrize(
    ("make", "wanted"),
    [
        (lambda: nd.zeros((2,)), [0, 0]),
        (lambda: nd.ones(2), [1, 1]),
        (lambda: nd.full((2,), 7), [7, 7]),
        (lambda: nd.arange(1, 4), [1, 2, 3]),
        (lambda: nd.linspace(0, 1, 3), [0, 0.5, 1]),
        (lambda: nd.eye(2), [[1, 0], [0, 1]]),
        (lambda: nd.zeros_like(nd.ones((2,))), [0, 0]),
        (lambda: nd.ones_like(nd.zeros((2,))), [1, 1]),
    ],
)
def test_arrays_are_made_in_float32(make: Callable[[], NDArray], wanted: Any) -> None:
    made = make()
    assert made.dtype == np.float32
    np.testing.assert_array_equal(made.asnumpy(), wanted)


def test_every_function_is_a_method_and_takes_out() -> None:
    x, out = nd.array([1.0, 4.0]), nd.zeros((2,))
    assert x.sqrt().sum().item() == 3
    assert nd.sqrt(x, out=out) is out
    np.testing.assert_array_equal(out.asnumpy(), [1, 2])


def test_numpy_functions_of_arrays_are_recorded() -> None:
    x = leaf([0.0, 1.0])
    with autograd.record():
        y = np.multiply(np.exp(x), np.array([1.0, 2.0]))
    assert isinstance(y, NDArray)
    y.backward()
    np.testing.assert_allclose(x.grad.asnumpy(), [1, 2 * np.e])


def test_reductions_to_a_number_are_0d_and_comparisons_have_the_operands_dtype() -> None:
    assert nd.sum(nd.ones((2, 3))).shape == ()
    assert (nd.ones((2,), dtype="float64") > 0).dtype == np.float64
    assert nd.argmax(nd.array([1.0, 3.0])).item() == 1


def test_promotion_is_that_of_numpy() -> None:
    single, double = nd.ones((1,)), nd.ones((1,), dtype="float64")
    assert (single * 2.5).dtype == np.float32
    assert (single + double).dtype == np.float64
    assert (nd.array(np.arange(2)) + 1).dtype == np.int64


def test_matmul_follows_numpy_and_dot_follows_mxnet() -> None:
    a, b = np.arange(24.0).reshape(2, 3, 4), np.arange(24.0).reshape(2, 4, 3)
    np.testing.assert_array_equal((nd.array(a) @ nd.array(b)).asnumpy(), a @ b)
    c = np.arange(40.0).reshape(4, 5, 2)
    np.testing.assert_array_equal(nd.dot(nd.array(a), nd.array(c)).asnumpy(), np.tensordot(a, c, 1))


def test_masks_and_repeated_indices_read_and_write() -> None:
    x = nd.array([1.0, -2.0, 3.0])
    x[x.asnumpy() < 0] = 1
    np.testing.assert_array_equal(x[nd.array([0, 0, 2])].asnumpy(), [1, 1, 3])
    np.testing.assert_array_equal(x[np.array([True, False, True])].asnumpy(), [1, 3])


def test_arrays_are_on_the_cpu_unless_asked_for_elsewhere() -> None:
    assert mx.cpu() == nd.ones((1,)).context == mx.current_context()
    with pytest.raises(Error) as caught:
        nd.ones((1,), ctx=mx.Context("npu"))
    assert caught.value.code == "E701"


def test_waiting_returns() -> None:
    x = nd.ones((2,)) * 2
    x.wait_to_read()
    nd.waitall()


def test_use_global_stats_and_dropout_axes() -> None:
    x, mean, var = nd.array([[1.0], [3.0]]), nd.zeros((1,)), nd.ones((1,))
    with autograd.record():
        y = nd.BatchNorm(x, nd.ones((1,)), nd.zeros((1,)), mean, var, eps=0.0, use_global_stats=True)
    np.testing.assert_allclose(y.asnumpy(), [[1], [3]])
    assert (mean.item(), var.item()) == (0, 1)
    with autograd.train_mode():
        rows = nd.Dropout(nd.ones((50, 4)), p=0.5, axes=(1,)).asnumpy()
    assert set(map(tuple, rows)) == {(0.0,) * 4, (2.0,) * 4}
