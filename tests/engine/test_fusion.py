"""Deferred arrays give what NumPy gives: every form of operand, every reduction, however the tiles fall."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ndgrad.fusion import compute, lazy, pool, report, schedule, tiles
from ndgrad.fusion.lazy import Lazy, source

RNG = np.random.default_rng(7)
BEGINNING = RNG.bit_generator.state


@pytest.fixture(autouse=True)
def draws() -> None:
    """Every test draws the same numbers, whichever ran before."""
    RNG.bit_generator.state = BEGINNING


@pytest.fixture(autouse=True, params=["large tiles", "small tiles"])
def tile_sizes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything is checked with tiles of the usual size and with tiny ones, and nothing is computed at once."""
    monkeypatch.setattr(lazy, "SMALL", 1)
    monkeypatch.setattr(compute, "SMALL", 1)
    if request.param == "small tiles":
        monkeypatch.setattr(tiles, "SMALLEST", 7)
        monkeypatch.setattr(tiles, "LARGEST", 7)
        monkeypatch.setattr(tiles, "SLOTS", 20)
        monkeypatch.setattr(tiles, "ALONE", 5)


def lazily(x: np.ndarray) -> Lazy:
    return source(x)


OPERANDS = {
    "equal": ((6, 5, 4), (6, 5, 4)),
    "row": ((6, 5, 4), (4,)),
    "plane": ((6, 5, 4), (5, 4)),
    "column": ((6, 5, 4), (6, 1, 1)),
    "middle": ((6, 5, 4), (1, 5, 1)),
    "both spread": ((6, 1, 4), (5, 1)),
    "scalar": ((6, 5, 4), ()),
    "flat": ((120,), (120,)),
}


@pytest.mark.parametrize("form", OPERANDS)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_elementwise_operations_broadcast(form: str, dtype: str) -> None:
    a, b = (RNG.standard_normal(shape).astype(dtype) for shape in OPERANDS[form])

    def expression(x, y):
        return np.exp(-x * y) + np.where(x > y, x, 0.0) - np.where(y < 0.5, 0.0, y) * np.where(x < 0.1, x, y) + 2

    made = expression(lazily(a), lazily(np.asarray(b)))
    wanted = expression(a, b)
    assert made.shape == wanted.shape
    assert made.dtype == wanted.dtype
    np.testing.assert_allclose(made.compute(), wanted, rtol=1e-6 if dtype == "float32" else 1e-14)


AXES = [None, 0, 1, 2, -1, (0, 1), (1, 2), (0, 2), (0, 1, 2), ()]


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("name", ["sum", "mean", "max", "min"])
@pytest.mark.parametrize("transposed", [False, True])
def test_reductions_over_any_axes(name: str, axis, keepdims: bool, transposed: bool) -> None:
    x = RNG.standard_normal((11, 5, 9))
    if transposed:
        x = x.transpose(2, 0, 1)
    function = getattr(np, name)
    made = function(lazily(x) * 2, axis=axis, keepdims=keepdims)
    wanted = function(x * 2, axis=axis, keepdims=keepdims)
    assert made.shape == np.shape(wanted)
    np.testing.assert_allclose(lazy.computed(made), wanted, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("shape", [(), (4,), (3, 1)])
def test_spread_arrays_are_reduced(shape: tuple[int, ...]) -> None:
    x = np.asarray(RNG.standard_normal(shape))
    spread = np.broadcast_to(lazily(x) * 2, (3, 4))
    for axis in (None, 0, 1):
        np.testing.assert_allclose(np.sum(spread, axis=axis), np.sum(np.broadcast_to(2 * x, (3, 4)), axis=axis))
        np.testing.assert_allclose(np.max(spread, axis=axis), np.max(np.broadcast_to(2 * x, (3, 4)), axis=axis))


def test_a_reduction_can_be_used_in_the_shape_it_came_from() -> None:
    x = RNG.standard_normal((12, 10))
    a = lazily(x)
    e = np.exp(a - np.max(a, axis=1, keepdims=True))
    made = (e / np.sum(e, axis=1, keepdims=True)).compute()
    wanted = np.exp(x - x.max(axis=1, keepdims=True))
    np.testing.assert_allclose(made, wanted / wanted.sum(axis=1, keepdims=True), rtol=1e-13)


def test_values_of_several_kinds_come_out_of_one_group() -> None:
    x = RNG.standard_normal((12, 10))
    a = lazily(x)
    y = np.exp(a)
    parts = [y, np.sum(y), np.sum(y, axis=0), np.max(a), np.isfinite(y), np.all(np.isfinite(y)), a.astype("float32")]
    before = report()
    compute.compute(parts)
    assert report().passes == before.passes + 1
    e = np.exp(x)
    wanted = [e, e.sum(), e.sum(axis=0), x.max(), np.ones((12, 10), bool), True, x.astype("float32")]
    for made, right in zip(parts, wanted, strict=True):
        np.testing.assert_allclose(made.known, right, rtol=1e-13)


def test_sums_are_as_exact_as_numpys() -> None:
    x = (RNG.standard_normal(200_003) + 3).astype("float32")
    exact = x.astype("float64").sum()
    assert abs(float(np.sum(lazily(x) * 1.0)) - exact) <= 2 * abs(float(x.sum()) - exact) + 1e-6 * exact


def test_values_at_few_entries_are_patched() -> None:
    x = RNG.standard_normal(100)
    a = lazily(x)
    made = lazy.patched(a * 0, a > 1, a, lambda t: t * t).compute()
    np.testing.assert_array_equal(made, np.where(x > 1, x * x, 0))


def test_equal_expressions_are_computed_once() -> None:
    a = lazily(RNG.standard_normal(50))
    work = schedule.Pass((50,), [np.exp(a) + np.exp(a)])
    assert str(work.plan) == "r0 = exp x0\ny0 = add r0 r0"


def test_registers_are_used_again() -> None:
    a = lazily(RNG.standard_normal(50))
    y = a
    for _ in range(30):
        y = np.sin(y) * 0.5
    assert len(schedule.Pass((50,), [y]).plan.registers) == 1


def test_plans_are_made_once_for_a_structure() -> None:
    def step(x: np.ndarray, c: float) -> Lazy:
        return np.tanh(lazily(x) * np.float64(2)) + c

    schedule.PLANS.clear()
    step(RNG.standard_normal(60), 1.5).compute()
    before = report().plans
    step(RNG.standard_normal(70), 1.5).compute()
    assert report().plans == before
    step(RNG.standard_normal(70), -1.5).compute()
    assert report().plans == before + 1


def test_what_someone_holds_is_stored_on_the_way() -> None:
    class Holder:
        pass

    import weakref

    holder = Holder()
    a = lazily(RNG.standard_normal(50))
    middle, other = np.exp(a), np.sin(a)
    middle.holders = [weakref.ref(holder)]
    np.sum(middle * other).compute()
    assert middle.known is not None
    assert other.known is None


def test_a_write_leaves_what_waits_to_read_as_it_was() -> None:
    x = np.arange(5000.0)
    y = lazily(x) * 2
    lazy.before_write(x)
    x[0] = 99
    assert y.compute()[0] == 0


def test_functions_without_a_deferred_form_get_the_array() -> None:
    x = RNG.standard_normal((8, 7))
    a = lazily(x) * 1.5
    np.testing.assert_allclose(np.cumsum(a, axis=0), np.cumsum(x * 1.5, axis=0))
    np.testing.assert_allclose(np.concatenate([a, a]), np.concatenate([x * 1.5] * 2))
    np.testing.assert_allclose(a @ x.T, (x * 1.5) @ x.T)
    np.testing.assert_allclose(a[2:4], (x * 1.5)[2:4])
    np.testing.assert_allclose(np.add.accumulate(a), np.add.accumulate(x * 1.5))
    assert a.T.shape == (7, 8)


def test_shapes_that_do_not_match_are_refused_at_once() -> None:
    with pytest.raises(ValueError, match="broadcast"):
        lazily(np.ones(10)) + lazily(np.ones(9))
    with pytest.raises(ValueError, match="axis"):
        np.sum(lazily(np.ones(10)), axis=3)


UNARY = [np.exp, np.tanh, np.negative, np.absolute, np.square, lambda x: x**3, lambda x: x.astype("float32"), np.sign]
BINARY = [np.add, np.multiply, np.subtract, np.maximum, lambda a, b: np.where(a > b, a, b), lambda a, b: a * (b > 0)]


@given(st.data())
@settings(
    max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_random_programs_give_the_same_numbers(data: st.DataObject) -> None:
    shapes = [(9, 8), (8,), (9, 1), (1, 8), ()]
    plain = [np.asarray(RNG.uniform(-1, 1, shape)) for shape in shapes]
    deferred = [lazily(x) for x in plain]
    pick = st.integers(0, 10**6)
    for _ in range(data.draw(st.integers(1, 12))):
        i, j, k = (data.draw(pick) for _ in range(3))
        kind = data.draw(st.sampled_from(["unary", "binary", "reduce"]))
        if kind == "unary":
            f = UNARY[k % len(UNARY)]
            made = [f(values[i % len(values)]) for values in (plain, deferred)]
        elif kind == "binary":
            f = BINARY[k % len(BINARY)]
            made = [f(values[i % len(values)], values[j % len(values)]) for values in (plain, deferred)]
        else:
            axis = [None, 0, -1][k % 3] if plain[i % len(plain)].ndim else None
            made = [np.mean(values[i % len(values)], axis=axis, keepdims=True) for values in (plain, deferred)]
        plain.append(np.asarray(made[0]))
        deferred.append(made[1])
        assert made[1].shape == plain[-1].shape
        assert made[1].dtype == plain[-1].dtype
    some = [d for d in deferred[5:] if data.draw(st.booleans())] or deferred[-1:]
    compute.compute([d for d in some if isinstance(d, Lazy)])
    for right, made in zip(plain, deferred, strict=True):
        np.testing.assert_allclose(np.asarray(made), right, rtol=2e-5, atol=1e-6)


def test_work_is_done_where_no_thread_can_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(pool, "_pool", None)
    monkeypatch.setattr(threading.Thread, "start", refused)
    done: list[int] = []
    pool.together(lambda: done.append(1), 3)
    assert done == [1]
    assert pool._pool is None
