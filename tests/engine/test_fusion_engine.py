"""Programs on large arrays give the values and gradients of programs that wait for nothing, in fewer passes.

Deferral is switched on for arrays of every size, so that small ones can stand for large ones.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ndgrad import NDArray, autograd, errors, nd
from ndgrad.fusion import lazy, report
from ndgrad.fusion.large import Large
from ndgrad.tape import LARGE, STATE
from ndgrad.tracing import jvp
from ndgrad.transforms import grad, hvp

RNG = np.random.default_rng(11)
BEGINNING = RNG.bit_generator.state


@pytest.fixture(autouse=True)
def draws() -> None:
    """Every test draws the same numbers, whichever ran before."""
    RNG.bit_generator.state = BEGINNING


NEVER = 1 << 62


@pytest.fixture(autouse=True)
def everything_waits(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    before, STATE.defer_from = STATE.defer_from, 1
    monkeypatch.setattr(lazy, "SMALL", 1)
    yield
    STATE.defer_from = before


def leaf(values: Any) -> NDArray:
    x = nd.array(np.asarray(values, dtype=np.float64))
    x.attach_grad()
    return x


def value_and_gradients(program: Callable[..., NDArray], *operands: np.ndarray) -> list[np.ndarray]:
    leaves = [leaf(a) for a in operands]
    with autograd.record():
        y = program(*leaves)
    y.backward()
    return [y.asnumpy(), *(x.grad.asnumpy() for x in leaves)]


def agree(program: Callable[..., NDArray], *operands: np.ndarray, rtol: float = 1e-12) -> None:
    waiting = value_and_gradients(program, *operands)
    STATE.defer_from = NEVER
    at_once = value_and_gradients(program, *operands)
    STATE.defer_from = 1
    for made, wanted in zip(waiting, at_once, strict=True):
        np.testing.assert_allclose(made, wanted, rtol=rtol, atol=1e-13)


PROGRAMS: dict[str, Callable[..., NDArray]] = {
    "the chain": lambda x: nd.sum(nd.exp(-x * x) * nd.tanh(x) + nd.log(1 + x * x)),
    "a mean of rows": lambda x: nd.sum(nd.mean(x * x, axis=1) * nd.sin(nd.sum(x, axis=1))),
    "softmax": lambda x: nd.sum(nd.softmax(x, axis=-1) * nd.softmax(x, axis=0)),
    "the largest": lambda x: nd.sum(nd.max(x * x, axis=0)) + nd.min(x),
    "selections": lambda x: nd.sum(nd.where(x > 0, nd.sqrt(nd.abs(x)), x**3) + nd.clip(x, -0.5, 0.5) + nd.relu(x)),
    "a path not taken": lambda x: nd.sum(nd.where(x > 0, nd.sqrt(x), 0.0)),
    "a matrix product between": lambda x: nd.sum(nd.tanh(nd.matmul(nd.exp(x), nd.sin(x).T))),
    "an index": lambda x: nd.sum(nd.exp(x)[1:] * nd.exp(x)[:-1]),
    "times one": lambda x: nd.sum(1 * x * 1.0 + x / 1),
    "no sum": lambda x: nd.sigmoid(x) * x,
    "a branch": lambda x: nd.sum(nd.exp(x)) if nd.sum(x * x) > 3 else nd.sum(x),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_values_and_gradients_are_those_of_computing_at_once(name: str) -> None:
    with np.errstate(all="ignore"):
        agree(PROGRAMS[name], RNG.standard_normal((7, 5)))


def test_operands_of_other_shapes_get_their_sums() -> None:
    def program(x: NDArray, row: NDArray, column: NDArray, number: NDArray) -> NDArray:
        return nd.sum(nd.tanh(x * row + column) * number + row / (2 + number))

    agree(program, *(RNG.uniform(0.5, 1, shape) for shape in ((6, 4), (4,), (6, 1), ())))


def test_second_derivatives_agree() -> None:
    def program(x: NDArray) -> NDArray:
        with autograd.record():
            g = autograd.grad(nd.sum(nd.exp(x) * nd.sin(x)), x, create_graph=True)
            return nd.sum(g * g)

    agree(program, RNG.standard_normal(9))


def test_value_and_gradient_come_from_one_pass() -> None:
    x = leaf(RNG.standard_normal(5000))
    with autograd.record():
        y = nd.sum(nd.exp(-x * x) * nd.tanh(x))
    before = report()
    y.backward()
    value = y.asscalar()
    assert report().passes == before.passes + 1
    assert value == pytest.approx(np.sum(np.exp(-(x.asnumpy() ** 2)) * np.tanh(x.asnumpy())))


def test_gradients_are_written_where_they_belong() -> None:
    x = leaf(RNG.standard_normal(5000))
    buffer, array = x.grad.data, x.grad
    for factor in (1.0, 2.0):
        with autograd.record():
            y = nd.sum(x * x * factor)
        y.backward()
        assert x.grad is array
        assert x.grad.data is buffer
        np.testing.assert_allclose(buffer, 2 * factor * x.asnumpy())


def test_a_gradient_is_an_array_of_its_own() -> None:
    x = leaf([0.0, 1.0, 2.0])
    with autograd.record():
        y = nd.exp(x)
    y.backward()
    x.grad[0] = 100
    np.testing.assert_allclose(y.asnumpy(), np.exp([0, 1, 2]))
    c = nd.array(np.array([3.0, 4.0, 5.0]))
    with autograd.record():
        y = nd.sum(x * c)
    (g,) = autograd.grad([y], [x])
    g[0] = 100
    np.testing.assert_array_equal(c.asnumpy(), [3, 4, 5])


def test_a_write_comes_after_what_was_written_before_it() -> None:
    x = nd.array(np.arange(6.0))
    y = x * 2
    flat = x.reshape((2, 3))
    x[0] = 7
    z = x * 2
    np.testing.assert_array_equal(y.asnumpy(), np.arange(6.0) * 2)
    assert z.asnumpy()[0] == 14
    assert flat.asnumpy()[0, 0] == 7
    x += 1
    assert z.asnumpy()[0] == 14


def test_a_gradient_that_an_expression_reads_may_be_written_over() -> None:
    x = leaf([1.0, 2.0])
    with autograd.record():
        nd.sum(x * x).backward()
        step = x - 0.5 * x.grad
        nd.sum(3 * x).backward()
    np.testing.assert_array_equal(step.asnumpy(), [0, 0])
    np.testing.assert_array_equal(x.grad.asnumpy(), [3, 3])


def test_a_product_with_one_can_be_written_to() -> None:
    x = nd.array(np.arange(3.0))
    y = x * 1.0
    y[0] = 5
    np.testing.assert_array_equal(x.asnumpy(), [0, 1, 2])


def test_an_overwritten_operand_is_still_an_error() -> None:
    x, w = leaf([1.0, 2.0]), leaf([3.0, 4.0])
    with autograd.record():
        y = x * w
    w[0] = 9
    with pytest.raises(errors.Error, match="overwritten"):
        y.backward()


def test_numpys_view_of_a_waiting_array_cannot_be_written_to() -> None:
    x = nd.array(np.arange(3.0))
    assert isinstance(x, Large)
    with pytest.raises(ValueError, match="read-only"):
        np.asarray(x)[0] = 1


def test_errors_are_raised_where_the_operation_is() -> None:
    x = leaf(np.ones((3, 2)))
    with pytest.raises(errors.ShapeError) as raised:
        x + nd.array(np.ones(3))
    assert raised.value.code == "E301"
    with pytest.raises(errors.Error) as raised:
        nd.sum(x * 2, axis=5)
    assert raised.value.code == "E302"


def test_comparisons_are_masks() -> None:
    x = nd.array(np.array([-1.0, 2.0, 3.0]))
    np.testing.assert_array_equal(x[x > 0].asnumpy(), [2, 3])


def test_a_loop_computes_nothing_twice() -> None:
    def instructions(rounds: int) -> int:
        b = x = leaf(RNG.standard_normal(40))
        with autograd.record():
            for _ in range(rounds):
                b = b + 0.001 * nd.sin(b) * b
            y = nd.sum(b)
        counted = 0
        run = lazy_run()

        def counting(work: Any, into: Any) -> None:
            nonlocal counted
            counted += len(work.plan.code)
            run(work, into)

        from ndgrad.fusion import compute

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(compute.Pass, "run", counting)
            patch.setattr(compute, "SMALL", 1)
            y.backward()
        assert x.grad is not None
        return counted

    def lazy_run() -> Any:
        from ndgrad.fusion.schedule import Pass

        return Pass.run

    short, long = instructions(50), instructions(200)
    assert long < 4.6 * short


def test_large_results_of_other_operations_are_waited_for() -> None:
    """Arrays that are made, products of matrices, entries taken: what is computed on them waits again."""
    n = LARGE // 8
    rows = nd.array(np.ones((n, 2)), dtype="float64")
    for made in (
        nd.ones((n,), dtype="float64"),
        nd.arange(0, n, dtype="float64"),
        nd.dot(rows, nd.array([1.0, 2.0], dtype="float64")),
        rows[:, 0],
        nd.sort(nd.array(np.arange(n)[::-1], dtype="float64")),
    ):
        waiting = nd.sin(made) * 2
        assert isinstance(waiting, Large), made
        assert waiting.lazy.known is None
        np.testing.assert_array_equal(waiting.asnumpy(), np.sin(made.asnumpy()) * 2)


def test_what_is_small_is_not_deferred() -> None:
    STATE.defer_from = LARGE
    assert type(nd.array(np.ones(1000))) is NDArray
    assert type(nd.array(np.ones(LARGE // 8))) is Large


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_forked_process_computes_too() -> None:
    code = """
import os, numpy as np
from ndgrad import nd
def go(): return float((nd.exp(nd.array(np.zeros(1_000_000))) * 2).sum().asscalar())
assert go() == 2e6
child = os.fork()
if not child:
    os._exit(0 if go() == 2e6 else 1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
"""
    environment = {**os.environ, "NDGRAD_THREADS": "2"}
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, timeout=60, env=environment)


def test_threads_compute_the_same_to_the_bit() -> None:
    code = """
import numpy as np
from ndgrad import autograd, nd
x = nd.array(np.random.default_rng(0).standard_normal(1_000_000)); x.attach_grad()
with autograd.record():
    y = nd.sum(nd.exp(-x * x) * nd.tanh(x))
y.backward()
print(y.asscalar().hex(), float(np.sum(x.grad.asnumpy())).hex())
"""
    shown = [
        subprocess.run(
            [sys.executable, "-c", code], check=True, capture_output=True, env={**os.environ, "NDGRAD_THREADS": "3"}
        ).stdout
        for _ in range(2)
    ]
    assert shown[0] == shown[1]


UNARY = [nd.exp, nd.tanh, nd.sin, nd.abs, nd.square, nd.sigmoid, lambda x: x**3, lambda x: -x, nd.relu]
BINARY = [lambda a, b: a + b, lambda a, b: a * b, lambda a, b: a - b, lambda a, b: a / (2 + b * b), nd.maximum]


@given(st.data())
@settings(
    max_examples=100, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_random_programs_agree(data: st.DataObject) -> None:
    steps = data.draw(st.lists(st.tuples(st.integers(0, 2), *[st.integers(0, 1000)] * 3), min_size=1, max_size=15))

    def program(x: NDArray, row: NDArray, column: NDArray) -> NDArray:
        values = [x, row, column]
        for kind, i, j, k in steps:
            a, b = values[i % len(values)], values[j % len(values)]
            if kind == 0:
                made = nd.sin(UNARY[k % len(UNARY)](a))
            elif kind == 1:
                made = nd.sin(BINARY[k % len(BINARY)](a, b))
            else:
                made = nd.mean(a, axis=k % 2, keepdims=True)
            values.append(made)
        return nd.sum(x * row + column) + sum((nd.sum(v) for v in values[3:]), start=nd.sum(x))

    agree(program, *(RNG.uniform(-1, 1, shape) for shape in ((5, 4), (1, 4), (5, 1))), rtol=1e-9)


def test_derivatives_of_derivatives_wait_as_well() -> None:
    vector = nd.array(np.array([0.5, -2.0]))
    agree(lambda x, y: nd.sum(hvp(lambda t: nd.sum(t * t * y), x, y)), np.ones(2), np.array([3.0, 4.0]))
    agree(lambda x, y: nd.sum(hvp(lambda t: nd.sum(nd.tanh(t) * nd.exp(y)), x, y) * y), np.ones(2), np.array([3.0, 4]))
    agree(lambda x: nd.sum(jvp(grad(lambda t: nd.sum(nd.tanh(t) * t)), [x], [vector])[1]), np.array([0.1, 1.0]))


@pytest.mark.parametrize("shape", [(), (1,), (2,)])
def test_slopes_that_have_lost_their_digits_are_patched_in_every_shape(shape: tuple[int, ...]) -> None:
    for function in (nd.tanh, nd.sigmoid):
        agree(lambda x, function=function: nd.sum(function(x)), np.full(shape, 30.0))
