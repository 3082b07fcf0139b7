"""The nan-check names the operation that makes the first value that is not finite, its place and its operands."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ndgrad.errors import CheckError
from ndgrad.lang import compile, load

X = np.array([3.0, 2.0, 1.0])


def refused(text: str, *grad: str, head: Any = None, **inputs: Any) -> list[str]:
    """The message, and every label as `text: remark`."""
    with pytest.raises(CheckError) as error:
        compile(text).run({"x": X, **inputs}, grad, head, nan_check=True)
    assert (error.value.code, error.value.exit_code) == ("E801", 3)
    found = error.value.diagnostics[0]
    return [found.message, *(f"{label.span.text}: {label.text}" for label in found.labels)]


def test_the_operation_and_its_operands_are_named() -> None:
    assert refused("y = x * log(x - 1)") == [
        "`log(x - 1)` gives -inf",
        "log(x - 1): gives -inf at [2]",
        "x - 1: 0 there",
    ]
    assert refused("y = (x - x) / (x - x[0])", x=np.ones((2, 2))) == [
        "`(x - x) / (x - x[0])` gives nan",
        "(x - x) / (x - x[0]): gives nan at [0, 0], and 3 more of 4 entries are not finite",
        "x - x: 0 there",
        "x - x[0]: 0 there",
    ]
    assert refused("y = 0.0\ny = y + 2.0 ** a", a=np.array(5000))[0] == "`2.0 ** a` gives inf"
    assert refused("y = x.sqrt()", x=np.array([1.0, -4.0]))[1:] == ["x.sqrt(): gives nan at [1]", "x: -4 there"]


def test_the_first_is_named_inside_functions_and_loops() -> None:
    text = "def f(t):\n    return exp(t)\ny = x\nfor i in range(10):\n    y = f(y)\n"
    assert refused(text)[0] == "`exp(t)` gives inf"


def test_the_first_is_named_inside_functions_of_other_files(tmp_path: Path) -> None:
    (tmp_path / "lib.nd").write_text("def f(t):\n    return 1.0 + log(t)\n")
    (tmp_path / "p.nd").write_text('use "lib.nd"\ny = f(x - 1)\n')
    with pytest.raises(CheckError) as error:
        load(tmp_path / "p.nd").run({"x": X}, nan_check=True)
    assert error.value.diagnostics[0].message == "`log(t)` gives -inf"
    assert error.value.span is not None
    assert error.value.span.source.name.endswith("lib.nd")


def test_an_infinity_that_is_meant_is_none_until_an_operation_makes_one_of_it() -> None:
    made = compile("m = -inf\nfor v in x:\n    m = maximum(m, v)\ny = m").run({"x": X}, ["x"], nan_check=True)
    assert made.value == 3
    assert refused("y = inf - inf")[0] == "`inf - inf` gives nan"


def test_a_derivative_that_is_not_finite_is_named() -> None:
    said = refused("y = sum(sqrt(x) * 2)", "x", x=np.array([4.0, 0.0]))
    assert said == [
        "the derivative of `sqrt(x)` gives inf",
        "sqrt(x): its derivative gives inf at [1]; the operands are 0 there",
    ]
    said = refused("y = x ** a", "x", x=np.array(0.0), a=0.5)
    assert said[0] == "the derivative of `x ** a` by its operand 1 gives inf"


def test_inputs_and_heads_are_looked_at() -> None:
    assert refused("y = x", x=np.array([1.0, np.nan, np.inf])) == [
        "the input `x` holds nan at [1], and 1 more of 3 entries are not finite",
        "x: ",
    ]
    assert refused("y = x", "x", head=np.inf)[0].startswith("the head of `y` holds inf at [0]")


@pytest.mark.parametrize("asked", [{"jac": ["x"]}, {"hess": ["x"]}, {"jvp": {"x": 1.0}}, {"hvp": {"x": 1.0}}])
def test_every_derivative_is_looked_at(asked: dict[str, Any]) -> None:
    with pytest.raises(CheckError, match="E801"):
        compile("y = sum(x ** 0.5)").run({"x": np.array([1.0, 0.0])}, nan_check=True, **asked)


def test_what_is_finite_passes_with_the_same_result() -> None:
    text = "y = 0.0\nfor v in x:\n    y = y + sin(v) * v if v > 1 else y - v\n"
    plainly, checked = (compile(text).run({"x": X}, ["x"], nan_check=on) for on in (False, True))
    np.testing.assert_array_equal(plainly.grads["x"], checked.grads["x"])
    assert plainly.value == checked.value


def test_entries_that_no_path_reaches_do_not_count() -> None:
    made = compile("y = sum(where(x > 0, x, sqrt(x - 1)))").run({"x": X}, ["x"], nan_check=True)
    assert made.grads["x"].tolist() == [1, 1, 1]


def test_a_run_that_is_begun_again_warns_once() -> None:
    """What is traced follows every input at first, and goes without where an operation has no derivative."""
    made = compile("y = log(sum(full(2, k)) * x)").run({"x": -2.0, "k": 3.0, "z": 1.0}, grad=["x"], trace=True)
    assert [warning.code for warning in made.warnings] == ["W201", "W403"]


@pytest.mark.parametrize(
    ("text", "inputs", "more", "said"),
    [
        ("y = log(x)", {"x": -1.0}, {}, "`y` holds nan, though every input is finite"),
        ("y = [0, x] / x\nz = 3\noutput z, y", {"x": 0.0}, {}, "`y` holds nan, though every input is finite"),
        (
            "input x = -2\ny = sqrt(x)",
            {},
            {"grad": ["x"]},
            "`y` and the gradient by `x` hold nan, though every input is finite",
        ),
        ("y = log(x)", {"x": np.inf}, {}, None),
        ("y = x - x", {"x": np.inf}, {}, None),  # as the input is no finite number
        ("y = 2 * x", {"x": 1.0}, {"grad": ["x"], "head": np.nan}, None),
        ("y = where(x > 0, x, nan)", {"x": -1.0}, {}, None),  # as the program says
        ("y = x > 0", {"x": [1.0, -1]}, {}, None),
        ("y = x[0:0]", {"x": [1.0, -1]}, {}, None),
    ],
)
def test_nan_out_of_finite_inputs_is_said_once(text: str, inputs: Any, more: Any, said: str | None) -> None:
    made = compile(text).run(inputs, **more)
    assert [w.message for w in made.warnings if w.code == "W403"] == ([] if said is None else [said])
    assert all(w.help == "nan_check=True says where it begins" for w in made.warnings if w.code == "W403")
