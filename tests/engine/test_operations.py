"""Every operation in the registry, checked against itself three ways.

Adding an operation adds its tests: nothing here names an elementwise operation. The others say in
CASES what operands and parameters to draw.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from ndgrad import autograd, cpu, namespace, nd
from ndgrad.ndarray import NDArray, plain
from ndgrad.ops import load_all, names
from ndgrad.ops.homes import HOMES, INTERNAL, PLAIN_FUNCTIONS
from ndgrad.ops.random import seed
from ndgrad.primitive import Primitive
from ndgrad.tracing import jvp

rng = np.random.default_rng(7)


def positive_definite(*shape: int) -> np.ndarray:
    a = rng.standard_normal(shape)
    return a @ np.swapaxes(a, -1, -2) + shape[-1] * np.eye(shape[-1])


SPD = positive_definite
MASK = np.array([True, False, True, True])
REPEATS = np.array([0, 2, 0, 0])

# For operations that are not elementwise: operands (a shape is drawn from the operation's domain) and parameters.
CASES: dict[str, list[tuple[list[Any], dict[str, Any]]]] = {
    "tanh_slope": [([np.array([0.5, -9.0]), np.tanh(np.array([0.5, -9.0]))], {})],
    "sigmoid_slope": [([np.array([0.5, 30.0]), 1 / (1 + np.exp([-0.5, -30.0]))], {})],
    "sum": [([(2, 3)], {}), ([(2, 3)], {"axis": 0}), ([(2, 3, 2)], {"axis": (0, -1), "keepdims": True}), ([()], {})],
    "mean": [([(2, 3)], {}), ([(2, 3)], {"axis": -1, "keepdims": True}), ([(2, 3, 2)], {"axis": (0, 2)})],
    "max": [([(2, 3)], {}), ([(2, 3)], {"axis": 1}), ([(2, 3)], {"axis": (0, 1), "keepdims": True})],
    "min": [([(2, 3)], {}), ([(2, 3)], {"axis": 0, "keepdims": True})],
    "prod": [([(2, 3)], {}), ([(2, 3, 2)], {"axis": (0, -1)}), ([np.array([[0.0, 2, 3], [0, 0, 5]])], {"axis": 1})],
    "var": [([(2, 3)], {}), ([(2, 3)], {"axis": 1, "ddof": 1}), ([(2, 3)], {"axis": 0, "keepdims": True})],
    "std": [([(2, 3)], {}), ([(2, 3)], {"axis": -1, "ddof": 1, "keepdims": True})],
    "logsumexp": [([(2, 3)], {}), ([(2, 3)], {"axis": 1, "keepdims": True})],
    "softmax": [([(2, 3)], {}), ([(2, 3)], {"axis": 0})],
    "log_softmax": [([(2, 3)], {}), ([(2, 3)], {"axis": 0})],
    "norm2": [([(3,)], {}), ([(2, 3)], {}), ([(2, 3)], {"axis": -1, "keepdims": True})],
    "norm_p": [([(3,)], {"p": 3.0}), ([(2, 3)], {"p": 2.5, "axis": 0})],
    "norm": [
        ([(3,)], {}),
        ([(2, 3)], {"ord": "fro"}),
        ([(2, 3)], {"axis": 0}),
        *(([(4,)], {"ord": o}) for o in (1, 3, np.inf, -np.inf)),
        *(([(2, 3)], {"ord": o}) for o in (1, -1, 2, -2, np.inf, "nuc")),
        ([(2, 3, 2)], {"ord": 1, "axis": (0, 2), "keepdims": True}),
    ],
    "median": [([(5,)], {}), ([(2, 4)], {"axis": 1, "keepdims": True})],
    "quantile": [([(5,)], {"q": 0.3}), ([(2, 5)], {"q": (0.1, 0.6), "axis": 1})],
    "nansum": [([(2, 3)], {"axis": 0})],
    "nanmean": [([(2, 3)], {"axis": 0, "keepdims": True})],
    "trapezoid": [([(5,)], {}), ([(2, 4), (4,)], {}), ([(2, 4), (2, 4)], {"axis": 1}), ([(4, 2), (4,)], {"axis": 0})],
    "cumsum": [([(2, 3)], {}), ([(2, 3)], {"axis": 1})],
    "cumprod": [([(2, 3)], {}), ([(2, 3)], {"axis": -1}), ([np.array([2.0, 0, 3, 0, 4])], {"axis": 0})],
    "cummax": [([(2, 4)], {"axis": 1})],
    "cumsum_along": [([(2, 3)], {"axis": 0})],
    "cumprod_along": [([(2, 3)], {"axis": 1})],
    "linear_scan": [([(2, 4), (2, 4)], {"axis": 1})],
    "reshape": [([(2, 3)], {"shape": (3, 2)}), ([(6,)], {"shape": (-1, 2)})],
    "transpose": [([(2, 3)], {}), ([(2, 3, 4)], {"axes": (1, 2, 0)})],
    "broadcast_to": [([(3,)], {"shape": (2, 3)}), ([(2, 1)], {"shape": (4, 2, 3)})],
    "stack": [([(2, 3), (2, 3), (2, 3)], {"axis": 1}), ([()] * 2, {})],
    "concatenate": [([(2, 3), (1, 3)], {}), ([(2, 3), (2, 1), (2, 2)], {"axis": -1})],
    "hstack": [([(2,), (3,)], {}), ([(2, 1), (2, 2)], {})],
    "vstack": [([(3,), (3,)], {}), ([(1, 3), (2, 3)], {})],
    "split": [([(4,)], {"indices_or_sections": 2}), ([(2, 5)], {"indices_or_sections": (1, 3), "axis": 1})],
    "tile": [([(2,)], {"reps": 3}), ([(2, 3)], {"reps": (2, 1, 2)})],
    "repeat": [([(2, 3)], {"repeats": 2}), ([(2, 3)], {"repeats": (1, 3), "axis": 0})],
    "flip": [([(2, 3)], {}), ([(2, 3)], {"axis": 1})],
    "roll": [([(2, 3)], {"shift": 2}), ([(2, 3)], {"shift": (1, -1), "axis": (0, 1)})],
    "rot90": [*(([(2, 3)], {"k": k}) for k in range(4))],
    "pad": [
        ([(2, 3)], {"pad_width": ((1, 2), (0, 1))}),
        *(([(3, 4)], {"pad_width": 2, "mode": m}) for m in ("edge", "reflect", "symmetric", "wrap")),
    ],
    "tril": [([(3, 3)], {"k": -1}), ([(2, 3, 4)], {})],
    "triu": [([(3, 3)], {"k": 1}), ([(2, 3, 4)], {})],
    "diff": [([(5,)], {}), ([(4, 3)], {"n": 2, "axis": 0})],
    "meshgrid": [([(2,), (3,)], {}), ([(2,), (3,), (2,)], {"indexing": "ij"})],
    "swapaxes": [([(2, 3, 4)], {"axis1": 0, "axis2": -1})],
    "moveaxis": [
        ([(2, 3, 4)], {"source": 0, "destination": -1}),
        ([(2, 3, 4)], {"source": (0, 1), "destination": (1, 2)}),
    ],
    "expand_dims": [([(2, 3)], {"axis": (0, -1)})],
    "squeeze": [([(1, 2, 1)], {}), ([(1, 2, 1)], {"axis": -1})],
    "ravel": [([(2, 3)], {})],
    "flatten": [([(2, 3)], {})],
    "atleast_1d": [([()], {})],
    "atleast_2d": [([(3,)], {}), ([(2, 3)], {})],
    "atleast_3d": [([(3,)], {}), ([(2, 3)], {})],
    "astype": [([(3,)], {"dtype": "float64"})],
    "float": [([(3,)], {})],
    "index": [
        ([(4, 3)], {"key": 1}),
        ([(4, 3)], {"key": (slice(None, None, -2), slice(1, None))}),
        ([(4, 3)], {"key": REPEATS}),
        ([(4, 3)], {"key": MASK}),
        ([(4, 3)], {"key": (..., None, 0)}),
    ],
    "written": [
        ([(4,), ()], {"key": 2}),
        ([(4, 3), (3,)], {"key": slice(0, 2)}),
        ([(4,), (3,)], {"key": np.array([1, 1, 3])}),
    ],
    "scatter": [([(3,)], {"shape": (4,), "key": np.array([1, 1, 3])})],
    "scattered": [([(2,)], {"shape": (4,), "key": slice(1, 3)})],
    "sort": [([(2, 4)], {}), ([(2, 4)], {"axis": None}), ([(4, 2)], {"axis": 0})],
    "take": [([(4, 3), REPEATS], {}), ([(4, 3), np.array([[1, 0], [2, 2]])], {"axis": 1})],
    "take_along_axis": [([(2, 4), np.array([[0, 0, 3], [1, 2, 1]])], {"axis": 1})],
    "unique": [([(2, 3)], {})],
    "matmul": [
        ([(2, 3), (3, 4)], {}),
        ([(3,), (3,)], {}),
        ([(3,), (3, 2)], {}),
        ([(2, 3), (3,)], {}),
        ([(5, 2, 3), (3, 4)], {}),
        ([(3,), (5, 3, 2)], {}),
        ([(5, 2, 3), (3,)], {}),
        ([(2, 1, 2, 3), (4, 3, 2)], {}),
    ],
    "dot": [
        ([(3,), (3,)], {}),
        ([(2, 3), (3,)], {}),
        ([(2, 4, 3), (5, 3, 2)], {}),
        ([(), (3,)], {}),
        ([(3,), (3, 2)], {}),
    ],
    "outer": [([(2,), (3,)], {})],
    "inner": [([(3,), (3,)], {}), ([(2, 3), (4, 3)], {}), ([(), (3,)], {})],
    "tensordot": [
        ([(2, 3, 4), (3, 4, 2)], {}),
        ([(2, 3), (3, 2)], {"axes": 1}),
        ([(2, 3), (3, 2)], {"axes": ((0,), (1,))}),
    ],
    "kron": [([(2,), (3,)], {}), ([(2, 3), (2, 2)], {})],
    "cross": [([(3,), (3,)], {}), ([(2, 3), (2, 3)], {}), ([(3, 2), (3, 2)], {"axis": 0})],
    "diagonal": [([(3, 4)], {"offset": 1}), ([(2, 3, 3)], {"axis1": 1, "axis2": 2, "offset": -1})],
    "trace": [([(3, 3)], {}), ([(3, 4)], {"offset": 1})],
    "diag": [([(3,)], {"k": 1}), ([(3, 4)], {"k": -1})],
    "diagflat": [([(2, 2)], {"k": -1})],
    "einsum_of": [
        ([(2, 3), (3, 4)], {"subscripts": "ij,jk->ik"}),
        ([(3, 3), (3,)], {"subscripts": "ii,i"}),
        ([(3, 3)], {"subscripts": "ii->i"}),
        ([(2, 2, 3), (1, 3, 2)], {"subscripts": "...ij,...jk->...ik"}),
        ([(2, 3), (3, 2), (2, 4)], {"subscripts": "ij,jk,kl->il"}),
        ([(2, 3), (4,)], {"subscripts": "ij,k->ik"}),
        ([(2, 3)], {"subscripts": "ba"}),
    ],
    "inv": [([SPD(3, 3)], {}), ([SPD(2, 2, 2)], {})],
    "pinv": [([(4, 2)], {}), ([(2, 3)], {})],
    "solve": [
        ([SPD(3, 3), (3,)], {}),
        ([SPD(3, 3), (3, 2)], {}),
        ([SPD(2, 3, 3), (2, 3, 2)], {}),
        ([SPD(2, 3, 3), (3,)], {}),
    ],
    "lstsq": [([(4, 2), (4,)], {})],
    "solve_triangular": [
        ([SPD(3, 3), (3,)], {}),
        ([SPD(3, 3), (3, 2)], {"lower": True, "trans": 1, "unit_diagonal": True}),
    ],
    "det": [([(3, 3)], {}), ([(2, 2, 2)], {}), ([np.array([[1.0, 2], [2, 4]])], {})],
    "slogdet": [([(3, 3)], {}), ([(2, 2, 2)], {})],
    "cholesky": [([SPD(3, 3)], {}), ([SPD(2, 2, 2)], {})],
    "qr": [([(4, 3)], {}), ([(3, 3)], {})],
    "svd": [([(4, 3)], {"full_matrices": False}), ([(2, 3)], {"full_matrices": False}), ([(3, 3)], {})],
    "svdvals": [([(4, 3)], {}), ([(2, 2, 3)], {})],
    "eigh": [([SPD(3, 3)], {})],
    "eigvalsh": [([SPD(3, 3)], {})],
    "custom_call": [],
    "nonzero": [],
    "transfer": [([(3,)], {"to": cpu(), "back": cpu()})],
    "expm": [([(3, 3)], {}), ([(2, 2, 2)], {})],
    "matrix_power": [*(([SPD(2, 2)], {"n": n}) for n in (0, 1, 3, -2))],
    "windows": [([(2, 5)], {"size": (2,), "stride": (2,), "dilation": (1,)})],
    "fold": [([(2, 2, 2)], {"shape": (2, 5), "size": (2,), "stride": (2,), "dilation": (1,)})],
    "conv1d": [([(2, 2, 6), (4, 1, 3), (4,)], {"stride": 2, "padding": 1, "dilation": 2, "groups": 2})],
    "conv2d": [([(1, 2, 4, 5), (3, 2, 2, 3), (3,)], {"padding": (1, 0)})],
    "max_pool2d": [([(1, 4, 4)], {}), ([(5, 5)], {"size": 3, "stride": 2, "padding": 1})],
    "avg_pool2d": [([(1, 4, 4)], {"stride": 1})],
    "convolve_full": [([(4,), (3,)], {})],
    "convolve": [*(([(5,), (3,)], {"mode": m}) for m in ("full", "same", "valid")), ([(2,), (4,)], {"mode": "same"})],
    "correlate": [*(([(5,), (2,)], {"mode": m}) for m in ("full", "same", "valid")), ([(2,), (4,)], {"mode": "valid"})],
    "layer_norm": [([(2, 4), (4,), (4,)], {})],
    "batch_norm": [([(3, 2, 2), (2,), (2,), (2,), np.array([1.0, 2.0])], {})],
    "dropout": [([(3,)], {})],
    "cross_entropy": [([(3, 4), np.array([0, 3, 1])], {}), ([(2, 3), (2, 3)], {})],
    "mse": [([(3,), (3,)], {})],
    "embedding": [([np.array([1, 1, 0]), (3, 2)], {})],
    "random_normal": [([(), ()], {"shape": (3,)})],
    "random_uniform": [([(), ()], {"shape": (3,)})],
    "permutation": [([(4,)], {})],
}

REGISTRY = load_all()
ELEMENTWISE = [op for op in REGISTRY.values() if op.elementwise and not op.untracked]
# Marks of the engine, no operations: `output` for one of several results, `segment` for what is recorded anew.
MARKS = {"output", "segment"}
OTHERS = [op for op in REGISTRY.values() if not op.elementwise and not op.untracked and op.name not in MARKS]


def test_every_operation_is_either_elementwise_or_has_a_case_here() -> None:
    assert {op.name for op in OTHERS} == set(CASES)


def test_every_operation_is_at_home_where_the_table_says() -> None:
    known = {name for listed in (*HOMES.values(), *INTERNAL.values()) for name in listed.split()}
    assert set(REGISTRY) - MARKS == known
    assert set(namespace._PLAIN) == {name for listed in PLAIN_FUNCTIONS.values() for name in listed.split()}
    assert names() == sorted(op.name for op in REGISTRY.values() if not op.internal)


# Only one triangle of the operand is read: derivatives are those along symmetric directions.
SYMMETRIC = ("cholesky", "eigh", "eigvalsh")

Draw = tuple[Primitive, list[np.ndarray], dict[str, Any]]


def draws() -> list[Any]:
    made = []
    for op in ELEMENTWISE:
        low, high = op.domain
        shapes = [(2, 3), (3,), (2, 1)][: op.arity] if op.name != "where" else [(2, 3), (3,), (2, 1)]
        operands = [rng.uniform(low, high, s) for s in shapes]
        if op.name == "where":
            operands[0] = operands[0] > 0
        statics = {"a_min": -1.0, "a_max": 1.0} if op.name == "clip" else {}
        made.append(pytest.param((op, operands, statics), id=op.name))
    for op in OTHERS:
        for i, (shapes, statics) in enumerate(CASES[op.name]):
            drawn = [rng.uniform(-2, 2, s) if isinstance(s, tuple) else s for s in shapes]
            made.append(pytest.param((op, drawn, statics), id=f"{op.name}-{i}"))
    return made


@pytest.fixture(autouse=True)
def double_precision() -> Iterator[None]:
    with autograd.default_dtype("float64"):
        yield


every_operation = pytest.mark.parametrize("drawn", draws())


def applied(drawn: Draw) -> Callable[..., NDArray]:
    """The operation as a function of its float operands, given as NDArrays."""
    op, operands, statics = drawn

    def function(*floats: NDArray) -> NDArray:
        rest = iter((x + nd.swapaxes(x, -1, -2)) / 2 if op.name in SYMMETRIC else x for x in floats)
        given = [next(rest) if x.dtype.kind == "f" else x for x in operands]
        seed(3)  # the random ones draw the same each time
        named = dict(zip(op.operands, given, strict=False))
        y = op.call(given, **statics) if op.variadic else op.call(**named, **statics)
        return joined(y) if isinstance(y, tuple) else y

    return function


def joined(parts: tuple[NDArray, ...]) -> NDArray:
    """Several results as one vector, so that each of them carries a gradient."""
    made = [nd.reshape(part, (-1,)) for part in parts if part.dtype.kind == "f"]
    return nd.concatenate(made)


def floats_of(drawn: Draw) -> list[np.ndarray]:
    return [x for x in drawn[1] if x.dtype.kind == "f"]


def vjp(function: Callable[..., NDArray], operands: list[np.ndarray], g: np.ndarray) -> list[np.ndarray]:
    leaves = [nd.array(x) for x in operands]
    for leaf in leaves:
        leaf.attach_grad()
    with autograd.record(train_mode=False):
        y = function(*leaves)
    if y.node is None:
        return [np.zeros_like(x) for x in operands]
    return [bar.asnumpy() for bar in autograd.grad([y], leaves, [g])]


@every_operation
def test_jvp_is_the_central_difference(drawn: Draw) -> None:
    function, operands = applied(drawn), floats_of(drawn)
    dots = [rng.standard_normal(x.shape) for x in operands]
    _, y_dot = jvp(function, [nd.array(x) for x in operands], [nd.array(t) for t in dots])
    h = 1e-6
    above = function(*(nd.array(x + h * t) for x, t in zip(operands, dots, strict=True))).asnumpy()
    below = function(*(nd.array(x - h * t) for x, t in zip(operands, dots, strict=True))).asnumpy()
    np.testing.assert_allclose(plain(y_dot), (above - below) / (2 * h), rtol=2e-6, atol=2e-6)


@every_operation
def test_vjp_is_the_transpose_of_jvp(drawn: Draw) -> None:
    function, operands = applied(drawn), floats_of(drawn)
    dots = [rng.standard_normal(x.shape) for x in operands]
    y, y_dot = jvp(function, [nd.array(x) for x in operands], [nd.array(t) for t in dots])
    g = rng.standard_normal(y.shape)
    forward = np.vdot(g, plain(y_dot))
    reverse = sum(np.vdot(bar, dot) for bar, dot in zip(vjp(function, operands, g), dots, strict=True))
    np.testing.assert_allclose(forward, reverse, rtol=1e-12, atol=1e-12)


@every_operation
def test_second_derivatives_agree_forward_over_reverse_and_reverse_over_reverse(drawn: Draw) -> None:
    function, operands = applied(drawn), floats_of(drawn)
    v = [rng.standard_normal(x.shape) for x in operands]
    g = rng.standard_normal(function(*map(nd.array, operands)).shape)

    def gradient(*leaves: NDArray, create_graph: bool = False) -> list[NDArray]:
        for leaf in leaves:
            leaf.attach_grad()
        with autograd.record(train_mode=False):
            y = function(*leaves)
            if y.node is None:
                return [nd.array(np.zeros(x.shape)) for x in leaves]
            return autograd.grad([y], list(leaves), [nd.array(g)], create_graph=create_graph)

    _, forward = jvp(lambda *x: tuple(gradient(*x)), [nd.array(x) for x in operands], [nd.array(t) for t in v])
    leaves = [nd.array(x) for x in operands]
    with autograd.record():
        bars = gradient(*leaves, create_graph=True)
        pairs = [(bar, nd.array(t)) for bar, t in zip(bars, v, strict=True) if bar.node is not None]
        heads, head_grads = [bar for bar, _ in pairs], [t for _, t in pairs]
        reverse = autograd.grad(heads, leaves, head_grads) if heads else [nd.array(np.zeros(x.shape)) for x in leaves]
    for a, b in zip(forward, reverse, strict=True):
        np.testing.assert_allclose(plain(a), plain(b), rtol=1e-10, atol=1e-10)


def test_a_rule_that_is_wrong_by_a_tenth_of_a_percent_is_caught() -> None:
    def wrong(x: NDArray) -> NDArray:
        return nd.sin(x) * 1.001

    x, t = nd.array(np.array([0.3, 1.2])), nd.array(np.array([1.0, -0.5]))
    _, y_dot = jvp(nd.sin, [x], [t])
    _, other = jvp(wrong, [x], [t])
    with pytest.raises(AssertionError):
        np.testing.assert_allclose(plain(other), plain(y_dot), rtol=2e-6, atol=2e-6)


@pytest.mark.parametrize("op", [op for op in REGISTRY.values() if op.example], ids=lambda op: op.name)
def test_the_example_of_an_operation_is_true(op: Primitive) -> None:
    call, wanted = op.example.split(" -> ")
    known = {"nan": np.nan, "inf": np.inf, op.name: op.call}
    got = eval(call, {"__builtins__": {}}, known)
    parts = [plain(part) for part in got] if isinstance(got, tuple) else [plain(got)]
    expected = eval(wanted, {}, known)
    for part, value in zip(parts, expected if isinstance(got, tuple) else [expected], strict=True):
        np.testing.assert_allclose(np.asarray(part, float), np.asarray(value, float), atol=5e-7)
