"""Every operation can be explained, and programs that differentiate within themselves: the steps say what the run gave.

Adding an operation with an example adds its test: nothing here names the common ones.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest

from ndgrad.errors import Error
from ndgrad.lang import compile
from ndgrad.lang.derivation_data import BackwardStep, Derivation, ForwardStep
from ndgrad.lang.elementwise import name_of
from ndgrad.lang.folding import Gap
from ndgrad.lang.mathematics import Tree, tree_of, with_note
from ndgrad.lang.notation import Name, ratio
from ndgrad.lang.products import IN_WORDS
from ndgrad.ops import lookup, names


def with_input(text: str) -> str | None:
    """The call with its first array or number, which becomes an input; None where there is none to differentiate by."""
    found = re.search(r"\[|(?<=\()-?\d+\.?\d*", text)
    if found is None:
        return None
    end = found.end()
    while text[found.start() : end].count("[") > text[found.start() : end].count("]"):
        end += 1
    program = f"input x = {text[found.start() : end]}\ny = {text[: found.start()]}x{text[end:]}\n"
    try:
        compile(program).run(grad=["x"])
    except Error:  # a size, or a value that carries no gradient
        return None
    return program


def programs() -> list[Any]:
    """The example of every operation that has a gradient and no chance in it."""
    made = []
    for name in names():
        operation = lookup(name)
        text = operation.example.partition(" -> ")[0] if operation is not None and operation.example else ""
        program = None if name.startswith("random_") else with_input(text)
        if program:
            made.append(pytest.param(program, id=name))
    assert len(made) > 150
    return made


@cache
def explained(program: str, name: str = "x") -> Any:
    run = compile(program)
    derivation = run.run(grad=[name], trace=True).derivation(name)
    np.testing.assert_array_equal(derivation.result, run.run(grad=[name]).grads[name])
    return derivation


@pytest.mark.parametrize("program", programs())
def test_the_example_of_every_operation_is_explained(program: str) -> None:
    d = explained(program)
    assert d.chain.startswith(("dy", "d(y"))
    if d.backward:
        leaving = sum(np.asarray(step.leaving) for step in d.backward if step.by == "x")
        np.testing.assert_allclose(leaving, d.result, rtol=1e-12, atol=1e-15)


def test_the_formulas_of_all_operations_say_what_they_compute() -> None:
    read = {parameter.id: agree(explained(*parameter.values)) for parameter in programs()}
    assert sum(count > 0 for count in read.values()) > 0.7 * len(read)


def test_a_value_that_the_variable_does_not_reach_has_derivative_0() -> None:
    d = explained("input x = 3\ny = stop_gradient(x) * 2")
    assert (d.chain, d.backward, [s.expression for s in d.forward]) == (
        "dy/dx = 0",
        (),
        ["input", "does not depend on x"],
    )


NESTED = {
    "descent": "w = 1\nfor i in range(3):\n    w = w - x * grad(lambda w: (w - 2) ** 2)(w)\ny = w",
    "newton": "f = lambda t: (t - x) ** 4\nw = 5\nfor i in range(3):\n    w = w - grad(f)(w) / grad(grad(f))(w)\ny = w",
    "fixed_point": "y = fixed_point(lambda t: cos(x * t), 1.0)",
    "hessian": "y = sum(hessian(lambda t: sum(sin(t) * x))([1.0, 2.0]))",
    "jvp": "y = jvp(lambda t: t ** 2 * x, 3.0, 1.0)",
    "vmap": "y = sum(vmap(lambda row: grad(lambda r: sum(r ** 3) * x)(row))([[1.0, 2], [3, 4]]))",
    "checkpoint": "y = checkpoint(lambda t: sin(t) * t)(x)",
    "custom_gradient": "y = custom_gradient(lambda t: t ** 2, lambda g, t: 2 * t * g)(x)",
    "scan": "last, all = scan(lambda c, t: (c * t + x, c), 0.0, [1.0, 2, 3])\ny = last",
}


@pytest.mark.parametrize("program", NESTED.values(), ids=list(NESTED))
def test_derivatives_within_a_program_are_explained(program: str) -> None:
    d = explained(f"input x = 0.7\n{program}")
    assert d.forward[0].value == 0.7
    assert d.backward
    leaving = sum(step.leaving for step in d.backward if step.by == "x")
    np.testing.assert_allclose(leaving, d.result, rtol=1e-12)
    assert d.along is not None
    assert d.numeric is not None
    np.testing.assert_allclose(d.along, d.numeric, rtol=1e-5)


def test_the_steps_are_those_that_the_variable_moves() -> None:
    d = explained("input x = 0.7\nw = 1.0\nw = w - grad(lambda w: w ** 2)(w)\ny = w + x")
    assert [step.name for step in d.forward] == ["x", "y"]


def test_steps_by_different_variables_are_no_rounds() -> None:
    d = explained("input x = 2\na = x + 1\nb = x + 2\nc = a + b\ny = c")
    assert [step.rounds for step in d.backward] == [1, 1, 1, 1]


@pytest.mark.parametrize("train", [False, True])
def test_the_check_repeats_the_random_numbers_of_the_run(train: bool) -> None:
    run = compile("input x = [1.0, 2]\nn = random_normal(shape=2)\ny = sum(dropout(x * n, 0.25) ** 2)")
    for seed in (None, 0, 1):
        d = run.run(grad=["x"], trace=True, train=train, seed=seed).derivation("x")
        np.testing.assert_allclose(d.along, d.numeric, rtol=1e-7)


@pytest.mark.parametrize(
    ("program", "expression"),
    [
        ("input x = [[4.0, 1], [1, 3]]\ny = inv(x + 1)", "(x + 1)⁻¹"),
        ("input x = [4.0, 1, 2]\ny = x + 0\ny[0] = x[1] + 1", "y with [0] = x[1] + 1"),
        ("input x = [4.0, 1, 2]\nz = x * 1\nz[0] = 3\ny = 2 * z", "2·z₁"),
        ("input x = [[4.0, 1], [1, 3]]\ny = x[[0, 1], [1, 0]]", "x[[0, 1], [1, 0]]"),
        ("input x = [4.0, 1]\ny = x * [0.5, 2]", "x·[0.5, 2]"),
    ],
)
def test_operations_are_written_so_that_they_can_only_be_read_one_way(program: str, expression: str) -> None:
    assert explained(program).forward[-1].expression == expression


def test_rules_made_of_other_operations_are_written_by_their_names() -> None:
    step = explained("input x = [[4.0, 1], [1, 3]]\ny = cholesky(x)").backward[0]
    assert "tril(" in step.local
    assert "( " not in step.local


def test_shares_of_which_others_are_left_out_are_marked() -> None:
    run = compile("input x = 0.5\na = x\nb = x\nfor i in range(20):\n    a = a * b\n    b = b + a\ny = a + b")
    steps = run.run(grad=["x"], trace=True).derivation("x").backward
    known: dict[str, Any] = {}
    for step in steps:
        if isinstance(step, BackwardStep):
            known[step.name] = step.arriving
    for step in steps:
        if isinstance(step, BackwardStep) and step.by in known and not step.shared:
            np.testing.assert_allclose(step.leaving, known[step.by], rtol=1e-6)
    assert any(isinstance(step, BackwardStep) and step.shared for step in steps)


def test_an_output_that_recorded_inputs_reach_but_the_variable_does_not() -> None:
    d = compile("input x = 2.0\ninput z = 3.0\noutput y = x * z, w = z ** 2").run(grad=["x"], of="w", trace=True)
    made = d.derivation("x")
    assert (made.chain, [step.name for step in made.forward]) == ("dw/dx = 0", ["x", "w"])


def test_long_fractions_are_written_as_decimal_numbers() -> None:
    d = explained("input x = 0.5\ny = sin(x * 0.7390851332) / 3")
    assert d.closed_form == "0.246362*cos(0.739085·x)".replace("*", "·")
    assert explained("input x = 0.5\ny = 2 * x ** 3 / 7").closed_form == "6·x²/7"


def test_steps_in_which_a_program_differentiates_read_like_mathematics() -> None:
    text = "input x = 0.1\ninput A = [[1.0, 2], [3, 4], [5, 7]]\nw = [1.0, 2]\n"
    d = explained(text + "w = w - x * grad(lambda w: mean((A @ w - 1) ** 2))(w)\ny = sum(w)")
    assert d.forward[1].expression == "w - x·Aᵀ @ (2/3·(A @ w - 1))"
    assert d.chain == "dy/dx = -sum(Aᵀ @ (2/3·(A @ w - 1)))"


@pytest.mark.parametrize(
    ("program", "expression"),
    [
        ("y = x / 3 * 1", "x/3·1"),
        ("y = (1 / 3) * x", "1/3·x"),
        ("y = x / (2 / 3)", "x/(2/3)"),
        ("y = (2 / 3) ** x", "(2/3)^x"),
        ("y = x * 0.1", "x·0.1"),
        ("y = inv(x * eye(2) + 1).T[0, 1]", "(x·I + 1)⁻ᵀ[0, 1]"),
        ("y = x * 0.12345678", "x·0.123457"),
        ("y = x * 8.203125", "x·8.20312"),
        ("y = x + 2 * pi", "x + 2·pi"),
        ("y = x ** (pi / 4)", "x^(pi/4)"),
        ("y = x / sqrt(2)", "x/sqrt(2)"),
        ("y = inv(eye(2) + x)[0, 1]", "(I + x)⁻¹[0, 1]"),
        ("y = x * 1e-05", "x·1e-05"),
        ("y = x + -2 * x", "x - 2·x"),
        ("y = x - (-2) * x", "x + 2·x"),
        ("y = x - -x * 3", "x + x·3"),
        ("y = x + (-2 + x)", "x - 2 + x"),
        ("y = x - (-2 + x)", "x - (-2 + x)"),
        ("y = x * (-2)", "x·(-2)"),
    ],
)
def test_numbers_and_signs_are_written_as_by_a_person(program: str, expression: str) -> None:
    assert explained(f"input x = 0.7\n{program}").forward[-1].expression == expression


def test_an_output_that_is_another_name_of_a_value_says_so() -> None:
    d = explained("input x = 0.7\nb = 2 * x\nc = b if x > 0 else x\noutput c")
    assert [(s.name, s.expression) for s in d.forward] == [("x", "input"), ("b", "2·x"), ("c", "b")]
    assert d.chain == "dc/dx = 2"


@pytest.mark.parametrize(
    ("program", "expression", "local"),
    [
        ("y = where(x > 1, x ** 2, 3 * x)", "where(x > 1, x², 3·x)", "3·[x <= 1] + 2·[x > 1]·x"),
        ("y = where(x ** 2 > k, x, 0)", "where(x² > k, x, 0)", "[x² > k]"),
        ("y = where(logical_not(x == 2), x, 0)", "where(logical_not(x == 2), x, 0)", "[logical_not(x == 2)]"),
        ("y = where(logical_not(x == 2), 0, x)", "where(logical_not(x == 2), 0, x)", "[x == 2]"),
        ("y = where([True, False, True], x, k)", "where([True, False, True], x, k)", "[1, 0, 1]"),
        ("y = (1 - k) * x", "(1 - k)·x", "1 - k"),
        ("y = (k + k.T @ k) * x", "(k + kᵀ @ k)·x", "k + kᵀ @ k"),
        ("j = int(k) - 1\ny = (x * x)[j % 3]", "(x·x)[j mod 3]", "2·(1 at [j mod 3])·x"),
        ("y = 0 * x\ny[argsort(x)] = x", "y with [argsort(x)] = x", "1 with [argsort(x)] = 0"),
        ("y = x[x > 1]", "x[x > 1]", "(1 at [x > 1])"),
        ("y = minimum(1, k / x)", "minimum(1, k/x)", "-[k/x < 1]·k/x²"),
        ("y = maximum(x, 0.5)", "maximum(x, 0.5)", "share(x, 0.5)"),  # there is a tie
        ("y = k / x ** 2", "k/x²", "-2·y/x"),
        ("y = log(2 * pi * x) / 2", "log(2·pi·x)/2", "1/(2·x)"),
        ("y = x / norm(x)", "x/‖x‖", "1/‖x‖ - sum(y/‖x‖)·x/‖x‖"),
        ("y = diag(x, -1)", "diag(x, k=-1)", "1"),
        ("y = x * arange(9).reshape(9, 1)[:3, 0]", "x·[0, 1, 2]", "[0, 1, 2]"),
        ("y = (zeros(3) + 0.5) * x", "0.5·x", "0.5"),  # no name in it: the number says more
        ("y = x * (k + 2 * k - 3 * k + 4 * k - 5 * k + 6 * k - 7 * k + 8 * k - k)", "x·[10, 5, 20]", "[10, 5, 20]"),
    ],
)
def test_conditions_and_constants_are_as_the_program_writes_them(program: str, expression: str, local: str) -> None:
    d = explained(f"input x = [0.5, 2, 3]\nk = [2, 1, 4]\n{program}")
    assert (d.forward[-1].expression, d.backward[0].local) == (expression, local)


def test_a_condition_that_is_false_for_nan_has_no_opposite() -> None:
    d = explained("input x = [0.5, nan]\ny = where(x > 1, x, 2 * x)")
    assert d.backward[0].local == "[x > 1] + 2·[logical_not(x > 1)]"


def test_rounds_with_conditions_of_their_own_are_alike() -> None:
    d = explained("input x = [1.0, -2.0]\nfor i in range(9):\n    x = x - 0.1 * where(x > 0, x, 0)\ny = x")
    assert [gap.rules for gap in d.backward if isinstance(gap, Gap)] == [("∂xₖ₊₁/∂xₖ = 1 - 0.1·[xₖ > 0]",)]


def test_a_long_output_without_a_name_is_called_output() -> None:
    d = explained("input x = [1.0, 2]\noutput sum(x ** 2) + sum(x ** 3) + sum(x ** 4)")
    assert (d.of, d.forward[-1].name, d.chain) == ("output", "output", "doutput/dx = 4·x³ + 3·x² + 2·x")


def test_shares_of_a_maximum_are_written_without_their_mask() -> None:
    assert explained("input x = [1.0, 2, 2]\ny = max(x)").backward[0].local == "tied(x, y)"


def test_a_power_is_taken_of_a_whole_factor() -> None:
    d = explained("input x = 0.7\na = 1.5\nfor i in range(6):\n    x = x * (a * a)\ny = x")
    assert d.chain == "dy/dx = 2.25⁶"
    d = explained("input x = 0.7\ninput a = 1.5\nfor i in range(6):\n    x = a ** 2 * x\ny = x")
    assert d.chain == "dy/dx = (a²)⁶"


# Formulas read back from their text and computed: what a person reads, not the terms behind it


# What can be misread: a vector that stands for a column, or for the entries of a matrix, looks like any vector.
UNCLEAR = {"y/x", "x @ [[3, 4]]ᵀ"}


class Unknown(Exception):
    """A sign, or a way to write an operation, that is not read here."""


class Evaluated:
    """The values of trees, where names have values."""

    def __init__(self, names: dict[str, Any]) -> None:
        self.names = names | {"pi": np.pi}

    def value(self, tree: Any) -> Any:
        name = name_of(tree)
        if name:
            if name not in self.names:
                raise Unknown(name)
            return self.names[name]
        found = getattr(self, tree.kind, None)
        if found is None:
            raise Unknown(tree.kind)
        return found(*tree.parts)

    def number(self, said: str) -> float:
        return float(said)

    def negative(self, inside: Tree) -> Any:
        return -self.value(inside)

    def root(self, inside: Tree) -> Any:
        return np.sqrt(self.value(inside))

    def fraction(self, above: Tree, below: Tree) -> Any:
        return self.value(above) / self.value(below)

    def ratio(self, d: str, of: Tree, by: Tree) -> Any:
        return self.value(Tree("name", (f"{d}{name_of(of)}/{d}{name_of(by)}",)))

    def operation(self, sign: str, left: Tree, right: Tree) -> Any:
        a, b = self.value(left), self.value(right)
        if sign == "@":
            return product(a, b)
        calls = {"+": "add", "-": "subtract", "·": "multiply", "==": "equal", "!=": "not_equal", "<": "less",
                 ">": "greater", "<=": "less_equal", ">=": "greater_equal", "mod": "mod",
                 "//": "floor_divide"}  # fmt: skip
        if sign not in calls:
            raise Unknown(sign)
        return getattr(np, calls[sign])(a, b)

    def sup(self, base: Tree, above: Any) -> Any:
        x = self.value(base)
        if isinstance(above, Tree):
            return x ** self.value(above)
        if above in ("T", "-T", "-1") and np.ndim(x) == 2:
            x = x.T if "T" in above else x
            return np.linalg.inv(x) if above.startswith("-") else x
        if above == "T" and np.ndim(x) == 1:
            return x[None, :]
        if above.lstrip("-").isdigit():
            return x ** float(above)
        raise Unknown(above)

    def fence(self, opening: str, inside: Tree, closing: str) -> Any:
        if opening == "⟨" and inside.kind == "list":
            a, b = map(self.value, inside.parts)
            return a @ b
        if opening == "[":
            entries = inside.parts if inside.kind == "list" else (inside,)
            return np.array([self.value(entry) for entry in entries])
        if opening not in "(|‖" or inside.kind == "list":
            raise Unknown(opening)
        x = self.value(inside)
        return np.abs(x) if opening == "|" else np.linalg.norm(x) if opening == "‖" else x

    def call(self, function: Tree, *arguments: Tree) -> Any:
        if function.kind == "sup" and name_of(function.parts[0]) == "sech" and function.parts[1] == "2":
            return np.cosh(self.value(arguments[0])) ** -2.0
        name = str(function.parts[0]) if function.kind == "name" else ""
        op = lookup(name)
        if op is None:
            raise Unknown(name)
        given = [a for a in arguments if a.kind != "option"]
        options = {name_of(a.parts[0]): self.option(a.parts[1]) for a in arguments if a.kind == "option"}
        values = [self.value(a) for a in given]
        if name in ("sum", "mean") and np.ndim(values[0]) == 0:
            raise Unknown("sum(1): 1 is an array of ones")
        return op.on_plain(*values, **options)

    def option(self, tree: Any) -> Any:
        words = {"True": True, "False": False, "None": None}
        if name_of(tree) in words:
            return words[name_of(tree)]
        if tree.kind == "fence":
            inside = tree.parts[1]
            return tuple(map(self.option, inside.parts if inside.kind == "list" else (inside,)))
        if tree.kind == "quoted":
            return tree.parts[0].strip('"')
        return int(self.value(tree))

    def index(self, base: Tree, key: Tree) -> Any:
        places = []
        for part in key.parts:
            assert isinstance(part, Tree)
            if part.kind == "row":
                raise Unknown("slice")
            places.append(slice(None) if part.kind == "text" else int(self.value(part)))
        return self.value(base)[tuple(places)]


def product(a: Any, b: Any) -> Any:
    """a @ b of the notation, in which a row behind a vector makes a matrix."""
    if np.ndim(a) == 1 and np.shape(b)[:1] == (1,) and np.ndim(b) == 2:
        return np.outer(a, b)
    made = a @ b
    return made[0] if np.ndim(a) == 2 and np.ndim(b) == 1 and np.shape(a)[0] == 1 else made


def agree(d: Derivation, known: Mapping[str, Any] = MappingProxyType({})) -> int:
    """How many formulas of a derivation were read; those that were have the values that stand beside them."""
    names = dict(known) | {step.name: np.asarray(step.value) for step in d.forward if isinstance(step, ForwardStep)}
    count = 0
    for step in d.forward:
        if isinstance(step, ForwardStep) and step.expression != "input":
            count += same(step.expression, names, step.value)
    for step in d.backward:
        if isinstance(step, BackwardStep):
            arriving = {ratio("∂", d.of, step.name): np.asarray(step.arriving)}
            wanted = step.leaving if step.local_value is None else step.local_value
            count += same(step.local, names | arriving, wanted)
    return count


def same(text: str, names: dict[str, Any], wanted: Any) -> bool:
    """Whether a formula could be read; if so, it has the value wanted, to the digits that numbers are shown with."""
    if text in UNCLEAR:
        return False
    tree = tree_of(text)
    try:
        with np.errstate(all="ignore"):
            value = np.asarray(Evaluated(names).value(tree), dtype=np.float64)
        wanted = np.asarray(wanted, dtype=np.float64)
        value = value.reshape(wanted.shape) if value.size == wanted.size else np.broadcast_to(value, wanted.shape)
    except (Unknown, Error, ValueError, TypeError, IndexError):  # 1 is an array of ones, whose shape is not written
        return False
    scale = np.max(np.abs(wanted[np.isfinite(wanted)]), initial=0.0)
    np.testing.assert_allclose(value, wanted, rtol=1e-4, atol=1e-4 * scale, err_msg=text)
    return True


PROGRAMS = [
    "y = sum(x * (A @ x) * sin(A @ x))",
    "y = x * (A @ (x * (B @ x)))",
    "y = solve(A @ B, x) * x",
    "y = inv(A @ B) @ x - (A - B) @ x / 3",
    "y = (x - 2) * -(x * 3) + x * (x // 0.3 + x % 0.7)",
    "y = x / (x / (x + 1)) - (x - (x - 1)) + x ** -2",
    "y = -(x ** 2) * (-x) ** 2 + (x ** 2) ** 3 - 2 ** -x",
    "y = sum(outer(x, A @ x) * B) * x",
    "h = tanh(A @ x)\ng = B @ h + x\ny = norm(g - 1) ** 3 / (2 / 3)",
    "y = mean((x @ A - x) ** 2) * grad(lambda t: sum((A @ t - 1) ** 2))(x)",
    "for k in range(5): x = x - 0.1 * (A @ x - sin(x))\ny = sum(x)",
    "y = A.T @ (B.T @ x * x) + logsumexp(x) * x + (x @ x) * x / sum(x ** 2)",
    "y = sum(A * x[0] @ B) + det(A * x[1]) - sum((A * x) @ B)",
]


@pytest.mark.parametrize("program", PROGRAMS)
def test_formulas_of_programs_say_what_they_compute(program: str) -> None:
    text = "input x = [0.6, 1.4]\nA = [[2, 0.5], [-1, 3]]\nB = [[0.3, -1], [2, 1.5]]\n" + program
    d = compile(text).run(grad=["x"], trace=True).derivation("x", unroll=True)
    names = {"A": np.array([[2, 0.5], [-1, 3]]), "B": np.array([[0.3, -1], [2, 1.5]])}
    assert agree(d, names) >= len(d.forward) + len(d.backward) - 2


# Loops: the rules of rounds that are left out, and their product, read back with the values of the rounds

NO_PRODUCT = "the local derivatives above, multiplied"  # and maybe added
NEWTON = "x = a\nwhile abs(x * x - a) > 1e-12: x = x - (x * x - a) / (2 * x)"
LOOPS = {
    # program, input and its value: what the rules of a round are of, how the product begins
    "grows": ("for i in range(30): b = b + 0.1 * sin(b)\ny = b", "b", 0.5, "bₖ₊₁/bₖ", "∏ₖ₌₀…29 ("),
    "of the value made": ("y = x\nfor i in range(8): y = exp(-y)", "x", 0.5, "yₖ₊₁/yₖ", "∏ₖ₌₁…8 ("),
    "begins with the input": ("y = x\nfor i in range(30): y = y + 1e-5 * sin(y)", "x", 3, "yₖ₊₁/yₖ", "∏ₖ₌₀…29 ("),
    "begins later": ("y = 2 * x + 1\ny = y ** 2\nfor i in range(6): y = sin(y)", "x", 3, "yₖ₊₁/yₖ", "∏ₖ₌₁…6 ("),
    "two loops": (
        "y = x\nfor i in range(6): y = sin(y)\nfor i in range(5): y = cos(y)\nz = 3 * y ** 2",
        "x", 3, "yₖ₊₁/yₖ yₖ₊₁/yₖ", "6·y₁₁ · ∏ₖ₌₆…10 (",
    ),
    "another name": (
        "for i in range(8):\n    new = sin(x)\n    x = new\ny = 2 * x", "x", 3, "newₖ₊₁/newₖ", "2 · ∏ₖ₌₀…6 ("),
    "a name that was something else": (
        "new = 7\nfor i in range(8):\n    new = sin(x)\n    x = new", "x", 3, "newₖ₊₁/newₖ", "∏ₖ₌₁…7 ("),
    "vectors": ("x = [1, 2] + x\nfor i in range(6): x = x * sin(x)", "x", [1, 2], "xₖ₊₁/xₖ", "∏ₖ₌₁…6 ("),
    "spread in the first round": (
        "v = [1, 2]\nfor i in range(6): x = sin(x) * v", "x", 2, "xₖ₊₁/xₖ", NO_PRODUCT),
    "newton": (NEWTON, "a", 9, "xₖ₊₁/xₖ xₖ₊₁/a", NO_PRODUCT),
    "by a constant": ("x = a\nfor i in range(6): x = x + b * x * x", "b", 0.1, "xₖ₊₁/xₖ xₖ₊₁/b", NO_PRODUCT),
    "horner": ("y = 1\nfor i in range(6): y = y * x + 2", "x", 0.5, "yₖ₊₁/yₖ yₖ₊₁/x", NO_PRODUCT),
    "heron": ("x = 1\nfor i in range(6): x = (x + a / x) / 2", "a", 2, "xₖ₊₁/xₖ xₖ₊₁/a", NO_PRODUCT),
    "sums": ("x = 1\nfor i in range(8): x = x + b", "b", 0.5, "xₖ₊₁/xₖ xₖ₊₁/b", NO_PRODUCT),
    "fibonacci": (
        "a = 1\nfor i in range(9):\n    t = x * a\n    a = x\n    x = t", "x", 1.5, "tₖ₊₁/tₖ tₖ₊₁/tₖ₋₁", NO_PRODUCT),
    "numbers of its own": ("for i in range(8): x = sin(x) * (i + 1)", "x", 0.5, "xₖ₊₁/xₖ",
        "8·cos(x₇) · ∏ₖ₌₁…6 ((iₖ + 1)·cos(xₖ)) · cos(x)"),
    "the same at both ends": ("for i in range(9): b = b * (i * (8 - i) + 2)", "b", 0.5, "bₖ₊₁/bₖ",
        "2 · ∏ₖ₌₁…7 (iₖ·(8 - iₖ) + 2) · 2"),
    "other numbers in each round": ("y = 1\nfor i in range(8): y = x + y * i", "x", 0.5, "yₖ₊₁/yₖ yₖ₊₁/x", NO_PRODUCT),
    "a step that goes down": (
        "k = 0\nwhile k < 8:\n    k += 1\n    x = x - 0.1 / k * sin(x)", "x", 1.5, "xₖ₊₁/xₖ",
        "(1 - 0.0125·cos(x₇)) · ∏ₖ₌₁…6 (1 - 0.1·cos(xₖ)/kₖ₊₁) · (1 - 0.1·cos(x))"),
    "entries": ("v = [3, 1, 4, 1, 5, 9]\nfor i in range(6): x = sin(x) * v[i]", "x", 0.5, "", NO_PRODUCT),
}  # fmt: skip


@pytest.mark.parametrize(("program", "name", "value", "rules", "chain"), LOOPS.values(), ids=list(LOOPS))
def test_what_is_said_of_rounds_left_out_holds_for_each(
    program: str, name: str, value: Any, rules: str, chain: str
) -> None:
    inputs = {name: value, "a": 0.3} if "a = " not in program and name != "a" else {name: value}
    text = "".join(f"input {n} = {v}\n" for n, v in inputs.items()) + program
    run = compile(text).run(grad=[name], trace=True)
    d, whole = run.derivation(name), run.derivation(name, unroll=True)
    names = {n: np.asarray(v) for n, v in inputs.items()}
    names |= {step.name: np.asarray(step.value) for step in whole.forward if isinstance(step, ForwardStep)}
    names |= {"v": np.array([1, 2])} if "v = [1" in text else {}
    numbers = {str(Name(b.name, b.number)): b.value for b in run.trace or () if isinstance(b.value, int)}
    names |= {said: np.asarray(number) for said, number in numbers.items()}
    local = {ratio("∂", s.name, s.by): s.local_value for s in whole.backward if isinstance(s, BackwardStep)}
    gaps = [gap for gap in d.backward if isinstance(gap, Gap)]
    assert [gap.alike for gap in gaps] == [bool(rules)] * len(gaps)
    said = [rule.partition(" = ") for gap in reversed(gaps) for rule in gap.rules]
    assert [left.replace("∂", "") for left, _, _ in said] == rules.split()
    for i, (left, _, right) in enumerate(said):
        second_loop = left in [other for other, _, _ in said[:i]]
        for k in (8, 7) if second_loop else (3, 2):
            assert same(at(right, k), names, local[at(left, k)])
    right, note = with_note(d.chain.partition(" = ")[2])
    assert right.startswith(chain)
    if chain == NO_PRODUCT:
        assert right in IN_WORDS
        assert right.endswith("added") == any(s.shared for s in d.backward if isinstance(s, BackwardStep))
        return
    for equal in filter(None, note.split(", ")):
        called, _, actual = equal.partition(" is ")
        if called in numbers:
            assert str(numbers[called]) == actual
        else:
            names[called.replace("₀", "Zero")] = names[actual]
    made = np.prod([multiplied(part, names) for part in right.split(" · ")], axis=0)
    np.testing.assert_allclose(made * np.ones(np.shape(d.result)), d.result, rtol=1e-12)


def test_rounds_with_an_operation_of_several_outputs_are_alike() -> None:
    d = explained("input x = 0.5\nfor i in range(6):\n    q, r = qr([[2 + x, 1], [1, 3]])\n    x = sin(r[0, 0])")
    assert [(gap.rounds, gap.rules, gap.alike) for gap in d.backward if isinstance(gap, Gap)] == [(4, (), True)]
    assert d.chain.endswith(NO_PRODUCT)


def at(text: str, k: int) -> str:
    """A formula with the number of a round in it; x₀ is xZero, which is no name unless a note says what it is."""
    digits = str.maketrans("₊₋₀₁₂₃₄₅₆₇₈₉", "+-0123456789")
    indices = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
    numbers = ((m[0], k + int((m[1] or "0").translate(digits))) for m in re.finditer("ₖ([₊₋][₀-₉]+)?", text))
    for said, number in sorted(set(numbers), key=lambda pair: -len(pair[0])):
        text = text.replace(said, str(number).translate(indices) if number else "Zero")
    return text


def multiplied(part: str, names: dict[str, Any]) -> Any:
    """The value of a factor, or of a product over k, factor by factor with the values of these numbers."""
    found = re.fullmatch(r"∏ₖ₌([₀-₉]+)…(\d+) (\(.*\))", part)
    if found is None:
        return Evaluated(names).value(tree_of(part))
    first, last = int(found[1].translate(str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789"))), int(found[2])
    assert at(part, first) != at(part, last)
    return np.prod([Evaluated(names).value(tree_of(at(found[3], k))) for k in range(first, last + 1)], axis=0)


# The last formulas of a derivation, typed as programs: `@` of two vectors is their inner product, a vector with ᵀ is a
# row, one before a row is a column. Nothing is reshaped; only a number stands for all entries.


class Typed(Evaluated):
    """The values of trees, as strict on shapes as the language is. Vectors of ones take the length they meet."""

    def operation(self, sign: str, left: Tree, right: Tree) -> Any:
        if sign != "@":
            return super().operation(sign, left, right)
        chain = [right]
        while left.kind == "operation" and left.parts[0] == "@":
            chain.insert(0, left.parts[2])  # type: ignore[arg-type]
            left = left.parts[1]  # type: ignore[assignment]
        coefficient: Any = 1.0
        while left.kind == "operation" and left.parts[0] == "·":
            scale = self.value(left.parts[1])
            if np.ndim(scale):
                break
            coefficient, left = coefficient * scale, left.parts[2]  # type: ignore[assignment]
        chain.insert(0, left)
        if self.ones(chain[0]):  # products are associative: ones meet what says how many they are
            made = self.sized(chain[-1])
            for tree in chain[-2::-1]:
                made = self.times(self.sized(tree), made)
        else:
            made = self.value(chain[0])
            for tree in chain[1:]:
                made = self.times(made, self.sized(tree))
        return coefficient * made

    def sized(self, tree: Tree) -> Any:
        return self.ones(tree) or self.value(tree)

    @staticmethod
    def ones(tree: Tree) -> str:
        """ "column" for 1, "row" for 1ᵀ, "" for what is neither."""
        if tree == Tree("number", ("1",)):
            return "column"
        return "row" if tree == Tree("sup", (Tree("number", ("1",)), "T")) else ""

    @staticmethod
    def times(a: Any, b: Any) -> Any:
        """a @ b, where one may be ones of any length; rows that are equal are one row, and columns one column."""
        if isinstance(a, str) and isinstance(b, str):
            return np.ones((1, 1))
        if isinstance(a, str):
            if a == "row":
                return np.sum(b, axis=0, keepdims=np.ndim(b) == 2)
            assert np.ndim(b) == 2
            assert np.shape(b)[0] == 1
            return b
        if isinstance(b, str):
            return np.sum(a, axis=-1) if b == "column" else a[:, None] if np.ndim(a) == 1 else a
        if np.ndim(a) == 1 and np.ndim(b) == 2 and np.shape(b)[0] == 1:
            return a[:, None] * b
        return a @ b

    def index(self, base: Tree, key: Tree) -> Any:
        whole = Tree("text", (":",))
        if any(part == Tree("name", ("None",)) for part in key.parts):
            return self.value(base)[tuple(slice(None) if part == whole else None for part in key.parts)]
        return super().index(base, key)

    def call(self, function: Tree, *arguments: Tree) -> Any:
        if isinstance(function.parts[0], Tree) and function.parts == (Tree("name", ("σ",)), "′"):
            s = super().call(Tree("name", ("sigmoid",)), *arguments)
            return s * (1 - s)
        renamed = Tree("name", ("trace",)) if function == Tree("name", ("tr",)) else function
        return super().call(renamed, *arguments)


Z = np.array([[1.0, 2, 1], [3, 4, 0], [0, 1, 5], [1, 1, 1.5]])
X, R = np.array([[1.0, 2], [3, 4], [0.5, 1]]), np.array([[1.0, 2, 1], [3, 4, 0], [0, 1, 5]])
LABELS = np.array([0, 1, 2, 1])
TYPED: list[tuple[str, str, dict[str, Any]]] = [
    ("s = sum(X ** 2, axis=1)\nf = sum(sqrt(s))", "X", {"X": X}),
    ("s = sum(X ** 2, axis=1)\nf = sum(sqrt(s))", "X", {"X": R}),
    ("s = sum(X, axis=1)\nf = sum(log(s))", "X", {"X": R + 1}),
    ("s = sum(X, axis=0)\nf = sum(log(s))", "X", {"X": X}),
    ("f = sum(logsumexp(X, axis=1) ** 2)", "X", {"X": R}),
    ("f = -mean(sum(T * (X - logsumexp(X, axis=1, keepdims=True)), axis=1))", "X", {"X": Z, "T": np.eye(3)[LABELS]}),
    ("y = x - mean(x, axis=0)\nC = y.T @ y / 3\nf = trace(C @ C)", "x", {"x": R}),
    ("y = x - mean(x, axis=1, keepdims=True)\nf = sum(y ** 3)", "x", {"x": X}),
    ("y = X @ W + b\nf = sum(y ** 2)", "W", {"X": X, "W": X[:2], "b": X[0]}),
    ("y = X @ W + b\nf = sum(y ** 2)", "b", {"X": X, "W": X[:2], "b": X[0]}),
    ("p = sigmoid(X @ w)\nf = -mean(y * log(p) + (1 - y) * log(1 - p))", "w", {"X": X, "w": X[0], "y": X[:, 0] > 0.7}),
    ("for k in range(3): x = x - (x * x - a) / (2 * x)\nf = x", "a", {"a": 2.0, "x": 1.5}),
    ("r = A @ x - 1\nf = r @ r / 2", "x", {"A": X, "x": X[0]}),
    ("f = x @ S @ x", "x", {"S": np.array([[2.0, 1], [1, 3]]), "x": X[0]}),
    ("f = a @ S @ b", "S", {"S": np.array([[2.0, 1], [1, 3]]), "a": X[0], "b": X[1]}),
    ("f = trace(A @ A)", "A", {"A": R}),
    ("f = a @ solve(A, b)", "A", {"A": R + 1, "a": R[0], "b": R[1]}),
    ("f = cross_entropy(z, k)", "z", {"z": Z, "k": LABELS}),
]


@pytest.mark.parametrize(("program", "by", "inputs"), TYPED, ids=[f"{i}: {p}" for i, (p, _, _) in enumerate(TYPED)])
def test_formulas_typed_as_programs_give_the_gradient(program: str, by: str, inputs: dict[str, Any]) -> None:
    text = "".join(f"input {name}\n" for name in inputs) + program.replace("f = ", "output f = ")
    run = compile(text).run(inputs, grad=[by], trace=True)
    d = run.derivation(by, unroll=True)
    names = {name: np.asarray(value, dtype=float) for name, value in inputs.items()}
    names |= {step.name: np.asarray(step.value) for step in d.forward} | {
        "onehot": np.eye(3)[LABELS],
        "I": np.eye(len(d.result)) if d.result.ndim else 1,
    }
    shown = [*d.forms, *([d.closed_form] if d.closed_form else [])]
    chain = d.chain.partition(" = ")[2]
    if "multiplied" not in chain:
        shown.append(chain)
    for form in shown:
        formula, note = with_note(form)
        value = np.asarray(Typed(names).value(tree_of(formula)))
        if np.size(value) == 1 or "ones" in note:  # as many rows, or columns, as there are
            value = np.broadcast_to(
                value if value.ndim == d.result.ndim or np.size(value) > 1 else value.ravel()[0], d.result.shape
            )
        assert value.shape == d.result.shape, form
        np.testing.assert_allclose(value, d.result, rtol=1e-5, atol=1e-9, err_msg=form)


def test_what_cannot_be_typed_so_that_it_is_the_gradient_is_not_shown() -> None:
    """diag() of a matrix with one column would be its first entry; norms of rows are no ‖X‖."""
    run = compile("input X\nn = norm(X, axis=1, keepdims=True)\noutput f = sum(X / n)").run({"X": X}, ["X"], trace=True)
    d = run.derivation("X")
    assert d.forms == ()
    assert d.forward[1].expression == "norm(X, axis=1, keepdims=True)"


def test_a_power_of_a_value_counts_in_the_rule_of_its_rounds() -> None:
    d = compile("input x = 0.5\nfor i in range(9): x = x + 0.1 * x ** 3\ny = x").run(grad=["x"], trace=True)
    assert [gap.rules for gap in d.derivation("x").backward if isinstance(gap, Gap)] == [("∂xₖ₊₁/∂xₖ = 0.3·xₖ² + 1",)]


# Expressions that are long, or that a mask hides


def test_what_a_condition_hides_is_zero_whatever_stands_beside_it() -> None:
    """The slope of sqrt(x) at 0 is infinite, and no path goes there."""
    d = explained("input x = [0.0, 4.0]\ny = where(x > 0, sqrt(x), 0)")
    (step,) = (step for step in d.backward if isinstance(step, BackwardStep))
    assert step.local == "0.5·[x > 0]/sqrt(x)"
    np.testing.assert_array_equal(step.local_value, [0, 0.25])
    np.testing.assert_array_equal(step.leaving, d.result)
    assert not step.shared


def test_an_infinite_slope_is_told_where_a_later_step_hides_it() -> None:
    d = explained("input x = [-1.5, 4]\nr = relu(x)\ny = sqrt(r)")
    first, second = (step for step in d.backward if isinstance(step, BackwardStep))
    np.testing.assert_array_equal(first.leaving, [np.inf, 0.25])
    np.testing.assert_array_equal(second.leaving, [0, 0.25])


def test_a_sum_that_cancels_is_no_share_of_another() -> None:
    d = explained("input x = [0.3, 1, 3]\ny = tanh(x) ** 2 + 1 / cosh(x) ** 2")
    assert [step.shared for step in d.backward if isinstance(step, BackwardStep)] == [False]


def test_values_used_by_several_steps_are_shared() -> None:
    d = explained("input x = 2\na = x ** 2\nb = a * x\nc = a * b")
    shared = {(s.name, s.by): s.shared for s in d.backward if isinstance(s, BackwardStep)}
    assert shared == {("c", "b"): False, ("c", "a"): True, ("b", "a"): True, ("b", "x"): True, ("a", "x"): True}


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("def f(x, n): return x if n == 0 else sin(f(x, n - 1))\ny = f(x, 300)", "t₂"),
        ("y = " + " + ".join(["sin(x)"] * 400), "t₂"),
        ("y = " + "sin(" * 60 + "x" + ")" * 60, "t₂"),
        ("t = 2 * x\ny = " + " * ".join(["t"] * 90), "v₁"),
    ],
    ids=["a function that calls itself", "a long sum", "deeply nested", "a long product"],
)
def test_what_is_too_long_for_one_step_is_several(text: str, name: str) -> None:
    d = explained(f"input x = 0.5\n{text}")
    whole = compile(f"input x = 0.5\n{text}").run(grad=["x"], trace=True).derivation("x", unroll=True)
    steps = [step for step in whole.forward if isinstance(step, ForwardStep)]
    assert name in [step.name for step in steps]
    assert all(len(step.expression) < 400 for step in steps)
    assert all(len(step.local) < 1200 for step in whole.backward if isinstance(step, BackwardStep))
    assert np.allclose(d.along or 0, d.numeric or 0, rtol=1e-5)
