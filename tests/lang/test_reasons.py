"""Why an entry of a gradient is what it is: every reason that there is, and what cures it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ndgrad.lang import compile, load
from ndgrad.lang.builtins import function_names
from ndgrad.lang.reasons import NoEntry, Why, why
from ndgrad.primitive import REGISTRY


def asked(text: str, at: tuple[int, ...] | None = None, **options: Any) -> Why:
    return why(compile(text), "x", at, **options)


def gradient(text: str) -> Any:
    return compile(text).run({}, grad=["x"]).grads["x"]


# Zeros: program, entry, kind, line, the start of what is said, an operand that is shown

ZEROS: dict[str, tuple[str, tuple[int, ...], str, int, str, tuple[str, float] | None]] = {
    "relu": ("input x = [-1, 2]\nz = relu(x)\n", (0,), "flat", 2, "`relu` is constant", ("x[0]", -1)),
    "relu at 0": ("input x = 0\nz = relu(x)\n", (), "kink", 2, "`relu` has a kink at x == 0, and its", ("x", 0)),
    "abs at 0": ("input x = [0, 2]\nz = abs(3 * x)\n", (0,), "kink", 2, "`abs` has a kink", ("(3 * x)[0]", 0)),
    "norm at 0": ("input x = [2, 0]\nz = norm(x - [2, 0])\n", (0,), "kink", 2, "`norm` has a kink", None),
    "clip": ("input x = [5, 0.5]\nz = clip(x, 0, 1)\n", (0,), "outside", 2, "it lies outside", ("x[0]", 5)),
    "maximum": ("input x = [5, 7]\nz = maximum(x, 6)\n", (0,), "not chosen", 2, "the other operand is", ("x[0]", 5)),
    "max": ("input x = [5, 7]\nz = max(x)\n", (0,), "not chosen", 2, "another entry is the max", ("x[0]", 5)),
    "max beside a tie": ("input x = [5, 7, 7]\nz = max(x)\n", (0,), "not chosen", 2, "another entry is the max", None),
    "where": ("input x = 2\nz = where(x > 3, x ** 2, 0)\n", (), "not chosen", 2, "`where` takes", ("x > 3", False)),
    "a mask": ("input x = [1, 2]\nm = [0, 1]\nz = m * x\n", (0,), "multiplied by 0", 3, "it is mult", ("m[0]", 0)),
    "matmul": ("input x = [[1, 2]]\nz = x @ [0, 1]\n", (0, 0), "multiplied by 0", 2, "everything", ("x[0, 0]", 1)),
    "overwritten": ("input x = [1, 2]\nb = 2 * x\nb[1] = 0\nz = b\n", (1,), "overwritten", 3, "the entry", ("b[1]", 4)),
    "not gathered": ("input x = [1, 2]\nz = x[0] * 2\n", (1,), "not gathered", 2, "the entry is not", ("x[1]", 2)),
    "floor": ("input x = 3.7\nz = floor(x) * 2\n", (), "flat", 2, "`floor` is constant between", ("x", 3.7)),
    "stationary": ("input x = 0\nz = x ** 2\n", (), "stationary", 2, "its derivative is 0", ("x", 0)),
    "saturated": ("input x = 900\nz = sigmoid(-x)\n", (), "saturated", 2, "`sigmoid` is saturated", ("-x", -900)),
    "cancelled": ("input x = 3\nz = x * 2 - 2 * x\n", (), "cancels", 2, "it moves by 2 and -2, which", None),
    "cancelled but for rounding": (
        "input x = [1, 2, 3]\nz = sum(x - mean(x))\n",
        (0,),
        "cancels",
        2,
        "what is summed moves by 0.666667 and -0.666667 in all, which cancels but for rounding",
        None,
    ),
    "cancelled up to rounding": (
        "input x = 1\nz = (x * 0.7 + x * 0.2) - (x * 0.1 + x * 0.8)\n",
        (),
        "cancels",
        3,
        "`z` moves by -1.11022e-16, which is zero up to rounding",
        None,
    ),
    "cancelled in a sum": ("input x = [1, 2]\nz = sum(x[0] * [1, -1])\n", (0,), "cancels", 2, "what is summed", None),
    "too small": ("input x = 1e-200\nz = x ** 3\n", (), "vanished", 2, "its derivative is too small", ("x", 1e-200)),
    "vanishing": (
        "input x = 1\nb = x\nfor i in range(2000): b = b * 0.5\nz = b\n",
        (),
        "vanished",
        3,
        "the change is 4.94066e-324 after 1,074 operations, and 0.5 times that",
        ("b", 5e-324),
    ),
    "stopped": ("input x = 2\nz = stop_gradient(x) * 3\n", (), "stopped", 2, "`stop_gradient` keeps", ("x", 2)),
    "detached": ("input x = 2\nz = x.detach() * 3\n", (), "stopped", 2, "`detach` keeps", ("x", 2)),
    "integer": ("input x = 3.7\nz = int(x) * 2.5\n", (), "integer", 2, "it becomes an integer", ("x", 3.7)),
    "astype": ("input x = 3.7\nz = x.astype(int64) * 2.5\n", (), "integer", 2, "it becomes an integer", ("x", 3.7)),
    "argmax": ("input x = [1, 2]\nz = argmax(x) * 2.5\n", (1,), "integer", 2, "`argmax` has no", ("x[1]", 2)),
    "a place": ("input x = 1\na = [3, 4.5]\nz = a[int(x)] * 2\n", (), "integer", 3, "it becomes an integer", ("x", 1)),
    "a comparison": ("input x = 3\nz = (x > 2) * 1.5\n", (), "a choice", 2, "a comparison is true or", ("x", 3)),
    "a branch": (
        "input x = 3\nif x > 5: y = x ** 2\nelse: y = 7.0\nz = y\n",
        (),
        "branch",
        2,
        "the condition is",
        None,
    ),
    "an else": (
        "input x = 3\nif x < 5: y = 7.0\nelse:\n    y = x\nz = y\n",
        (),
        "branch",
        2,
        "the condition is true (3",
        None,
    ),
    "a conditional": (
        "input x = 3\nz = x if x > 5 else 7.0\n",
        (),
        "branch",
        2,
        "the condition is false (3 > 5)",
        None,
    ),
    "rounds": (
        "input x = 1\nb = x\nn = 0\nwhile b < 9:\n    b = b * 3\n    n = n + 1.5\nz = n\n",
        (),
        "a choice",
        4,
        "it decides how many rounds the loop makes (9 < 9)",
        None,
    ),
    "in a function": (
        "def f(a):\n    if a > 0: return a\n    return 3.0\ninput x = -1\nz = f(x)\n",
        (),
        "branch",
        2,
        "the condition is false (-1 > 0), so what reads `a` there did not run",
        None,
    ),
    "a constant derivative": (
        "input x = [1, 2]\ndef f(a): return sum(2 * a)\nz = grad(f)(x)\n",
        (0,),
        "constant",
        3,
        "it is given what comes from the input, and gives a constant",
        ("x[0]", 1),
    ),
    "not read": ("input x = 3\nz = 2.0\n", (), "unused", 1, "nothing reads `x`", None),
    "a dead end": ("input x = 3\nq = x * 5\nz = 2.0\n", (), "unused", 2, "`q` comes from `x`, but `z`", None),
    "a new value": (
        "input x = 3\nq = x * 5\nq = 2.0\nz = q\n",
        (),
        "overwritten",
        2,
        "`q` comes from `x`, but line 3",
        None,
    ),
    "a gradient of its own": (
        "input x = 3\ng = custom_gradient(lambda a: a ** 2, lambda g, a: 0 * g)\nz = g(x)\n",
        (),
        "stationary",
        3,
        "the gradient that the program states is 0 here",
        None,
    ),
    "nothing taken": ("input x = [2, 3]\nz = sum(x[5:])\n", (0,), "not gathered", 2, "what it goes into has no", None),
    "a part of a result": ("input x = [[2, 0], [0, 3]]\nq, r = qr(x)\nz = q\n", (0, 0), "stationary", 2, "", None),
}


@pytest.mark.parametrize("row", [pytest.param(row, id=name) for name, row in ZEROS.items()])
def test_zeros(row: tuple[str, tuple[int, ...], str, int, str, tuple[str, float] | None]) -> None:
    text, at, kind, line, said, operand = row
    found = asked(f"{text}output z\n", at)
    assert (found.verdict, found.value, found.path) == ("zero", 0.0, ())
    reason = found.reasons[0]
    assert reason.span is not None
    assert (reason.kind, reason.span.line, reason.text[: len(said)]) == (kind, line, said)
    if operand is not None:
        assert operand in reason.operands


def test_a_zero_by_the_head() -> None:
    text = "input x = [1, 2]\noutput z = x ** 2\n"
    found = asked(text, (0,), head=np.array([0.0, 1.0]))
    assert ([reason.kind for reason in found.reasons], found.headed) == (["head"], True)
    found = asked("input x = 3\noutput z = [x, 2 * x]\n", (), head=np.array([2.0, -1.0]))
    assert [reason.kind for reason in found.reasons] == ["cancels"]
    found = asked("input x = 1e-200\noutput z = 1e-200 * x ** 1\n", (), head=np.array(1e-200))
    assert [reason.kind for reason in found.reasons] == ["vanished"]


def test_the_round_of_a_loop_is_told() -> None:
    found = asked("input x = 3\nb = x\nfor i in range(5): b = relu(b - 1)\noutput z = b\n", ())
    assert [(reason.kind, reason.round) for reason in found.reasons] == [("kink", 3)]


def test_all_that_stops_a_change_is_told_once_for_each_place() -> None:
    found = asked("input x = -1\nz = 0\nfor i in range(5): z = z + relu(x) + floor(x)\noutput z\n", ())
    assert [(reason.kind, reason.round) for reason in found.reasons] == [("flat", 1), ("flat", 1)]


# nan and infinities: program, verdict, (kind, expression, start of what is said) for each reason

BROKEN: dict[str, tuple[str, str, list[tuple[str, str, str]]]] = {
    "0/0": ("input x = 0\nz = x / x\n", "nan", [("value", "x / x", "the value of `divide` is nan")]),
    "x/0": ("input x = 2\nz = x / 0\n", "inf", [("value", "x / 0", "the value of `divide` is inf")]),
    "root at 0": ("input x = 0\nz = sqrt(x)\n", "inf", [("derivative", "sqrt(x)", "the derivative of `sqrt` is inf")]),
    "root of a negative": ("input x = -1\nz = sqrt(x)\n", "nan", [("value", "sqrt(x)", "the value of `sqrt` is nan")]),
    "power at 0": ("input x = 0\nz = x ** 0.5\n", "inf", [("derivative", "x ** 0.5", "the derivative of `power` is")]),
    "0 * inf": (
        "input x = 0\nz = x * log(x)\n",
        "nan",
        [
            ("value", "log(x)", "the value of `log` is -inf"),
            ("derivative", "x * log(x)", "the derivative of `multiply` is -inf here, since"),
            ("derivative", "log(x)", "0 arrives here and the derivative is inf, and 0 · inf is nan"),
        ],
    ),
    "inf * 0": (
        "input x = [0, 0]\nz = sqrt(sum(x ** 2))\n",
        "nan",
        [
            ("derivative", "sqrt(sum(x ** 2))", "the derivative of `sqrt` is inf here"),
            ("derivative", "x ** 2", "inf arrives here and the derivative is 0, and inf · 0 is nan"),
        ],
    ),
    "inf - inf": (
        "input x = 0\nz = sqrt(x) - 2 * sqrt(x)\n",
        "nan",
        [("derivative", "sqrt(x)", "the derivative of `sqrt` is inf"), ("cancels", "x", "infinite adjoints of both")],
    ),
    "overflow": ("input x = 800\nz = exp(x)\n", "inf", [("value", "exp(x)", "the value of `exp` is inf")]),
    "outside": ("input x = 2\nz = arcsin(x)\n", "nan", [("value", "arcsin(x)", "the value of `arcsin` is nan")]),
    "the input": ("input x = nan\nz = x ** 2\n", "nan", [("value", "x", "the input itself is nan there")]),
    "a constant": (
        "input x = 1\nm = log(-1)\nz = x * m\n",
        "nan",
        [("derivative", "x * m", "the derivative of `multiply` is nan here")],
    ),
    "in a loop": (
        "input x = 3\nb = x\nfor i in range(5): b = sqrt(b - 1)\nz = b\n",
        "nan",
        [("value", "sqrt(b - 1)", "the value of `sqrt` is nan")],
    ),
}


@pytest.mark.parametrize("row", [pytest.param(row, id=name) for name, row in BROKEN.items()])
def test_what_is_not_finite(row: tuple[str, str, list[tuple[str, str, str]]]) -> None:
    text, verdict, expected = row
    found = asked(f"{text}output z\n")
    told = [(reason.kind, reason.expression, reason.text) for reason in found.reasons]
    assert found.verdict == verdict
    assert len(told) == len(expected)
    for (kind, expression, words), (wanted, written, start) in zip(told, expected, strict=True):
        assert (kind, expression, words[: len(start)]) == (wanted, written, start)


def test_only_the_entry_that_is_asked_for_counts() -> None:
    text = "input x = [0, 4]\noutput z = sum(sqrt(x))\n"
    assert asked(text, (0,)).verdict == "inf"
    assert (asked(text, (1,)).verdict, asked(text, (1,)).reasons) == ("finite", ())
    assert asked(text).at == (0,)  # one that is not finite, unless told


def test_a_value_that_is_not_finite_is_told_where_its_derivative_is_a_number() -> None:
    found = asked("input x = -2\noutput z = log(x)\n")
    assert (found.verdict, found.value) == ("finite", -0.5)
    assert [reason.text for reason in found.reasons] == ["the value of `log` is nan"]
    assert asked("input x = [-2, 1]\noutput z = sum(log(x))\n", (1,)).reasons == ()


def test_a_head_that_is_not_finite() -> None:
    assert [r.kind for r in asked("input x = 2\noutput z = x ** 2\n", head=np.array(np.nan)).reasons] == ["head"]


# Cures: program, what is said among others, the program with it

CURES = [
    ("input x = 0\nz = sqrt(x)\n", "sqrt(x + 1e-12)", "where(x > 0, sqrt(x), 0)"),
    ("input x = [0, 0]\nz = sqrt(sum(x ** 2))\n", "norm(…)", "norm(x)"),
    ("input x = 0\nz = sin(x) / x\n", "sinc(x / pi)", "sinc(x / pi)"),
    ("input x = 0\nw = 0 * x\nz = x / w\n", "where(w != 0, x / w, 0)", "where(w != 0, x / w, 0)"),
    ("input x = 0\nz = x ** 0.5\n", "where(x > 0, x ** 0.5, 0)", "where(x > 0, x ** 0.5, 0)"),
    ("input x = 800\nz = log(1 + exp(x))\n", "softplus(x)", "softplus(x)"),
    ("input x = 800\nz = log1p(exp(x))\n", "softplus(x)", "softplus(x)"),
    ("input x = [800, 1]\nz = log(sum(exp(x)))\n", "logsumexp(x)", "logsumexp(x)"),
    ("input x = [900, 1]\nz = (exp(x) / sum(exp(x)))[0]\n", "softmax(…)", "softmax(x)[0]"),
    ("input x = [900, 1]\nz = log(softmax(x))[1]\n", "log_softmax(x)", "log_softmax(x)[1]"),
    ("input x = -900\nz = log(sigmoid(x))\n", "log_sigmoid(x)", "log_sigmoid(x)"),
    ("input x = 1\nz = arccos(x)\n", "arccos(clip(x, ", "arccos(clip(x, -(1 - 1e-12), 1 - 1e-12))"),
    ("input x = 800\nz = exp(x)\n", "exp(minimum(x, 700))", "exp(minimum(x, 700))"),
]
REVIVALS = [
    ("input x = -1\nz = relu(x)\n", "leaky_relu(x) or softplus(x)", "leaky_relu(x)"),
    ("input x = 2.3\nz = floor(x)\n", "x + stop_gradient(floor(x) - x)", "x + stop_gradient(floor(x) - x)"),
    ("input x = 2.3\nz = sign(x)\n", "tanh(10 * x)", "tanh(10 * x)"),
]


@pytest.mark.parametrize(("text", "said", "instead"), CURES + REVIVALS)
def test_cures(text: str, said: str, instead: str) -> None:
    cured = f"{text.rpartition('z = ')[0]}output z = {instead}\n"
    told = [reason.cure for reason in asked(f"{text}output z\n").reasons if reason.cure]
    assert any(said in cure for cure in told), told
    assert np.isfinite(gradient(cured)).all()
    if (text, said, instead) in REVIVALS:
        assert np.all(gradient(cured) != 0)


def test_exp_overflows_sooner_in_float32() -> None:
    found = asked("input x = 100\noutput z = exp(x)\n", dtype="float32")
    assert found.reasons[0].cure is not None
    assert found.reasons[0].cure.startswith("exp(minimum(x, 88))")


# Factors


@pytest.mark.parametrize(
    "text",
    [
        "input x = 1.5\nb = x\nfor i in range(100): b = b * 1.5\noutput z = b\n",
        "input x = 0.5\noutput z = exp(3 * sin(x) ** 2)\n",
        "input x = [1, 2]\nw = [[3, 4], [5, 6]]\noutput z = sum((w @ x)[1] ** 3)\n",
        "input x = [3, 1, 2]\noutput z = mean(sort(x)[1:] * 7)\n",
    ],
)
def test_one_way_gives_all(text: str) -> None:
    found = asked(text)
    assert found.verdict == "finite"
    assert found.share == pytest.approx(1.0, rel=1e-12)
    assert np.prod([step.factor for step in found.path]) == pytest.approx(found.value, rel=1e-12)


def test_an_operand_that_stands_on_both_sides_is_one_way() -> None:
    found = asked("def sq(a): return a * a\ninput x = 3\nb = x\nfor i in range(4): b = sq(b) / 10\noutput b\n")
    assert [(step.expression, step.rounds) for step in found.path] == [("sq(b) / 10", 4), ("a * a", 4)]
    assert found.share == pytest.approx(1.0)


def test_one_of_several_results_of_an_operation() -> None:
    found = asked("input x = [[2, 1], [1, 3]]\nu, s, v = svd(x)\noutput y = s[0]\n", (0, 1))
    assert [step.expression for step in found.path] == ["svd(x)"]
    assert found.share == pytest.approx(1.0)


def test_functions_of_many_operations_are_one_factor() -> None:
    found = asked("input x = [1, 2, 3]\noutput y = cross_entropy([x], [0])\n", (1,))
    assert [(step.expression, step.rounds) for step in found.path] == [("cross_entropy([x], [0])", 1)]


def test_rounds_are_counted() -> None:
    (step,) = asked("input x = 1.5\nb = x\nfor i in range(100): b = b * 1.5\noutput z = b\n").path
    assert (step.rounds, step.factor, step.expression) == (100, pytest.approx(1.5**100), "b * 1.5")


def test_the_largest_of_several_ways_and_the_growth_of_the_variables() -> None:
    found = asked("input x = [1, 2]\nb = x\nfor i in range(8): b = [[2, 3], [1, 2]] @ b\noutput z = b[0]\n", (1,))
    factors = np.prod([step.factor for step in found.path])
    assert factors / found.value == pytest.approx(found.share)
    assert 0 < found.share < 0.5
    jacobian = np.array([[2.0, 3.0], [1.0, 2.0]])
    (growth,) = (one for one in found.growth if one.rounds == 8)
    assert [round for round, _ in growth.sizes] == [1, 3, 5, 6, 8]
    for round, size in growth.sizes:
        assert size == pytest.approx(np.abs(np.linalg.matrix_power(jacobian, round)[:, 1]).max())


def test_ways_that_cancel_but_for_rounding() -> None:
    found = asked("input x = [1, 2, 3]\noutput z = sum(softmax(x))\n", (1,))
    assert abs(found.value) < 1e-15
    assert [reason.kind for reason in found.reasons] == ["cancels"]
    assert abs(found.share) > 1e9


@pytest.mark.parametrize(
    ("at", "said"),
    [((2,), "has the shape 2, and no such entry"), ((), "has the shape 2"), ((0, 0), "has the shape 2")],
)
def test_an_entry_that_there_is_not(at: tuple[int, ...], said: str) -> None:
    with pytest.raises(NoEntry, match=said):
        asked("input x = [1, 2]\noutput z = x ** 2\n", at)


def test_entries_are_counted_from_the_end_too() -> None:
    assert asked("input x = [1, 2]\noutput z = x ** 2\n", (-1,)).at == (1,)


def test_long_loops_take_seconds_not_minutes() -> None:
    text = "input x = 1.0001\nb = x\nfor i in range(3000): b = b * x + 0.00001 * sin(b)\noutput z = b\n"
    found = asked(text)
    assert found.path[0].rounds == 3000


def test_every_elementwise_function_is_one_factor_its_derivative() -> None:
    unary = [
        op for op in REGISTRY.values() if op.elementwise and op.arity == 1 and not op.internal and not op.untracked
    ]
    assert len(unary) > 40
    for op in unary:
        if op.name not in function_names():
            continue
        x = sum(op.domain) / 2 + 0.3
        found = asked(f"input x = {x}\noutput z = 2 * {op.name}(x)\n")
        if found.verdict == "finite":
            assert np.prod([step.factor for step in found.path]) == pytest.approx(found.value), op.name
        else:
            assert found.reasons[0].kind == "flat", op.name


def test_operands_are_named_as_the_program_writes_them(tmp_path: Path) -> None:
    (tmp_path / "m.nd").write_text("def f(a):\n    if a > 9: return 3.0\n    return relu(-a)\n")
    (tmp_path / "p.nd").write_text('use "m.nd"\ninput x = -30\ny = x\ny *= 2\noutput z = f(y) * x, w = f(x * x)\n')
    program = load(str(tmp_path / "p.nd"))
    step = why(program, "x", of="z").path[0]
    assert dict(step.operands) == {"f(y)": 60.0, "x": -30.0}
    (reason,) = why(program, "x", of="w").reasons
    assert reason.span is not None
    assert (reason.kind, reason.span.source.name[-4:], reason.span.line) == ("a choice", "m.nd", 2)
