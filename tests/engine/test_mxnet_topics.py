"""What people rely on in arrays and autograd, by topic: indices, dtypes, reductions, orderings, kept gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import ndgrad as mx
from ndgrad import autograd, nd
from ndgrad.errors import Error

DRAWS = np.random.default_rng(11)
X = DRAWS.normal(size=(4, 5, 3)).astype("float32")
I = [2, 0, -1]  # noqa: E741 - the indices below are read as mathematics
M = np.array([True, False, True, True])
FULL = DRAWS.normal(size=X.shape) > 0
ROWS = np.array([[0, 1], [3, 2]])

# Index forms: integers, slices with steps, ..., None, lists, arrays of integers, masks, and what mixes them.
LISTED = """
0; -1; 3; np.int64(2); 0, 1; -1, -1; 0, 1, 2; -4, -5, -3; ...; None; :; ::; 0:; :2; 1:3; 1:-1; -3:; :-3; ::2;
1::2; ::-1; 3:0:-1; -1:-4:-2; 5:; 2:2; 1:100; -100:2; 0:4:3; :, 0; :, -1; :, 1:3; :, ::2; :, ::-1; :, :, 0;
:, :, ::-1; ..., 0; ..., -1; ..., 1:; ..., 0, 0; 0, ...; 0, ..., 0; 1:3, ..., ::2; ..., None; None, ...;
:, None; 0, None; None, 0; :, None, 0; ..., None, :; None, None; 1, :, None, 2; 1:3, 1:3; 1:3, 1:3, 1:3;
::2, ::2, ::2; ::-1, ::-1, ::-1; 0, 1:3; 1:3, 0; 2, :, 1; :, 2, 1; 0:2, -1, ::-1; 3, -2:, :2; I; [0];
[0, 0, 1]; [-1, -4]; I, 0; I, 1:3; I, ..., 0; I, I; I, I, I; I, :, I; :, I; :, I, 0; :, :, I; ..., I; 0, I;
0, I, I; 0, :, I; 1:3, I; 1:3, I, 0; :, I, 1:; ::2, I; ::-1, I; I, ::-1; None, I; I, None; ROWS; ROWS, 0;
ROWS, I[0]; :, ROWS; ..., [[0, 2]]; ROWS, ROWS; ROWS, :, 0; 0, ROWS; np.array([1]); np.array(1);
np.array([], dtype=int); M; M, 0; M, ..., 1:; M, 1:3; M, :, 0; FULL; :, [True, False, True, False, True];
..., [True, False, True]; 0, [True, False, True, False, True]; M, [0, 1, 2]; np.zeros(4, dtype=bool);
np.ones(4, dtype=bool)
"""
KNOWN = {"np": np, "I": I, "M": M, "FULL": FULL, "ROWS": ROWS}
KEYS: dict[str, Any] = {text: eval(f"np.s_[{text}]", KNOWN) for text in " ".join(LISTED.split()).split("; ")}


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
def test_an_index_reads_writes_and_differentiates_as_numpys_does(key: Any) -> None:
    wanted = X[key]
    x = nd.array(X)
    assert np.array_equal(x[key].asnumpy(), wanted)
    for value in (7.0, np.arange(wanted.size, dtype="float32").reshape(wanted.shape)):
        copy, expected = nd.array(X), X.copy()
        copy[key] = value if isinstance(value, float) else nd.array(value)
        expected[key] = value
        assert np.array_equal(copy.asnumpy(), expected)
    x.attach_grad()
    head = DRAWS.normal(size=wanted.shape).astype("float32")
    with autograd.record():
        y = x[key] * 1
    y.backward(nd.array(head))
    gradient = np.zeros_like(X)
    np.add.at(gradient, key, head)
    np.testing.assert_allclose(x.grad.asnumpy(), gradient, rtol=1e-5, atol=1e-6)


DTYPES = ("float16", "float32", "float64", "int8", "uint8", "int32", "int64")


@pytest.mark.parametrize("left", DTYPES)
@pytest.mark.parametrize("right", DTYPES)
def test_arithmetic_promotes_and_computes_as_numpys(left: str, right: str) -> None:
    a, b = np.array([1, 2, 7], dtype=left), np.array([3, 1, 2], dtype=right)
    x, y = nd.array(a), nd.array(b)
    for operate in (
        lambda p, q: p + q,
        lambda p, q: p - q,
        lambda p, q: p * q,
        lambda p, q: p / q,
        lambda p, q: p // q,
        lambda p, q: p % q,
        lambda p, q: p**q,
    ):
        wanted, found = operate(a, b), operate(x, y)
        assert found.dtype == wanted.dtype
        np.testing.assert_allclose(found.asnumpy(), wanted, rtol=1e-3)
    assert (x + 1).dtype == a.dtype
    assert (2 * x).dtype == a.dtype
    z = nd.array(a)
    z += 1
    z *= 2
    assert z.dtype == a.dtype
    assert np.array_equal(z.asnumpy(), ((a + 1) * 2).astype(left))


@pytest.mark.parametrize("name", ["sum", "mean", "prod", "max", "min", "nansum", "nanprod"])
@pytest.mark.parametrize("axis", [None, 0, 1, -1, (0, 2), (0, 1, 2), ()])
@pytest.mark.parametrize("special", [None, np.nan, np.inf, -np.inf])
def test_reductions_are_numpys_with_nan_and_inf_too(name: str, axis: Any, special: float | None) -> None:
    values = X[:3].astype("float64")
    if special is not None:
        values = values.copy()
        values[1, 2, 0] = special
    over = None if axis == () else axis  # MXNet's (): all axes
    for keepdims in (False, True):
        with np.errstate(all="ignore"):
            wanted = getattr(np, name)(values, axis=over, keepdims=keepdims)
            found = getattr(nd, name)(nd.array(values), axis=axis, keepdims=keepdims)
        np.testing.assert_allclose(found.asnumpy(), wanted, rtol=1e-12)
        assert found.shape == wanted.shape


PAIRS = [
    ((3,), (4, 3)),
    ((4, 1), (1, 5)),
    ((2, 3, 4), (3, 1)),
    ((1, 1), (5, 2)),
    ((), (3, 2)),
    ((0, 3), (1, 3)),
    ((6, 1, 3), (4, 1)),
]


@pytest.mark.parametrize("name", ["add", "sub", "mul", "div", "maximum", "minimum", "hypot", "power"])
@pytest.mark.parametrize("shapes", PAIRS, ids=str)
def test_broadcast_binaries_and_their_gradients(name: str, shapes: Any) -> None:
    a, b = (DRAWS.uniform(0.5, 2.0, s) for s in shapes)
    x, y = nd.array(a), nd.array(b)
    x.attach_grad()
    y.attach_grad()
    with autograd.record():
        z = getattr(nd, f"broadcast_{name}")(x, y)
    head = DRAWS.normal(size=z.shape)
    z.backward(nd.array(head))
    if a.size and b.size:
        mx.test_utils.check_numeric_gradient(lambda p, q: getattr(nd, f"broadcast_{name}")(p, q), [a, b], rtol=1e-5)
    assert x.grad.shape == a.shape
    assert y.grad.shape == b.shape
    numpys = {"sub": "subtract", "mul": "multiply", "div": "divide"}.get(name, name)
    np.testing.assert_allclose(z.asnumpy(), getattr(np, numpys)(a, b), rtol=1e-12)


@pytest.mark.parametrize("axis", [0, 1, -1, None])
def test_orderings(axis: int | None) -> None:
    values = DRAWS.permutation(24).astype("float32").reshape(4, 6)
    x = nd.array(values)
    flat, at = (values.ravel(), 0) if axis is None else (values, axis)
    assert np.array_equal(nd.sort(x, axis=axis).asnumpy(), np.sort(values, axis=axis))
    assert np.array_equal(nd.sort(x, axis=axis, is_ascend=False).asnumpy(), -np.sort(-values, axis=axis))
    assert np.array_equal(nd.argsort(x, axis=axis).asnumpy(), np.argsort(flat, axis=at))
    assert nd.argsort(x, axis=axis, dtype="int32").dtype == np.int32
    for k in (1, 3):
        largest = np.take(-np.sort(-flat, axis=at), range(k), axis=at)
        smallest = np.take(np.sort(flat, axis=at), range(k), axis=at)
        assert np.array_equal(nd.topk(x, axis=axis, k=k, ret_typ="value").asnumpy(), largest)
        assert np.array_equal(nd.topk(x, axis=axis, k=k, ret_typ="value", is_ascend=True).asnumpy(), smallest)
        found, places = nd.topk(x, axis=axis, k=k, ret_typ="both")
        assert np.array_equal(np.take_along_axis(flat, places.asnumpy().astype(int), at), found.asnumpy())
        assert nd.topk(x, axis=axis, k=k, ret_typ="mask").sum().asscalar() == largest.size


def test_dot_with_transposes_and_more_axes() -> None:
    a, b, c = DRAWS.normal(size=(3, 4)), DRAWS.normal(size=(4, 5)), DRAWS.normal(size=(2, 3, 4))
    for ta in (False, True):
        for tb in (False, True):
            x, y = (a.T if ta else a), (b.T if tb else b)
            mx.test_utils.check_numeric_gradient(lambda p, q: nd.dot(p, q, transpose_a=ta, transpose_b=tb), [x, y])  # noqa: B023
            found = nd.dot(nd.array(x), nd.array(y), transpose_a=ta, transpose_b=tb)
            np.testing.assert_allclose(found.asnumpy(), a @ b, rtol=1e-12)
    np.testing.assert_allclose(nd.dot(nd.array(c), nd.array(b)).asnumpy(), np.tensordot(c, b, 1), rtol=1e-12)


RESHAPES = [
    ((2, 3, 5, 5), (0, -1), (2, 75)),
    ((2, 3, 5, 5), (0, 0, -1), (2, 3, 25)),
    ((5, 3, 4, 5), (0, -1, 0), (5, 15, 4)),
    ((2, 3, 5, 4), (-1, 0, 0), (8, 3, 5)),
    ((2, 3, 5, 5), (0, 0, 0, 0), (2, 3, 5, 5)),
    ((2, 4, 5, 3), (-1, 2, 2, 1), (30, 2, 2, 1)),
    ((2, 3, 5, 6), (-2,), (2, 3, 5, 6)),
    ((2, 3, 5, 6), (6, 1, -2), (6, 1, 5, 6)),
    ((2, 3, 5, 6), (-3, -3), (6, 30)),
    ((2, 3, 5, 6), (-3, -1), (6, 30)),
    ((64,), (-4, 16, 4), (16, 4)),
    ((64,), (-4, 16, -1), (16, 4)),
    ((64, 1, 2, 3), (-4, 16, -1, -2), (16, 4, 1, 2, 3)),
    ((8, 5, 4, 4), (-4, -1, 2, 0, 0, 0), (4, 2, 5, 4, 4)),
]


@pytest.mark.parametrize(("shape", "codes", "wanted"), RESHAPES)
def test_reshape_codes_on_arrays_and_symbols(shape: Any, codes: Any, wanted: Any) -> None:
    x = nd.array(DRAWS.normal(size=shape))
    assert x.reshape(codes).shape == wanted
    assert nd.reshape(x, shape=codes).shape == wanted
    assert mx.sym.var("x").reshape(codes).infer_shape(x=shape)[1] == [wanted]


# Autograd


def test_heads_of_which_some_have_no_cotangent() -> None:
    x = nd.array([1.0, 2.0, 3.0])
    x.attach_grad()
    with autograd.record():
        y, z = x * 2, x * x
    autograd.backward([y, z], [None, nd.array([1.0, 0.0, 10.0])])
    assert x.grad.asnumpy().tolist() == [4.0, 2.0, 62.0]


def test_a_detached_value_has_no_past_and_a_fresh_gradient_none_either() -> None:
    x = nd.array([2.0])
    x.attach_grad()
    with autograd.record():
        y = x * x
        z = y.detach() * x
    z.backward()
    assert x.grad.asscalar() == 4
    with autograd.record():
        y = x * x
    y = y.detach()
    assert y.grad is None
    y.attach_grad()
    with autograd.record():
        w = y * 3
    w.backward()
    assert (y.grad.asscalar(), x.grad.asscalar()) == (3, 4)


def test_retain_graph_allows_a_second_backward_and_nothing_else_does() -> None:
    x = nd.array([3.0])
    x.attach_grad("add")
    with autograd.record():
        y = x * x
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.asscalar() == 12
    with pytest.raises(Error, match="E403"):
        y.backward()


def test_gradients_of_intermediates_are_attached_and_dropped() -> None:
    x = nd.array([1.0, 2.0])
    x.attach_grad()
    with autograd.record():
        y = x * 2
        y.attach_grad()
        z = y * y
    z.backward(retain_graph=True)
    assert y.grad.asnumpy().tolist() == [4, 8]
    assert x.grad.asnumpy().tolist() == [8, 16]
    y.drop_grad()
    z.backward()
    assert y.grad is None
    assert x.grad.asnumpy().tolist() == [8, 16]


@pytest.mark.parametrize("recording", [True, False])
@pytest.mark.parametrize(
    "scope", ["none", "record", "record(False)", "pause", "pause(True)", "train_mode", "predict_mode"]
)
@pytest.mark.parametrize("mode", ["training", "always"])
def test_dropout_follows_the_mode(recording: bool, scope: str, mode: str) -> None:
    scopes = {
        "none": lambda: autograd._Scope(),
        "record": autograd.record,
        "record(False)": lambda: autograd.record(train_mode=False),
        "pause": autograd.pause,
        "pause(True)": lambda: autograd.pause(train_mode=True),
        "train_mode": autograd.train_mode,
        "predict_mode": autograd.predict_mode,
    }
    outside = autograd.record if recording else lambda: autograd.pause(train_mode=False)
    with outside(), scopes[scope]():
        drops = bool((nd.Dropout(nd.ones(200), p=0.5, mode=mode) == 0).sum().asscalar())
        training = autograd.is_training()
    wanted = {"none": recording, "record": True, "record(False)": False, "pause": False, "pause(True)": True}
    assert training == (wanted | {"train_mode": True, "predict_mode": False})[scope]
    assert drops == (training or mode == "always")


@pytest.mark.parametrize("order", [2, 3])
@pytest.mark.parametrize(
    "f", ["sin", "exp", "log", "sigmoid", "tanh", "sqrt", "reciprocal", "arctan", "cosh", "erf", "cbrt"]
)
def test_higher_orders_agree_with_differences_of_the_order_below(f: str, order: int) -> None:
    def derivative(x: Any, n: int) -> Any:
        with autograd.record():
            y = getattr(nd, f)(x)
            for _ in range(n):
                y = autograd.grad(y.sum(), x, create_graph=True)
        return y

    at = np.array([0.4, 0.9, 1.7])
    x, above, below = nd.array(at), nd.array(at + 1e-5), nd.array(at - 1e-5)
    for each in (x, above, below):
        each.attach_grad()
    wanted = (derivative(above, order - 1) - derivative(below, order - 1)).asnumpy() / 2e-5
    np.testing.assert_allclose(derivative(x, order).asnumpy(), wanted, rtol=1e-5, atol=1e-6)


def test_clip_passes_inside_and_at_its_bounds() -> None:
    x = nd.array([-2.0, -1.0, 0.0, 1.0, 2.0])
    x.attach_grad()
    with autograd.record():
        y = nd.clip(x, -1, 1)
    y.backward()
    assert y.asnumpy().tolist() == [-1, -1, 0, 1, 1]
    assert x.grad.asnumpy().tolist() == [0, 1, 1, 1, 0]


def test_arrays_are_saved_one_many_or_named_and_nothing_is_unpickled(tmp_path: Any) -> None:
    path = tmp_path / "arrays"
    nd.save(path, nd.ones((2, 2)))
    (only,) = nd.load(path)
    assert only.shape == (2, 2)
    nd.save(path, {"a": nd.arange(3, dtype="int32"), "b": nd.zeros((0, 2))})
    loaded = nd.load(path)
    assert (loaded["a"].dtype, loaded["b"].shape) == (np.int32, (0, 2))
    np.savez(path, a=np.array([{}], dtype=object))
    with pytest.raises(Error, match="E602"):
        nd.load(f"{path}.npz")
    path.write_bytes(b"no arrays")
    with pytest.raises(Error, match="E602"):
        nd.load(path)
    with pytest.raises(Error, match="E602"):
        nd.load(tmp_path / "missing")
    with pytest.raises(Error, match="E307"):
        nd.save(path, [1.0])
