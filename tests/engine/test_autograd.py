"""Recording and the reverse sweep: what is stored, what is shared, what is refused."""

from __future__ import annotations

import subprocess
import sys
import threading
from typing import Any

import numpy as np
import pytest

from ndgrad import autograd, nd
from ndgrad.errors import Error
from ndgrad.ndarray import NDArray


def leaf(values: object, dtype: str = "float64") -> NDArray:
    x = nd.array(values, dtype=dtype)
    x.attach_grad()
    return x


def test_the_head_is_the_gradient_arriving_from_above() -> None:
    x = leaf([[1, 2], [3, 4]])
    with autograd.record():
        y = 2 * x * x
    y.backward(nd.array([[10, 1.0], [0.1, 0.01]]))
    np.testing.assert_allclose(x.grad.asnumpy(), [[40, 8], [1.2, 0.16]])


def test_without_a_head_a_value_with_many_entries_means_their_sum() -> None:
    x = leaf([1, 2, 3])
    with autograd.record():
        y = x * x
    y.backward()
    np.testing.assert_array_equal(x.grad.asnumpy(), [2, 4, 6])


def test_nothing_is_recorded_outside_record_or_inside_pause() -> None:
    x = leaf([1.0])
    assert (x * 2).node is None
    with autograd.record():
        assert (x * 2).node is not None
        with autograd.pause():
            assert (x * 2).node is None
        assert (x * 2).node is not None


def test_the_scope_is_restored_after_an_exception() -> None:
    with pytest.raises(ZeroDivisionError), autograd.record():
        raise ZeroDivisionError
    assert not autograd.is_recording()


def test_threads_record_independently() -> None:
    seen = []
    with autograd.record():
        thread = threading.Thread(target=lambda: seen.append(autograd.is_recording()))
        thread.start()
        thread.join()
    assert seen == [False]


def test_add_accumulates_over_backwards_and_fan_out() -> None:
    x = leaf([1.0, 2.0])
    x.attach_grad("add")
    for _ in range(2):
        with autograd.record():
            y = x * x + x + x + x + x * 3
        y.backward()
    np.testing.assert_array_equal(x.grad.asnumpy(), 2 * (2 * np.array([1.0, 2.0]) + 6))


def test_an_intermediate_can_keep_its_gradient_without_losing_the_graph() -> None:
    x = leaf([3.0])
    with autograd.record():
        y = x * x
        y.attach_grad()
        z = y * y
    z.backward()
    assert y.grad.item() == 18
    assert x.grad.item() == 108


def test_a_float32_program_keeps_float32_gradients() -> None:
    x = leaf([1, 2], "float32")
    with autograd.record():
        y = nd.sum(nd.exp(x) * 0.5 + nd.sqrt(x)) / 3
    y.backward()
    assert y.dtype == x.grad.dtype == np.float32


def test_two_backwards_need_retain_graph() -> None:
    x = leaf([2.0])
    with autograd.record():
        y = x * x
    y.backward(retain_graph=True)
    y.backward()
    with pytest.raises(Error) as caught:
        y.backward()
    assert caught.value.code == "E403"
    assert __file__ in str(caught.value)


CHAIN = """
import resource, sys
from ndgrad import autograd, nd
x = nd.array(1.0, dtype="float64")
x.attach_grad()
with autograd.record():
    y = x
    for _ in range(1_000_000):
        y = y * 1.0000001
y.backward()
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
print(x.grad.item(), peak < 2 << 30)
"""


def test_a_million_operations_in_a_chain_need_no_recursion_and_less_than_two_gibibytes() -> None:
    pytest.importorskip("resource", reason="tells the memory that a process has had")
    shown = subprocess.run([sys.executable, "-c", CHAIN], capture_output=True, text=True, check=True).stdout.split()
    np.testing.assert_allclose(float(shown[0]), 1.0000001**1_000_000, rtol=1e-9)
    assert shown[1] == "True"


@pytest.mark.parametrize(
    ("program", "wanted"),
    [
        (lambda x: nd.where(x > 0, nd.sqrt(x), 0.0), [0, 0.5]),
        (lambda x: nd.sqrt(x)[1:], [0, 0.5]),
        (lambda x: nd.maximum(nd.sqrt(x), 0.5), [0, 0.5]),
        (lambda x: nd.max(nd.sqrt(x)), [0, 0.5]),
        (lambda x: nd.clip(1 / x, 0, 5), [0, -1]),
        (lambda x: nd.stack([nd.sqrt(x), x])[0, 1], [0, 0.5]),
        (lambda x: nd.sum(nd.where(x > 0, nd.log(x), x)), [1, 1]),
    ],
)
def test_no_derivative_is_multiplied_into_entries_that_no_path_reaches(program: object, wanted: object) -> None:
    x = leaf([0.0, 1.0])
    with np.errstate(all="ignore"), autograd.record():
        y = program(x)
    y.backward()
    np.testing.assert_array_equal(x.grad.asnumpy(), wanted)


def test_overwritten_entries_pass_no_gradient_on() -> None:
    x, v = leaf([0.0, 4.0]), leaf(7.0)
    with autograd.record():
        y = nd.sqrt(x) * 1.0
        y[0] = v * v
    y.backward()
    np.testing.assert_array_equal(x.grad.asnumpy(), [0, 0.25])
    assert v.grad.item() == 14


def test_a_value_overwritten_after_recording_is_an_error_that_names_the_place() -> None:
    x, w = leaf([1.0, 2.0]), leaf([3.0, 4.0])
    with autograd.record():
        y = x * w
    w[0] = 9.0
    with pytest.raises(Error) as caught:
        y.backward()
    assert caught.value.code == "E405"
    assert "test_autograd.py" in str(caught.value.help)


def test_a_failed_write_changes_nothing() -> None:
    x = nd.array([1.0, 2.0])
    with pytest.raises(Error):
        x[0:2] = [1.0, 2.0, 3.0]
    with pytest.raises(Error):
        x[5] = 1.0
    np.testing.assert_array_equal(x.asnumpy(), [1, 2])


def test_grad_of_grad() -> None:
    x = leaf(2.0)
    with autograd.record():
        y = x**4
        first = autograd.grad(y, x, create_graph=True)
        second = autograd.grad(first, x, create_graph=True)
        third = autograd.grad(second, x)
    assert (first.item(), second.item(), third.item()) == (32, 48, 48)


def test_grad_gives_zeros_for_a_variable_that_is_not_on_the_path() -> None:
    x, w = leaf([1.0]), leaf([1.0, 2.0])
    with autograd.record():
        y = x * 2
    np.testing.assert_array_equal(autograd.grad([y], [x, w])[1].asnumpy(), [0, 0])


def test_python_lists_are_float32_and_numpy_arrays_keep_their_dtype() -> None:
    assert nd.array([1, 2]).dtype == np.float32
    assert nd.array(np.arange(3)).dtype == np.int64
    assert nd.array(np.array([1.0], ">f8")).dtype == np.float64


@pytest.mark.parametrize(
    ("provoke", "code", "text"),
    [
        (lambda: leaf([1.0]).detach().backward(), "E402", "was not recorded"),
        (lambda: nd.array(np.arange(3)).attach_grad(), "E401", "int64"),
        (lambda: nd.array([1.0, 2.0]) + nd.array([1.0, 2.0, 3.0]), "E301", "shape 2; shape 3"),
        (lambda: nd.matmul(nd.array(np.ones((2, 3))), nd.array(np.ones(4))), "E301", "3 and 4 differ"),
        (lambda: nd.sum(nd.array([1.0]), axis=3), "E302", "axis 3"),
        (lambda: nd.array([1.0])[4], "E303", "index 4 is outside"),
        (lambda: nd.reshape(nd.array([1.0, 2.0]), (3,)), "E304", "2 entries do not fill 3"),
        (lambda: nd.sin("a"), "E305", "not str"),
        (lambda: nd.sum(nd.array([1.0]), axes=1), "E204", "axes"),
        (lambda: bool(nd.array([1.0, 2.0])), "E308", "one entry"),
        (lambda: nd.array(np.array([1j])), "E601", "complex128"),
    ],
)
def test_what_goes_wrong_is_said_with_a_code(provoke: object, code: str, text: str) -> None:
    with pytest.raises(Error) as caught:
        provoke()
    assert caught.value.code == code
    assert text in str(caught.value)


def test_a_head_of_another_shape_is_refused() -> None:
    x = leaf([1.0, 2.0])
    with autograd.record():
        y = x * x
    with pytest.raises(Error) as caught:
        y.backward(nd.array([1.0, 2.0, 3.0]))
    assert caught.value.code == "E404"


def test_numpy_functions_and_operators_give_ndarrays() -> None:
    x = leaf([1.0, 4.0])
    with autograd.record():
        y = np.sqrt(x) + np.array([1.0, 1.0]) * x
    y.backward()
    np.testing.assert_allclose(x.grad.asnumpy(), [1.5, 1.25])


@pytest.mark.parametrize(
    ("f", "points"),
    [("tanh", [18.0, -25.0]), ("sigmoid", [40.0, -40.0]), ("expm1", [-40.0]), ("softplus", [-40.0, 40.0])],
)
def test_derivatives_keep_their_digits_where_values_saturate(f: str, points: list[float]) -> None:
    from mpmath import mp, mpf

    mp.dps = 60
    exact = {
        "tanh": lambda x: 1 / mp.cosh(x) ** 2,
        "sigmoid": lambda x: mp.exp(-x) / (1 + mp.exp(-x)) ** 2,
        "expm1": mp.exp,
        "softplus": lambda x: 1 / (1 + mp.exp(-x)),
    }[f]
    x = leaf(points)
    with autograd.record():
        y = getattr(nd, f)(x)
    y.backward()
    np.testing.assert_allclose(x.grad.asnumpy(), [float(exact(mpf(p))) for p in points], rtol=1e-12)


H = nd.array([1.0, 2.0, 3.0])
PAIRS: dict[str, tuple[bool, Any]] = {
    "a list for one": (False, [H]),
    "one for a list": (True, H),
    "a list for a list": (True, [H]),
    "one for one": (False, H),
    "numbers": (False, [1, 2, 3]),
    "a list of numbers": (False, [[1, 2, 3]]),
    "an array of NumPy's": (True, H.asnumpy()),
}


@pytest.mark.parametrize("name", PAIRS)
def test_one_head_and_its_gradient_may_each_be_in_a_list(name: str) -> None:
    listed, head = PAIRS[name]
    x = leaf([1, 1, 1])
    with autograd.record():
        y = 2 * x
    heads = [y] if listed else y
    (found,) = autograd.grad(heads=heads, variables=[x], head_grads=head, retain_graph=True)
    np.testing.assert_array_equal(found.asnumpy(), [2, 4, 6])
    autograd.backward(heads, head)
    np.testing.assert_array_equal(x.grad.asnumpy(), [2, 4, 6])


def test_a_list_of_one_number_is_the_head_of_an_array_of_one_entry() -> None:
    x = leaf([3])
    with autograd.record():
        y = 2 * x
    y.backward([5.0])
    np.testing.assert_array_equal(x.grad.asnumpy(), [10])


@pytest.mark.parametrize(
    ("head", "code"), [([1, 2], "E404"), ([[1, 2], [3]], "E310"), ("a", "E305"), ([H, H], "E404"), (object(), "E305")]
)
def test_a_head_gradient_that_does_not_fit_is_refused(head: Any, code: str) -> None:
    x = leaf([1, 1, 1])
    with autograd.record():
        y = 2 * x
    with pytest.raises(Error) as caught:
        autograd.backward(y, head)
    assert caught.value.code == code
    with pytest.raises(Error) as caught:
        autograd.backward([y, y], [H])
    assert caught.value.code == "E307"


def test_variables_are_marked_one_by_one_or_in_lists() -> None:
    x, g = nd.array([1.0, 2]), nd.zeros((2,))
    autograd.mark_variables(x, g)
    with autograd.record():
        y = x * x
    y.backward()
    np.testing.assert_array_equal(g.asnumpy(), [2, 4])
    with pytest.raises(Error) as caught:
        autograd.mark_variables([x], [])
    assert caught.value.code == "E307"
