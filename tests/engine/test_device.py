"""Arrays on a device: every operation, with its derivative, on a double of a GPU that refuses unasked copies.

The double has CuPy's functions with CuPy's parameters (data/cupy.txt: what CuPy 14 offers), so what it cannot do,
a GPU cannot either. What is then done on the host is listed here: nothing else may be.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ndgrad as mx
from ndgrad import autograd, errors, nd
from ndgrad.device import COUNTS, running
from ndgrad.device.double import Double
from ndgrad.lang import compile
from ndgrad.ndarray import NDArray, plain
from ndgrad.tape import STATE
from ndgrad.tracing import jvp

HERE = Path(__file__).parent
CUPY = {name: tuple(rest) for name, *rest in map(str.split, (HERE / "data" / "cupy.txt").read_text().splitlines())}
GPU = mx.gpu(0)
rng = np.random.default_rng(5)

# What the host computes for a GPU, by operation: CuPy has no spherical Bessel functions and no running maximum; the
# exponential of a matrix is SciPy's, and in a recurrence every step would wait for the one before.
ON_HOST = {
    "cummax": {"last_records"},
    "cumprod": {"cumprod_along"},
    "cumprod_along": {"cumprod_along"},
    "expm": {"expm"},
    "linear_scan": {"linear_scan"},
    "sinc": {"sinc"},
    "spherical_j": {"spherical_j"},
}


@pytest.fixture(autouse=True)
def double(monkeypatch: pytest.MonkeyPatch) -> Iterator[Double]:
    """A GPU's double in the place of gpu(0), for one test."""
    gc.collect()  # while an array that has been written to is alive, sweeps look at every node by itself
    made = Double(0, CUPY)
    monkeypatch.setitem(running.DEVICES, GPU, made)
    monkeypatch.setattr(type(STATE), "remote", type(STATE).remote, raising=False)
    COUNTS.begin()
    with autograd.default_dtype("float64"):
        yield made


def there(x: Any) -> NDArray:
    return nd.array(np.asarray(x), ctx=GPU)


def test_value_and_gradient_of_a_chain_are_one_kernel_on_the_device() -> None:
    x = there(rng.standard_normal((50, 40)))
    x.attach_grad()
    with autograd.record():
        y = nd.sum(nd.exp(-x * x) * nd.tanh(x) + nd.log(1 + x * x))
    y.backward()
    assert x.context == y.context == x.grad.context == GPU
    assert COUNTS.kernels == 1
    assert not COUNTS.hosted


def test_a_kernel_is_compiled_once_for_all_sizes_and_numbers() -> None:
    for n in (100, 1000, 5000):
        for factor in (1.5, 2.5, -3.0):
            assert nd.sum(nd.exp(there(np.zeros(n)) * factor)).asscalar() == n
    assert (COUNTS.kernels, COUNTS.compiled) == (9, 1)


def operations() -> Any:
    """The operations with the operands that their own tests draw."""
    spec = spec_from_file_location("test_operations", HERE / "test_operations.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def value_and_gradients(function: Callable[..., NDArray], operands: list[np.ndarray], ctx: Any) -> list[NDArray]:
    leaves = [nd.array(x, ctx=ctx) for x in operands]
    for leaf in leaves:
        leaf.attach_grad()
    with autograd.record(train_mode=False):
        y = function(*leaves)
    if y.node is None:
        return [y]
    g = np.random.default_rng(3).standard_normal(y.shape)
    return [y, *autograd.grad([y], leaves, [nd.array(g, ctx=ctx)])]


def test_every_operation_and_its_derivative_run_on_the_device() -> None:
    drawn = operations()
    on_host: dict[str, set[str]] = {}
    with np.errstate(all="ignore"):
        for case in drawn.draws():
            op, *_ = case.values[0]
            function, operands = drawn.applied(case.values[0]), drawn.floats_of(case.values[0])
            wanted = value_and_gradients(function, operands, mx.cpu())
            COUNTS.begin()
            made = value_and_gradients(function, operands, GPU)
            if COUNTS.hosted:
                on_host.setdefault(op.name, set()).update(COUNTS.hosted)
            for got, want in zip(made, wanted, strict=True):
                assert not operands or got.context == GPU, case.id
                assert got.dtype == want.dtype, case.id
                np.testing.assert_allclose(got.asnumpy(), want.asnumpy(), rtol=1e-10, atol=1e-11, err_msg=case.id)
    assert on_host == ON_HOST


def forward_and_second(function: Callable[..., NDArray], operands: list[np.ndarray], ctx: Any) -> list[NDArray]:
    """The derivative along a direction, and gradients of gradients."""
    draw = np.random.default_rng(4)
    ones = [nd.array(x, ctx=ctx) for x in operands]
    made = [jvp(function, ones, [nd.array(draw.standard_normal(x.shape), ctx=ctx) for x in operands])[1]]
    for leaf in ones:
        leaf.attach_grad()
    with autograd.record(train_mode=False):
        y = function(*ones)
        if y.node is None:
            return made
        bars = autograd.grad([y], ones, [nd.array(draw.standard_normal(y.shape), ctx=ctx)], create_graph=True)
    bars = [bar for bar in bars if bar.node is not None]
    heads = [nd.array(draw.standard_normal(bar.shape), ctx=ctx) for bar in bars]
    return made + (autograd.grad(bars, ones, heads) if bars else [])


def test_forward_mode_and_second_derivatives_run_on_the_device() -> None:
    drawn = operations()
    with np.errstate(all="ignore"):
        for case in drawn.draws():
            function, operands = drawn.applied(case.values[0]), drawn.floats_of(case.values[0])
            if operands:
                wanted, made = (forward_and_second(function, operands, ctx) for ctx in (mx.cpu(), GPU))
                for got, want in zip(made, wanted, strict=True):
                    np.testing.assert_allclose(plain(got), plain(want), rtol=1e-8, atol=1e-9, err_msg=case.id)


# One by one, what tests of operations do not reach


def test_a_copy_on_a_device_is_an_operation_like_any_other() -> None:
    x = nd.array([1.0, 2.0])
    x.attach_grad()
    with autograd.record():
        y = nd.sum(x.as_in_context(GPU) ** 2)
    y.backward()
    assert (y.context, x.grad.context) == (GPU, mx.cpu())
    np.testing.assert_array_equal(x.grad.asnumpy(), [2, 4])
    assert x.as_in_context(mx.cpu()) is x
    there_ = x.copyto(GPU)
    assert there_.context == GPU
    assert there_.as_in_context(GPU) is there_
    assert repr(there_) == "[1. 2.]\n<NDArray 2 @gpu(0)>"
    assert str(there_.data) == "[1. 2.]"


def test_new_arrays_are_where_the_scope_says() -> None:
    with GPU:
        made = [
            nd.zeros((2,)),
            nd.ones(3),
            nd.full((2,), 7),
            nd.eye(2),
            nd.arange(3),
            nd.linspace(0, 1, 3),
            nd.array(1),
        ]
        made += [mx.nd.random.uniform(shape=(2,)), mx.nd.random.randn(3)]
    assert {x.context for x in made} == {GPU}
    assert nd.zeros(2).context == mx.cpu()


def test_small_arrays_of_the_host_meet_those_of_the_device() -> None:
    x = there([[1.0, 2.0], [3.0, 4.0]])
    row = nd.array([10.0, 20.0])
    row.attach_grad()
    with autograd.record():
        y = nd.sum(nd.matmul(x, x) * row + row)
    y.backward()
    assert (y.context, row.grad.context) == (GPU, mx.cpu())
    np.testing.assert_array_equal(row.grad.asnumpy(), [24, 34])


def test_two_devices_do_not_mix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(running.DEVICES, mx.gpu(1), Double(1, CUPY))
    a, b = there([1.0, 2.0]), nd.array([1.0, 2.0], ctx=mx.gpu(1))
    with pytest.raises(errors.Error, match="different devices"):
        nd.matmul(a, b)
    with pytest.raises(errors.Error, match="different devices"):
        (a + b).asnumpy()
    np.testing.assert_array_equal((a + b.as_in_context(GPU)).asnumpy(), [2, 4])


def test_writes_on_the_device_differentiate_and_are_noticed() -> None:
    x = there([1.0, 2.0, 3.0])
    x.attach_grad()
    with autograd.record():
        y = x * x
        y[1:] = 5 * x[:2]
        z = nd.sum(y)
    z.backward()
    np.testing.assert_array_equal(x.grad.asnumpy(), [7, 5, 0])
    with autograd.record():
        y = nd.matmul(x, x)
    x[0] = 9
    with pytest.raises(errors.GradientError, match="overwritten"):
        y.backward()


def test_what_waits_sees_the_values_from_before_a_write() -> None:
    x = there([1.0, 2.0])
    y = x * 10
    x[:] = 0
    np.testing.assert_array_equal(y.asnumpy(), [10, 20])
    np.testing.assert_array_equal(x.asnumpy(), [0, 0])


def test_repeated_indices_add_up_on_the_device() -> None:
    x = there(np.arange(4.0))
    x.attach_grad()
    with autograd.record():
        y = nd.sum(x[np.array([0, 0, 2])] * there([1.0, 2.0, 3.0])) + x[1] + x[0]
    y.backward()
    np.testing.assert_array_equal(x.grad.asnumpy(), [4, 1, 3, 0])


def test_an_index_outside_is_an_error_and_not_another_entry() -> None:
    x = there([1.0, 2.0])
    for key in (5, np.array([0, 7])):
        with pytest.raises(errors.ShapeError) as caught:
            x[key]
        assert caught.value.code == "E303"
    with pytest.raises(errors.ShapeError):
        nd.take_along_axis(x, there([5]).astype("int64"), 0).asnumpy()


def test_a_path_not_taken_leaves_no_nan_on_the_device() -> None:
    x = there([0.0, 4.0, -1.0])
    x.attach_grad()
    with autograd.record():
        y = nd.sum(nd.where(x > 0, nd.sqrt(x), 0.0))
    y.backward()
    np.testing.assert_array_equal(x.grad.asnumpy(), [0, 0.25, 0])


def test_a_singular_matrix_is_the_same_error_as_on_the_host() -> None:
    said = []
    for ctx in (mx.cpu(), GPU):
        with pytest.raises(errors.Error) as caught:
            nd.inv(nd.array([[1.0, 2.0], [2.0, 4.0]], ctx=ctx))
        said.append(str(caught.value))
    assert said[0] == said[1]


def test_a_full_device_says_how_much_was_wanted_and_how_much_there_is(double: Double) -> None:
    double.limit = 1 << 20
    with pytest.raises(errors.LimitError) as caught:
        there(np.zeros(1 << 18))
    assert caught.value.code == "E502"
    assert "gpu(0) has no room for 2 MiB: 1 MiB of 1 MiB are free" in str(caught.value)


def test_a_symbol_is_not_bound_to_arrays_of_a_device() -> None:
    a = mx.sym.var("a")
    with pytest.raises(errors.DeviceError, match="symbols are computed on the CPU only"):
        (a * 2).bind(mx.cpu(), args=[there([1.0, 2.0])])
    (made,) = (a * 2).eval(a=there([1.0, 2.0]))
    np.testing.assert_array_equal(made.asnumpy(), [2, 4])


def test_waiting_returns_when_the_device_is_done(double: Double, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[str] = []
    monkeypatch.setattr(double, "synchronize", lambda: waited.append("waited"), raising=False)
    x = there([1.0]) * 2
    x.wait_to_read()
    nd.waitall()
    assert waited == ["waited", "waited"]


# Programs, with everything made on the device however small


@pytest.fixture
def all_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "FROM", 1)


PROGRAM = """\
n = sum(x > 0)
t = 0.0
for i in range(n):
    if max(x) * i < 2:
        t = t + sum(exp(-x * x) * i)
loss = t + norm(x[1:]) * 2
"""


def test_a_program_gives_on_the_device_what_it_gives_on_the_host(all_of_it: None) -> None:
    x = rng.standard_normal(5)
    program = compile(PROGRAM)
    made, wanted = (program.run({"x": x}, grad=["x"], device=device) for device in ("gpu", "cpu"))
    np.testing.assert_allclose(made.value, wanted.value, rtol=1e-12)
    np.testing.assert_allclose(made.grads["x"], wanted.grads["x"], rtol=1e-12)
    assert isinstance(made.grads["x"], np.ndarray)
    assert made.path == wanted.path
    assert made.traffic is not None
    assert made.traffic.device == "gpu(0)"
    assert made.traffic.kernels
    assert wanted.traffic is None


def test_small_arrays_of_a_run_stay_on_the_host() -> None:
    made = compile("y = x * 2 + zeros(3)").run({"x": np.ones(3)}, grad=["x"], device="gpu")
    assert made.traffic is not None
    assert (made.traffic.sent, made.traffic.kernels) == (0, 0)


def test_large_arrays_of_a_run_go_over_once(monkeypatch: pytest.MonkeyPatch) -> None:
    x = rng.standard_normal(1 << 16)
    made = compile("y = sum(exp(-x * x) * tanh(x))").run({"x": x}, grad=["x"], device="gpu:0")
    wanted = compile("y = sum(exp(-x * x) * tanh(x))").run({"x": x}, grad=["x"])
    np.testing.assert_allclose(made.grads["x"], wanted.grads["x"], rtol=1e-12)
    assert made.traffic is not None
    assert made.traffic.kernels == 1
    assert made.traffic.sent_bytes < 3 * x.nbytes  # x, and the zeros of its gradient
    assert not made.traffic.on_host


def test_a_number_that_is_not_finite_is_found_on_the_device(all_of_it: None) -> None:
    with pytest.raises(errors.CheckError) as caught:
        compile("y = sum(log(x))").run({"x": np.array([1.0, -1.0])}, device="gpu", nan_check=True)
    assert caught.value.code == "E801"
