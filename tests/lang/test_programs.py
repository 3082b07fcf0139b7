"""Each statement and expression form: its value, and the gradient that comes through it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ndgrad.errors import Error
from ndgrad.lang import compile
from ndgrad.lang.formatting import formatted

X: Any = [[1.0, 2.0], [3.0, 4.0]]
V: Any = [1.0, 2.0, 3.0]

# program, inputs, value, gradients
PROGRAMS: list[tuple[str, dict[str, Any], Any, dict[str, Any]]] = [
    # values and operators
    ("y = 2 * x ** 2", {"x": X}, [[2, 8], [18, 32]], {"x": [[4, 8], [12, 16]]}),
    ("-x ** 2", {"x": V}, [-1, -4, -9], {"x": [-2, -4, -6]}),
    ("2 ** x ** 2", {"x": 1.0}, 2, {"x": 4 * np.log(2)}),
    ("x / 4 - x // 2 + x % 2", {"x": V}, [1.25, -0.5, 0.75], {"x": [1.25, 1.25, 1.25]}),
    ("+x - -x", {"x": V}, [2, 4, 6], {"x": [2, 2, 2]}),
    ("x @ w", {"x": X, "w": [1.0, 1.0]}, [3, 7], {"x": [[1, 1], [1, 1]], "w": [4, 6]}),
    ("x.T @ x", {"x": X}, [[10, 14], [14, 20]], {"x": [[6, 6], [14, 14]]}),
    ("x if sum(x) > 3 else 2 * x", {"x": V}, V, {"x": [1, 1, 1]}),
    ("x if not sum(x) > 3 and True or False else 2 * x", {"x": V}, [2, 4, 6], {"x": [2, 2, 2]}),
    ("x * (1 < sum(x) <= 6 < 7)", {"x": V}, V, {"x": [1, 1, 1]}),
    ("x * pi + e * 0", {"x": 1.0}, np.pi, {"x": np.pi}),
    ("sum(where(x > 1.5, x ** 2, x))", {"x": V}, 14, {"x": [1, 4, 6]}),
    ("minimum(x, inf) * 1_0", {"x": V}, [10, 20, 30], {"x": [10, 10, 10]}),
    # literals
    ("[1, 2] * x", {"x": 3.0}, [3, 6], {"x": 3}),
    ("[[x, 2], [3, x * x]]", {"x": 3.0}, [[3, 2], [3, 9]], {"x": 7}),
    ("[x[0], [5, 6]]", {"x": X}, [[1, 2], [5, 6]], {"x": [[1, 1], [0, 0]]}),
    ("[True, False]", {}, [True, False], {}),
    ("[]", {}, [], {}),
    # indices
    ("x[0] * x[-1]", {"x": V}, 3, {"x": [3, 0, 1]}),
    ("x[1:, ::-1]", {"x": X}, [[4, 3]], {"x": [[0, 0], [1, 1]]}),
    ("x[..., None, 0]", {"x": X}, [[1], [3]], {"x": [[1, 0], [1, 0]]}),
    ("x[x > 1.5] ** 2", {"x": V}, [4, 9], {"x": [0, 4, 6]}),
    ("x[[0, 0, 2]]", {"x": V}, [1, 1, 3], {"x": [2, 0, 1]}),
    ("x[[True, False, True]]", {"x": V}, [1, 3], {"x": [1, 0, 1]}),
    ("i = 1\nx[i, i - 1]", {"x": X}, 3, {"x": [[0, 0], [1, 0]]}),
    ("k = arange(2)\nx[k, k]", {"x": X}, [1, 4], {"x": [[1, 0], [0, 1]]}),
    ("t = (x, 2, 3)\na, b = t[1:]\nt[0] * a * b", {"x": V}, [6, 12, 18], {"x": [6, 6, 6]}),
    # functions and methods
    ("sum(x, axis=0)", {"x": X}, [4, 6], {"x": [[1, 1], [1, 1]]}),
    ("x.sum(axis=1, keepdims=True) * x", {"x": X}, [[3, 6], [21, 28]], {"x": [[6, 6], [14, 14]]}),
    ("x.reshape(4)[1:3]", {"x": X}, [2, 3], {"x": [[0, 1], [1, 0]]}),
    ("reshape(x, 1, -1)", {"x": X}, [[1, 2, 3, 4]], {"x": [[1, 1], [1, 1]]}),
    ("reshape(x, [4, 1]).T", {"x": X}, [[1, 2, 3, 4]], {"x": [[1, 1], [1, 1]]}),
    ("stack([x, 2 * x]).sum(0)", {"x": V}, [3, 6, 9], {"x": [3, 3, 3]}),
    ("stack((x, x), axis=1)[:, 0]", {"x": V}, V, {"x": [1, 1, 1]}),
    ("x * len(x) + x.size + x.ndim + x.shape[0]", {"x": V}, [10, 13, 16], {"x": [3, 3, 3]}),
    ("x * (x.shape == (3,)) * (x.dtype == 'float64')", {"x": V}, V, {"x": [1, 1, 1]}),
    ("zeros((2, 2), dtype='float32') + x", {"x": X}, X, {"x": [[1, 1], [1, 1]]}),
    ("sum(x) * sqrt(4)", {"x": V}, 12, {"x": [2, 2, 2]}),
    ("x * reciprocal(4) + 0 / reciprocal(0)", {"x": 2.0}, 0.5, {"x": 0.25}),
    # assignment
    ("a = b = x\na * b", {"x": V}, [1, 4, 9], {"x": [2, 4, 6]}),
    ("a, b = x[0], x[1]\na, b = b, a\na * 10 + b", {"x": V}, 21, {"x": [1, 10, 0]}),
    ("a, (b, c) = x[0], (x[1], x[2])\na + 2 * b + 3 * c", {"x": V}, 14, {"x": [1, 2, 3]}),
    ("a, b = x\na * b", {"x": X}, [3, 8], {"x": [[3, 4], [1, 2]]}),
    ("x += 1\nx *= 2\nx -= 3\nx /= 4\nx **= 2", {"x": 3.0}, 1.5625, {"x": 1.25}),
    ("n = 7\nn //= 2\nn %= 2\nx * n", {"x": 3.0}, 3, {"x": 1}),
    ("x @= x", {"x": X}, [[7, 10], [15, 22]], {"x": [[7, 11], [9, 13]]}),
    ("x[0] = 9; x", {"x": V}, [9, 2, 3], {"x": [0, 1, 1]}),
    ("y = x\ny[0] = 9\nx", {"x": V}, V, {"x": [1, 1, 1]}),
    ("y = zeros(3)\ny[1:] = x[:2] ** 2\ny", {"x": V}, [0, 1, 4], {"x": [2, 4, 0]}),
    ("x[:] = 1 / x", {"x": V}, [1, 1 / 2, 1 / 3], {"x": [-1, -1 / 4, -1 / 9]}),
    ("x[x > 1] = 0", {"x": V}, [1, 0, 0], {"x": [1, 0, 0]}),
    ("x[0, 1] += x[1, 0] ** 2", {"x": X}, [[1, 11], [3, 4]], {"x": [[1, 1], [7, 1]]}),
    ("x[1][0] = 5", {"x": X}, [[1, 2], [5, 4]], {"x": [[1, 1], [0, 1]]}),
    ("x[0], x[1] = x[1], x[0]", {"x": V}, [2, 1, 3], {"x": [1, 1, 1]}),
    # control
    ("if sum(a) < 15:\n    b = 2 * a\nelse:\n    b = a", {"a": X}, [[2, 4], [6, 8]], {"a": [[2, 2], [2, 2]]}),
    ("if x > 5: y = x\nelif x > 2: y = 2 * x\nelse: y = 3 * x", {"x": 3.0}, 6, {"x": 2}),
    ("if x > 5: y = x\nelif x > 4: y = 2 * x\nelse: y = 3 * x", {"x": 3.0}, 9, {"x": 3}),
    ("y = x\nwhile y < 100:\n    y = y * x", {"x": 3.0}, 243, {"x": 405}),
    ("y = x\nwhile y < 2:\n    y = y * x", {"x": 3.0}, 3, {"x": 1}),
    ("y = 0\nfor i in range(1, 4):\n    y += x ** i", {"x": 2.0}, 14, {"x": 17}),
    ("y = 0\nfor i in range(10):\n  if i == 2: continue\n  if i > 3: break\n  y += i * x", {"x": 2.0}, 8, {"x": 4}),
    ("y = 1\nfor row in x:\n    y = y * row", {"x": X}, [3, 8], {"x": [[3, 4], [1, 2]]}),
    ("y = 0\nfor i, r in enumerate(x, 1):\n    y += i * r", {"x": V}, 14, {"x": [1, 2, 3]}),
    ("y = 0\nfor a, b in zip(x, w):\n    y += a * b", {"x": V, "w": V}, 14, {"x": V, "w": V}),
    ("y = 0\nfor a, b in ((1, x), (2, x)):\n    y += a * b", {"x": 2.0}, 6, {"x": 3}),
    ("y = 0\nfor i in range(3):\n  for j in range(i):\n    y += x\n    if j: break", {"x": 2.0}, 6, {"x": 3}),
    ("for i in range(3): pass\nx * i", {"x": 2.0}, 4, {"x": 2}),
    # functions of the program
    ("def f(a, b=2): return a ** b\nf(x) + f(b=3, a=x) + f(x, 1)", {"x": 2.0}, 14, {"x": 17}),
    ("def f(a):\n    b = a * k\n    return b\nk = 3\nf(x)", {"x": 2.0}, 6, {"x": 3}),
    ("def f(n):\n    if n < 1: return x\n    return x * f(n - 1)\nf(3)", {"x": 2.0}, 16, {"x": 32}),
    ("def f(a):\n    def g(b): return a * b\n    return g\nf(x)(5)", {"x": 2.0}, 10, {"x": 5}),
    ("def f(a): return a, 2 * a\na, b = f(x)\na * b", {"x": 3.0}, 18, {"x": 12}),
    ("def f(a):\n    a[0] = 7\n    return a\nf(x) + x", {"x": V}, [8, 4, 6], {"x": [1, 2, 2]}),
    ("def f(a):\n for i in range(5):\n  while 1:\n   if i == 3: return a * i\n   break\nf(x)", {"x": 2.0}, 6, {"x": 3}),
    ("f = lambda a, b=3: a * b\nf(x) + f(x, 1)", {"x": 2.0}, 8, {"x": 4}),
    ("def twice(f, a): return f(f(a))\ntwice(square, x) + twice(lambda t: t * 3, x)", {"x": 2.0}, 34, {"x": 41}),
    ("def double(a): return 2 * a\nx.double()", {"x": 2.0}, 4, {"x": 2}),
    # inputs and outputs
    ("input x: [n, m]\ny = x * n * m", {"x": X}, [[4, 8], [12, 16]], {"x": [[4, 4], [4, 4]]}),
    ("input x: [2, _]\ninput w: [...] = 3 * x\ny = sum(w)", {"x": X}, 30, {"x": [[3, 3], [3, 3]]}),
    ("input x: [..., 2]\nx", {"x": X}, X, {"x": [[1, 1], [1, 1]]}),
    ("input k: int64 = 3\ninput x: float32[]\nx * k", {"x": 2.0}, 6, {"x": 3}),
    ("input x\ninput w: [] = x ** 2\nw * x", {"x": 3.0}, 27, {"x": 27, "w": 3}),
    ("output z = x * 2, x\noutput x + z", {"x": 2.0}, 4, {"x": 2}),
    ("x = 2 * x\nprint(x)\nassert x > 0, 'no'", {"x": 2.0}, 4, {"x": 2}),
    ("# comment\n\n  # another\ny = (x +  # inside\n  1)  # end\n", {"x": 2.0}, 3, {"x": 1}),
    ("y = x + \\\n  1; y = y * 2;", {"x": 2.0}, 6, {"x": 2}),
    ("\ufeffif x > 1:\r\n\ty = x\r\nelse:\r\n\ty = 2\r\n", {"x": 2.0}, 2, {"x": 1}),
    # commas at ends, and parts left out
    ("input x: [n,]\ninput w: [n, 2,] = ones((n, 2,),)\noutput x @ w, x,", {"x": V}, [6, 6], {"x": [2, 2, 2]}),
    ("def f(a,): return a * 2\ndef g(a, b=2,): return a * b\noutput f(x,) * g(x, 3,),", {"x": 2.0}, 24, {"x": 24}),
    ("a, = (x,)\nb, c, = [a, 2,], (3, 4,)\nb * c[0] * [5,]", {"x": 2.0}, [30, 30], {"x": 15}),
    ("y = 0\nfor a, in ((x,), (2,)): y += a\ny", {"x": 3.0}, 5, {"x": 1}),
    ("y = 0\nfor a, b, c in ((x, 2, 3), (4, 5, x)): y += a * b * c\ny", {"x": 3.0}, 78, {"x": 26}),
    ("y = 0\nfor a, b, in ((x, 2), (4, x)): y += a * b\ny", {"x": 3.0}, 18, {"x": 6}),
    ("f = lambda: x ** 2\nf() + len(())", {"x": 3.0}, 9, {"x": 6}),
    ("x[::].sum() + x[::2,][:, 0].sum() + x[1, 1,]", {"x": X}, 15, {"x": [[2, 1], [1, 2]]}),
    ("x[0::][1] + x[:2:][0] + x[:3:2][1] + x[0:2:][1] + x[0:3:2][0]", {"x": V}, 9, {"x": [2, 2, 1]}),
    ("x[::-1][0] + x[1::-1][0] + x[:1][0] + x[1:][0] + x[1:2][0] + x[:][0]", {"x": V}, 11, {"x": [2, 3, 1]}),
    ("y = x\ndef f():\n    if y > 2: return\n    return y\ny if f() == None else 0", {"x": 3.0}, 3, {"x": 1}),
    ("if x < 1: y = 1\nelif x < 2: y = 2\nelif x < 4: y = x ** 2\ny", {"x": 3.0}, 9, {"x": 6}),
    ("assert x > 1;\ny = x;", {"x": 3.0}, 3, {"x": 1}),
    ("x if x > 1 and x > 2 and x > 3 or x > 4 or x > 5 or x > 2.5 else 0", {"x": 3.0}, 3, {"x": 1}),
    ("sum = 3\nsum * x", {"x": 2.0}, 6, {"x": 3}),
    ("e = x * 2", {"x": 2.0}, 4, {"x": 2}),
]  # fmt: skip


@pytest.mark.parametrize(("text", "inputs", "value", "grads"), PROGRAMS)
def test_program(text: str, inputs: dict[str, Any], value: Any, grads: dict[str, Any]) -> None:
    result = compile(text).run(inputs, grad=list(grads), show=lambda text: None)
    assert result.value is not None
    np.testing.assert_allclose(result.value, value, rtol=1e-12)
    assert list(result.grads) == list(grads)
    for name, wanted in grads.items():
        np.testing.assert_allclose(result.grads[name], wanted, rtol=1e-6, err_msg=name)


def test_outputs_have_names() -> None:
    result = compile("a = 2 * x\noutput a, b = a + 1, a  *\\\n a\noutput sin(0), 1").run({"x": 1.0})
    assert list(result.outputs) == ["a", "b", "a *\\ a", "sin(0)", "1"]
    assert result.value == 2


def test_several_values_at_the_end() -> None:
    assert list(compile("a, b = 1, 2").run().outputs) == ["a", "b"]
    assert list(compile("1 + 1, 2").run().outputs) == ["1 + 1", "2"]


def test_of_names_an_output_or_a_variable() -> None:
    program = compile("a = x ** 2\nb = 3 * a\noutput c = b + 1, d = 5 * x")
    assert {of: float(program.run({"x": 2.0}, ["x"], of=of).grads["x"]) for of in "abcd"} == {
        "a": 4,
        "b": 12,
        "c": 12,
        "d": 5,
    }


def test_head() -> None:
    program = compile("y = 2 * x ** 2")
    grads = program.run({"x": X}, ["x"], head=[[10, 1.0], [0.1, 0.01]]).grads
    np.testing.assert_allclose(grads["x"], [[40.0, 8.0], [1.2, 0.16]])
    np.testing.assert_allclose(program.run({"x": X}, ["x"], head=3).grads["x"], [[12, 24], [36, 48]])


def test_all_gradients() -> None:
    grads = compile("x * w * k").run({"x": 2.0, "w": 3.0, "k": np.int64(4)}, ["all"]).grads
    assert {name: float(g) for name, g in grads.items()} == {"x": 12, "w": 8}


def test_unused_inputs() -> None:
    result = compile("y = alpha ** 2").run({"alpha": 2.0, "alhpa": 3.0}, ["alhpa"], bound_by={"alhpa": "-i alhpa=3"})
    assert result.grads["alhpa"] == 0
    assert result.warnings[0].code == "W201"
    assert "-i alhpa=3" in result.warnings[0].message


@pytest.mark.parametrize(
    ("value", "dtype", "got"),
    [
        (1, None, "float64"),
        ([1, 2], "float32", "float32"),
        (np.float32(1), None, "float32"),
        (np.float64(1), "float32", "float32"),
        (np.int64(1), "float32", "int64"),
        (np.int16(1), None, "int64"),
        (np.array([True]), None, "bool"),
        ([True, False], None, "bool"),
        (np.arange(2.0).astype(">f8"), None, "float64"),
    ],
)
def test_dtypes_of_inputs(value: Any, dtype: str | None, got: str) -> None:
    result = compile("x").run({"x": value}, dtype=dtype)
    assert result.value is not None
    assert str(result.value.dtype) == got


@pytest.mark.parametrize(
    "text", ["x * 2.5 + pi", "x * sqrt(2)", "x + [1, 2]", "[x[0], 1]", "x ** 2 / len(x)", "zeros(2) + x"]
)
def test_numbers_never_widen(text: str) -> None:
    result = compile(text).run({"x": np.array([1, 2], np.float32)}, ["x"], dtype="float32")
    assert result.value is not None
    assert result.value.dtype == result.grads["x"].dtype == np.float32


def test_the_caller_keeps_his_array() -> None:
    x = np.array(V)
    result = compile("x[0] = 5\ny = x").run({"x": x})
    assert result.value is not None
    result.value[1] = 9
    np.testing.assert_array_equal(x, V)


def test_path() -> None:
    text = "for i in range(100):\n    if i < 90 and x > 0:\n        x = x + 1\nwhile norm(x) < 1000:\n    x = 2 * x\n"
    path = compile(text).run({"x": 10.0}).path
    assert [(s.line, s.condition, s.compared, s.taken, s.rounds, s.count) for s in path] == [
        (2, "i < 90 and x > 0", "0 < 90 and 10 > 0", True, None, 1),
        (2, "i < 90 and x > 0", "1 < 90 and 11 > 0", True, None, 1),
        (2, "i < 90 and x > 0", "2 < 90 and 12 > 0", True, None, 1),
        (2, "i < 90 and x > 0", "89 < 90 and 99 > 0", True, None, 87),
        (2, "i < 90 and x > 0", "99 < 90", False, None, 10),
        (4, "norm(x) < 1000", "1600 < 1000", True, 4, 1),
    ]


def test_trace() -> None:
    trace = compile("y = x\nfor i in range(2):\n    y = y * x\n").run({"x": 3.0}, ["x"], trace=True).trace
    assert trace is not None
    assert [(b.name, b.number, b.expression) for b in trace] == [
        ("x", 0, ""),
        ("y", 0, "x"),
        ("i", 0, "range(2)"),
        ("y", 1, "y * x"),
        ("i", 1, "range(2)"),
        ("y", 2, "y * x"),
    ]


def test_declarations() -> None:
    program = compile("input X: float32[n, _, ...]\ninput w = 1\nX * w * other + n + pi + sum(X)")
    assert [(i.name, i.dtype, i.dims, i.optional) for i in program.inputs] == [
        ("X", "float32", ("n", "_", "..."), False),
        ("w", None, None, True),
    ]
    assert program.free_names == {"other"}


def test_print_goes_where_it_is_told() -> None:
    shown: list[str] = []
    compile("print('a', 1, [1, 2], (1, x))").run({"x": 2.0}, show=shown.append)
    assert shown == ["a 1 [1. 2.] (1, 2.0)"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("b = 1; while b < 100: b = b * 2", 128),
        ("y = 0; for r in [1, 2, 3]: y = y + r; y = y * 2", 22),
        ("a = 1; b = 2; if a > b: c = 1\nelse: c = 2\noutput c", 2),
        ("k = 2; def f(y): return k * y\noutput f(3)", 6),
    ],
)
def test_a_block_may_end_a_line_of_statements(text: str, value: float) -> None:
    assert compile(text).run().value == value
    assert compile(formatted(text)).run().value == value


def test_a_number_without_a_fraction_indexes_as_it_counts() -> None:
    text = "input n = 5\nu = arange(n)\noutput u[n // 2], u[1 : n - 2].sum()"
    assert list(compile(text).run().outputs.values()) == [2, 3]
    with pytest.raises(Error, match="E303"):
        compile("input n = 5\nu = arange(n)\noutput u[n / 2]").run()
