"""Shapes and dtypes are known before anything is computed, and so are the errors.

Adding an operation adds its tests: the cases are those of the operations' own tests and their examples.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from runpy import run_path
from typing import Any

import numpy as np
import pytest

from ndgrad import autograd, nd
from ndgrad.apply import bind
from ndgrad.errors import Error, LimitError
from ndgrad.memory import used_memory
from ndgrad.ndarray import plain
from ndgrad.ops import load_all, lookup
from ndgrad.ops.random import generator, seed
from ndgrad.primitive import REGISTRY as REAL
from ndgrad.primitive import NoDerivative, Primitive, elementwise, primitive
from ndgrad.shapes import ABSTRACT, Abstract, Undetermined, infer
from ndgrad.tape import STATE

REGISTRY = load_all()
draws = run_path(str(Path(__file__).with_name("test_operations.py")))["draws"]

# Operations whose shape takes values to know, with operands for which it does.
UNDETERMINED = {
    "unique": lambda F: F.unique(Abstract((3,), "float64")),
    "flatnonzero": lambda F: F.flatnonzero(Abstract((3,), "bool")),
    "nonzero": lambda F: F.nonzero(Abstract((2, 3), "bool")),
    "custom_call": lambda F: F.custom_call([Abstract((3,), "float64")], None),
    "permutation": lambda F: F.permutation(Abstract((), "int64")),
    "index": lambda F: F.index(Abstract((3,), "float64"), Abstract((3,), "bool")),
    "zeros": lambda F: F.zeros(Abstract((), "int64")),
}


@pytest.fixture(params=["float32", "float64"])
def dtype(request: pytest.FixtureRequest) -> Iterator[str]:
    with autograd.default_dtype(request.param):
        yield request.param


def described(y: Any) -> Any:
    """Shape and dtype, of each output if there are several."""
    return tuple(map(described, y)) if isinstance(y, tuple) else (tuple(y.shape), np.dtype(y.dtype))


def abstract(x: Any) -> Any:
    return Abstract(x.shape, x.dtype) if hasattr(x, "dtype") else x


@pytest.mark.parametrize("op", REGISTRY.values(), ids=lambda op: op.name)
def test_every_operation_says_what_shape_it_gives(op: Primitive) -> None:
    states = op.elementwise or op.shape is not None or bool(op.unknown)
    assert states or (op.composite and not op.concrete)


@pytest.mark.parametrize("drawn", draws())
@pytest.mark.parametrize("recorded", [False, True], ids=["plain", "recorded"])
def test_shape_and_dtype_are_those_of_the_result(drawn: Any, recorded: bool, dtype: str) -> None:
    op, operands, statics = drawn
    given = [nd.array(x.astype(dtype) if x.dtype.kind == "f" else x, dtype=None) for x in map(np.asarray, operands)]
    given = [x.astype(dtype) if x.dtype.kind == "f" else x for x in given]
    named = {} if op.variadic else dict(zip(op.operands, given, strict=False))
    args = (given,) if op.variadic else ()
    for x in given:
        if recorded and x.dtype.kind == "f":
            x.attach_grad()
    with autograd.record(train_mode=False) if recorded else autograd.pause():
        real = op.call(*args, **named, **statics)
    bound, parameters = bind(op, args, {**named, **statics})
    hidden = tuple([abstract(x) for x in group] if op.variadic else abstract(group) for group in bound)
    assert described(infer(op, bound, parameters)) == described(real)
    if op.name in UNDETERMINED and op.unknown:
        with pytest.raises(Undetermined):
            infer(op, hidden, parameters)
    else:
        assert described(infer(op, hidden, parameters)) == described(real)


@pytest.mark.parametrize("op", [op for op in REGISTRY.values() if op.example], ids=lambda op: op.name)
def test_shape_and_dtype_are_those_of_the_example(op: Primitive, dtype: str) -> None:
    call = op.example.split(" -> ")[0]
    known = {"nan": np.nan, "inf": np.inf}
    real = eval(call, {"__builtins__": {}}, {**known, op.name: op.call})
    assert described(eval(call, {"__builtins__": {}}, {**known, op.name: getattr(ABSTRACT, op.name)})) == described(
        real
    )


@pytest.mark.parametrize("name", ["sum", "prod", "max", "min", "all", "argmax", "count_nonzero", "mean", "var"])
def test_of_a_scalar_the_first_axis_is_there_where_numpy_says_so(name: str) -> None:
    for axis in (0, -1, 1):
        try:
            shape = np.shape(getattr(np, name)(np.float64(2), axis=axis))
        except np.exceptions.AxisError:
            with pytest.raises(Error):
                getattr(ABSTRACT, name)(Abstract((), "float64"), axis=axis)
        else:
            assert getattr(ABSTRACT, name)(Abstract((), "float64"), axis=axis).shape == shape


INTEGERS = (np.array([[3, 1], [2, 4]]), np.array([[True, False], [True, True]]))


@pytest.mark.parametrize("x", INTEGERS, ids=["int64", "bool"])
@pytest.mark.parametrize(
    "op",
    [
        op
        for op in REGISTRY.values()
        if op.arity in (1, 2)
        and not op.variadic
        and len(op.signature) - len([p for p in op.signature if p.kind == "static" and repr(p.default) != "REQUIRED"])
        == op.arity
    ],
    ids=lambda op: op.name,
)
def test_integers_and_truth_values_are_told_as_floats_are(op: Primitive, x: np.ndarray) -> None:
    seed(1)
    with autograd.default_dtype("float64"), np.errstate(all="ignore"):
        try:
            real = described(op.call(*[nd.array(x, dtype=x.dtype)] * op.arity))
        except Error as error:
            real = error.diagnostics[0]
        try:
            told = described(infer(op, *bind(op, (x,) * op.arity, {})))
        except Error as error:
            told = error.diagnostics[0]
    # What only the values can tell, such as a singular matrix or a divisor of 0, comes when they are there.
    assert told == real or getattr(real, "code", None) in ("E304", "E309")


@pytest.mark.parametrize("ask", UNDETERMINED.values(), ids=list(UNDETERMINED))
def test_what_takes_values_to_know_is_said_to_be_unknown(ask: Callable[[Any], Any]) -> None:
    with pytest.raises(Undetermined, match=r"\w"):
        ask(ABSTRACT)


M, V, S = np.ones((2, 3)), np.ones(3), np.ones(())
IMAGE, KERNEL = np.ones((1, 3, 5, 5)), np.ones((2, 2, 3, 3))

BAD_CALLS: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("add", (M, np.ones((2, 4))), {}),
    ("where", (M, V, np.ones(4)), {}),
    ("clip", (M, np.ones(4), 2.0), {}),
    ("negative", (M > 0,), {}),
    ("sum", (M,), {"axis": 2}),
    ("mean", (M,), {"axis": (0, 0)}),
    ("argmax", (M,), {"axis": -3}),
    ("softmax", (V,), {"axis": 1}),
    ("cumsum", (M,), {"axis": 2}),
    ("quantile", (M, 2.0), {}),
    ("norm", (M,), {"ord": "odd"}),
    ("trapezoid", (M, np.ones(5)), {}),
    ("reshape", (M, (4, 2)), {}),
    ("reshape", (M, (-1, -1)), {}),
    ("reshape", (M, 2.5), {}),
    ("transpose", (M, (0, 0)), {}),
    ("broadcast_to", (M, (3, 3)), {}),
    ("stack", ([V, np.ones(4)],), {}),
    ("concatenate", ([M, np.ones((2, 4))],), {}),
    ("concatenate", ([S, S],), {}),
    ("hstack", ([M, V],), {}),
    ("vstack", ([M, np.ones(4)],), {}),
    ("split", (M, 2), {"axis": 1}),
    ("squeeze", (M,), {"axis": 0}),
    ("pad", (M, -1), {}),
    ("pad", (M, 1), {"mode": "odd"}),
    ("tril", (V,), {}),
    ("repeat", (M, -1), {}),
    ("index", (M, 2), {}),
    ("index", (M, (0, 0, 0)), {}),
    ("index", (M, np.array([True, False, True])), {}),
    ("index", (M, np.array([0, 5])), {}),
    ("take_along_axis", (M, np.array([0, 1]), 1), {}),
    ("written", (M, np.ones(2), 0), {}),
    ("matmul", (M, M), {}),
    ("matmul", (M, S), {}),
    ("dot", (M, M), {}),
    ("outer", (M, "text"), {}),
    ("tensordot", (M, M), {"axes": 1}),
    ("inner", (M, np.ones(4)), {}),
    ("cross", (np.ones(2), np.ones(2)), {}),
    ("diag", (np.ones((2, 2, 2)),), {}),
    ("einsum", ("ij,jk->ik", M, M), {}),
    ("einsum", ("ij,j->k", M, V), {}),
    ("einsum", ("ij", M, V), {}),
    ("inv", (M,), {}),
    ("solve", (np.eye(3), np.ones(2)), {}),
    ("det", (V,), {}),
    ("pinv", (V,), {}),
    ("qr", (V,), {}),
    ("svd", (V,), {}),
    ("eigh", (M,), {}),
    ("eigvalsh", (M,), {}),
    ("matrix_power", (M, 2), {}),
    ("conv2d", (IMAGE, KERNEL), {}),
    ("conv2d", (M, KERNEL), {}),
    ("conv2d", (IMAGE, np.ones((2, 3, 6, 6))), {}),
    ("max_pool2d", (np.ones((1, 1)),), {}),
    ("convolve", (M, V), {}),
    ("convolve", (V, V), {"mode": "odd"}),
    ("correlate", (V, M), {}),
    ("layer_norm", (M, np.ones(2)), {}),
    ("dropout", (M,), {"p": 2.0}),
    ("mse", (M, np.ones(2)), {}),
    ("cross_entropy", (M, M[:, :2]), {}),
    ("zeros", (-1,), {}),
    ("zeros", ("text",), {}),
    ("ones", ((2, 1.5),), {}),
    ("arange", (0, 1, 0), {}),
    ("linspace", (0, 1, -1), {}),
    ("searchsorted", (M, V), {}),
    ("sum", (), {}),
    ("sum", (M, 0, False, 1), {}),
]


@pytest.mark.parametrize(("name", "args", "named"), BAD_CALLS, ids=[f"{i}-{c[0]}" for i, c in enumerate(BAD_CALLS)])
def test_a_bad_call_is_refused_before_it_is_computed_in_the_same_words(
    name: str, args: tuple[Any, ...], named: dict[str, Any]
) -> None:
    op = lookup(name)
    assert op is not None
    with pytest.raises(Error) as called:
        op.call(*args, **named)
    with pytest.raises(Error) as told:
        getattr(ABSTRACT, name)(*args, **named)
    assert str(told.value) == str(called.value)
    hidden = [[abstract(x) for x in a] if isinstance(a, list) else abstract(a) for a in args[: op.arity]]
    if op.arity and not op.concrete:
        with pytest.raises(Error) as hidden_told:
            getattr(ABSTRACT, name)(*hidden, *args[op.arity :], **named)
        assert str(hidden_told.value) == str(called.value)


def test_operators_and_indices_of_abstract_arrays_are_the_operations() -> None:
    x = Abstract((4, 3), "float32")
    n = Abstract((3,), "int64")
    for y, shape, kind in [
        (2 * x + n, (4, 3), "float64"),
        (2 * x - 1, (4, 3), "float32"),
        (x @ x.T, (4, 4), "float32"),
        (x[1:, None, n], (3, 1, 3), "float32"),
        (np.ones((4, 1)) / x, (4, 3), "float64"),
        (-(abs(x) ** 2) % 3 // 2, (4, 3), "float32"),
        (x < 2, (4, 3), "bool"),
        (+n >= 1, (3,), "bool"),
        (ABSTRACT.clip(x, n, None), (4, 3), "float64"),
    ]:
        assert described(y) == (shape, np.dtype(kind))
    assert (x.ndim, x.size, len(x), repr(x)) == (2, 12, 4, "<float32 of shape 4×3>")


def test_telling_the_shape_of_what_is_huge_costs_nothing() -> None:
    x, labels = Abstract((10**6, 10**6), "float32"), Abstract((10**6,), "int64")
    for name in ("sort", "tril", "flip", "trace", "det", "exp", "sum", "diagonal", "cumsum", "median"):
        assert getattr(ABSTRACT, name)(x).dtype == "float32"
    assert ABSTRACT.index(x, np.arange(1000)).shape == (1000, 10**6)
    assert ABSTRACT.roll(x, 3).shape == x.shape
    assert ABSTRACT.matmul(x, x).nbytes == 4 * 10**12
    assert ABSTRACT.cross_entropy(x, labels).shape == ()
    assert ABSTRACT.conv2d(Abstract((10**4, 3, 512, 512), "float32"), Abstract((16, 3, 3, 3), "float32")).ndim == 4


def test_telling_a_shape_draws_no_random_numbers() -> None:
    seed(5)
    before = generator().bit_generator.state
    ABSTRACT.random_normal(0.0, 1.0, (1000,))
    ABSTRACT.permutation(np.ones(5))
    assert generator().bit_generator.state == before


@pytest.fixture
def one_mebibyte() -> Iterator[None]:
    STATE.max_bytes = used_memory() + 2**20
    try:
        yield
    finally:
        STATE.max_bytes = None


BIG = 10**7
TOO_LARGE: list[Callable[[], Any]] = [
    lambda: REAL["zeros"].call((BIG, BIG)),
    lambda: REAL["full"].call(BIG, 1.0),
    lambda: REAL["eye"].call(BIG),
    lambda: REAL["arange"].call(BIG),
    lambda: REAL["linspace"].call(0, 1, BIG),
    lambda: REAL["tril_indices"].call(10**4),
    lambda: REAL["one_hot"].call([1.0, 2.0], BIG),
    lambda: REAL["tile"].call(nd.ones(3), BIG),
    lambda: REAL["repeat"].call(nd.ones(3), BIG),
    lambda: REAL["pad"].call(nd.ones(3), BIG),
    lambda: REAL["diag"].call(nd.ones(10**4)),
    lambda: REAL["outer"].call(nd.ones(10**4), nd.ones(10**4)),
    lambda: REAL["random_normal"].call(0.0, 1.0, (BIG,)),
    lambda: REAL["einsum"].call("i,j->ij", nd.ones(10**4), nd.ones(10**4)),
    lambda: REAL["where"].call(nd.ones((10**4, 1)), nd.ones(10**4), 0.0),
]


@pytest.mark.usefixtures("one_mebibyte")
@pytest.mark.parametrize("call", TOO_LARGE)
def test_an_array_beyond_the_limit_is_refused_before_it_is_made(call: Callable[[], Any]) -> None:
    with pytest.raises(LimitError, match=r"\[E502\] an array of shape .* needs .*; the limit is .* in all"):
        call()


@pytest.mark.usefixtures("one_mebibyte")
def test_what_stays_within_the_limit_is_computed() -> None:
    spread = REAL["broadcast_to"].call(nd.ones(3), (BIG, 3))  # takes no memory of its own
    assert plain(REAL["sum"].call(spread[:2])) == 6
    assert plain(REAL["sum"].call(REAL["zeros"].call((100, 100)))) == 0


# The registry


def test_the_registry_refuses_what_is_not_whole() -> None:
    known = set(REAL)
    with pytest.raises(TypeError, match="an example is missing"):
        elementwise("without_example", value=lambda F, x: x, partials=[lambda: 1])
    with pytest.raises(TypeError, match="2 rules for 1 operands"):
        primitive("miscounted", value=lambda F, x: x, vjps=[lambda g: g, lambda g: g], operands=1, example="x -> x")
    with pytest.raises(TypeError, match="exactly one of partials, vjps and vjp"):
        primitive("without_rules", value=lambda F, x: x, example="x -> x")
    with pytest.raises(TypeError, match="which it cannot have"):
        primitive("asking", value=lambda F, x: x, vjps=[lambda g, z: g], example="x -> x")
    with pytest.raises(TypeError, match="sin is registered twice"):
        elementwise("sin", value=lambda F, x: x, partials=[NoDerivative("none")], example="sin(0) -> 0")
    assert set(REAL) == known


def test_an_internal_operation_needs_no_example() -> None:
    try:
        op = primitive("only_here", value=lambda F, x: x, vjps=[lambda g: g], shape=lambda x: x, internal=True)
        assert described(infer(op, (Abstract((2,), "float32"),))) == ((2,), np.dtype("float32"))
    finally:
        REAL.pop("only_here", None)
