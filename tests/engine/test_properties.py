"""Whatever the shape, the layout in memory or the precision: the same mathematics, for every operation.

Adding an operation adds its tests: the cases are those of the operations' own tests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from runpy import run_path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import mutually_broadcastable_shapes

from ndgrad import autograd, nd
from ndgrad.ndarray import NDArray
from ndgrad.ops import load_all
from ndgrad.primitive import Primitive

OPERATIONS = run_path(str(Path(__file__).with_name("test_operations.py")))
applied, floats_of, ELEMENTWISE = OPERATIONS["applied"], OPERATIONS["floats_of"], OPERATIONS["ELEMENTWISE"]
DRAWS = OPERATIONS["draws"]()

every_operation = pytest.mark.parametrize("drawn", DRAWS)
every_elementwise_operation = pytest.mark.parametrize("op", ELEMENTWISE, ids=lambda op: op.name)


@pytest.fixture(autouse=True)
def no_warnings() -> Iterator[None]:
    with autograd.default_dtype("float64"), np.errstate(all="ignore"):
        yield


def value_and_gradients(
    function: Callable[..., NDArray], operands: list[np.ndarray], g: np.ndarray | None = None
) -> tuple[np.ndarray, list[np.ndarray]]:
    """The value, and the gradients for the cotangent g (made up unless given). The arrays are used as they are."""
    leaves = [NDArray(x) for x in operands]
    for leaf in leaves:
        leaf.attach_grad()
    with autograd.record(train_mode=False):
        y = function(*leaves)
    if y.node is None:
        return y.asnumpy(), [np.zeros_like(x) for x in operands]
    head = np.cos(np.arange(y.size)).reshape(y.shape) if g is None else g
    return y.asnumpy(), [bar.asnumpy() for bar in autograd.grad([y], leaves, [head])]


def agree(found: Any, wanted: Any, rtol: float, atol: float = 0.0) -> None:
    """Value and gradients are close, and have the same shapes."""
    for a, b in zip((found[0], *found[1]), (wanted[0], *wanted[1]), strict=True):
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=rtol, atol=atol)


# Precision

# Operations that make float64 of anything, because they were asked to.
ASKED = {"astype", "random_normal", "random_uniform"}
SINGLE = [p for p in DRAWS if p.values[0][0].name not in ASKED]


@pytest.mark.parametrize("drawn", SINGLE)
def test_float32_operands_give_float32_results_and_gradients_near_those_of_float64(drawn: Any) -> None:
    op, operands, statics = drawn
    single = op, [x.astype(np.float32) if x.dtype.kind == "f" else x for x in operands], statics
    double = op, [x.astype(np.float64) if x.dtype == np.float32 else x for x in single[1]], statics
    with autograd.default_dtype("float32"):
        found = value_and_gradients(applied(single), floats_of(single))
    assert {x.dtype for x in (found[0], *found[1])} == {np.dtype(np.float32)}
    agree(found, value_and_gradients(applied(double), floats_of(double)), rtol=2e-3, atol=2e-4)


# Layout in memory


def fortran(x: np.ndarray) -> np.ndarray:
    return np.asfortranarray(x) if x.ndim else x


def every_second(x: np.ndarray) -> np.ndarray:
    """The same entries, spread over a buffer twice as long in each axis."""
    wide = np.full(tuple(2 * n for n in x.shape), np.nan)
    key = (slice(None, None, 2),) * x.ndim
    wide[key] = x
    return wide[key]


def backwards(x: np.ndarray) -> np.ndarray:
    """The same entries, stored from the last to the first."""
    key = (slice(None, None, -1),) * x.ndim
    return np.ascontiguousarray(x[key])[key] if x.ndim else x


def read_only(x: np.ndarray) -> np.ndarray:
    made = x.copy()
    made.flags.writeable = False
    return made


@pytest.mark.parametrize("layout", [fortran, every_second, backwards, read_only])
@every_operation
def test_the_layout_of_the_operands_makes_no_difference(drawn: Any, layout: Callable[..., Any]) -> None:
    function, operands = applied(drawn), floats_of(drawn)
    laid_out = [np.asarray(layout(x)) for x in operands]
    before = [x.copy() for x in laid_out]
    agree(value_and_gradients(function, laid_out), value_and_gradients(function, operands), rtol=1e-11, atol=1e-12)
    for x, was in zip(laid_out, before, strict=True):
        np.testing.assert_array_equal(x, was)


# Axes


def with_axis_from_the_other_end(drawn: Any) -> Any | None:
    """The case with its axes counted from the other end, if it names any."""
    op, operands, statics = drawn
    axis = statics.get("axis")
    if axis is None or isinstance(axis, bool) or op.name in ("stack", "expand_dims"):
        return None
    ndim = operands[0].ndim

    def turned(i: int) -> int:
        return i - ndim if i >= 0 else i + ndim

    return op, operands, {**statics, "axis": tuple(map(turned, axis)) if isinstance(axis, tuple) else turned(axis)}


AXES = [
    pytest.param(p.values[0], other, id=p.id) for p in DRAWS if (other := with_axis_from_the_other_end(p.values[0]))
]


@pytest.mark.parametrize(("drawn", "other"), AXES)
def test_an_axis_may_be_counted_from_the_end(drawn: Any, other: Any) -> None:
    agree(
        value_and_gradients(applied(other), floats_of(other)),
        value_and_gradients(applied(drawn), floats_of(drawn)),
        rtol=0,
    )


ALONG_AN_AXIS = [
    op
    for op in load_all().values()
    if not op.elementwise and op.arity == 1 and not op.variadic and not op.untracked and "axis" in op.statics
    if op.name != "squeeze"  # takes axes of size 1 only
    if op.static_defaults[op.statics.index("axis")] in (None, -1)
    if all(p.default is not None or p.name == "axis" for p in op.signature[1:])
]


@pytest.mark.parametrize("op", ALONG_AN_AXIS, ids=lambda op: op.name)
def test_no_examples_give_no_results_and_an_empty_gradient(op: Primitive) -> None:
    required = {"p": 3.0, "q": 0.5, "shift": 1, "repeats": 2}
    statics = {k: v for k, v in required.items() if k in op.statics}
    full = value_and_gradients(lambda x: op.call(x, axis=-1, **statics), [np.ones((1, 3))])
    none = value_and_gradients(lambda x: op.call(x, axis=-1, **statics), [np.ones((0, 3))])
    assert none[0].shape == (0, *full[0].shape[1:])
    assert none[1][0].shape == (0, 3)


# Shapes

STATICS: dict[str, dict[str, Any]] = {"clip": {"a_min": -1.0, "a_max": 1.0}}


def operands_for(op: Primitive, shapes: tuple[tuple[int, ...], ...], seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    made = [rng.uniform(*op.domain, shape) for shape in shapes]
    return [made[0] > 0, *made[1:]] if op.name == "where" else made


@st.composite
def shapes_and_seed(draw: st.DrawFn, count: int) -> tuple[tuple[tuple[int, ...], ...], int]:
    shapes = draw(mutually_broadcastable_shapes(num_shapes=count, min_side=0, max_side=3, max_dims=3))
    return shapes.input_shapes, draw(st.integers(0, 2**16))


@every_elementwise_operation
def test_broadcasting_is_repeating_the_entries(op: Primitive) -> None:
    statics = STATICS.get(op.name, {})

    @settings(derandomize=True, deadline=None, max_examples=8, database=None)
    @given(shapes_and_seed(op.arity))
    def check(drawn: Any) -> None:
        shapes, seed = drawn
        operands = operands_for(op, shapes, seed)
        shape = np.broadcast_shapes(*shapes)
        repeated = [np.broadcast_to(x, shape).copy() for x in operands]
        found = value_and_gradients(applied((op, operands, statics)), floats_of((op, operands, statics)))
        value, bars = value_and_gradients(applied((op, repeated, statics)), floats_of((op, repeated, statics)))
        summed = [summed_to(bar, x.shape) for bar, x in zip(bars, floats_of((op, operands, statics)), strict=True)]
        agree(found, (value, summed), rtol=1e-12, atol=1e-12)

    check()


def summed_to(x: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The sum of x over what broadcasting made of `shape`."""
    x = x.sum(axis=tuple(range(x.ndim - len(shape))))
    stretched = tuple(i for i, n in enumerate(shape) if n == 1)
    return np.asarray(x.sum(axis=stretched, keepdims=True)) if stretched else x


@every_elementwise_operation
@pytest.mark.parametrize("shape", [(), (0,), (2, 0, 3)], ids=str)
def test_numbers_and_empty_arrays_keep_their_shape(op: Primitive, shape: tuple[int, ...]) -> None:
    operands = operands_for(op, (shape,) * op.arity, 0)
    value, bars = value_and_gradients(
        applied((op, operands, STATICS.get(op.name, {}))), [*floats_of((op, operands, {}))]
    )
    assert {value.shape, *(bar.shape for bar in bars)} == {shape}


@every_elementwise_operation
def test_gradients_add_up_over_a_fan_out_of_five_and_over_backwards(op: Primitive) -> None:
    operands = operands_for(op, ((3,),) * op.arity, 1)
    function = applied((op, operands, STATICS.get(op.name, {})))
    floats = floats_of((op, operands, {}))
    leaves = [nd.array(x) for x in floats]
    for leaf in leaves:
        leaf.attach_grad("add")
    connected = True
    for _ in range(2):
        with autograd.record(train_mode=False):
            y = sum((function(*leaves) for _ in range(5)), nd.zeros((3,)))
        connected = y.node is not None
        if connected:
            y.backward()
    once = value_and_gradients(function, floats, np.ones(3))[1]
    for leaf, bar in zip(leaves, once, strict=True):
        np.testing.assert_allclose(leaf.grad.asnumpy(), 10 * bar, rtol=1e-12)
