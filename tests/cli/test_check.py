"""`ndgrad check` as a user meets it, and the derivatives that it must find right or wrong."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ndgrad.cli.checking import lines_of, reasons
from ndgrad.cli.main import status
from ndgrad.lang import checking, compile, load
from ndgrad.lang.checking import Check, check

ROOT = Path(__file__).parent.parent.parent
Run = Callable[..., subprocess.CompletedProcess[str]]
FIXED = """\
input x = [1, 2, 0.5]
def f(a): return a ** 3
g = custom_gradient(f, lambda g, a: {} * g * a ** 2)
output z = g(x)
"""
WRONG = FIXED.format(2.9)
SHOWN = """\
dz/dx  3: the derivatives differ in 3 of 3 entries

                     reverse        forward        numeric
  direction 1       1.763931       1.763931      1.8247562
  direction 2      -18.49062      -18.49062     -19.128228
  direction 3      7.8428731      7.8428731       8.113317
  [0]                    2.9            2.9              3
  [1]                   11.6           11.6             12
  [2]                  0.725          0.725           0.75

  compared    3 entries and 3 random directions, to within 1e-05 of their size
  skipped     complex step: custom_gradient gives no complex numbers
  because     line 3: `custom_gradient` states a gradient of its own, and the
              numbers know nothing of it
"""


def one(text: str, **options: Any) -> Check:
    (made,) = check(compile(text), grad=["x"], **options)
    return made


# The command


def test_derivatives_that_agree(ndgrad: Run) -> None:
    ran = ndgrad("check", "samples/branch.nd", "--grad", "a")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.splitlines()[0] == "db/da  2×2: the derivatives agree"
    assert all(len(line) <= 80 for line in ran.stdout.splitlines())


def test_a_wrong_gradient_is_caught(ndgrad: Run, tmp_path: Path) -> None:
    (tmp_path / "f.nd").write_text(WRONG)
    ran = ndgrad("check", "f.nd", "--grad", "x", cwd=tmp_path)
    assert (ran.returncode, ran.stdout, ran.stderr) == (3, SHOWN, "")


def test_where_there_is_no_number_it_cannot_be_told(
    capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("f.nd").write_text("input x = [1e200, 2]\nz = sum(x ** 2)\n")
    assert status(["check", "f.nd", "--grad", "x"]) == 3
    said, err = capfd.readouterr()
    assert err == ""
    assert said.splitlines()[0] == "dz/dx  2: whether the derivatives agree cannot be told"
    assert "kink" not in said
    assert status(["check", "f.nd", "--grad", "x", "--format", "json"]) == 3
    (found,) = json.loads(capfd.readouterr().out)["checks"]
    assert found["agrees"] is None
    assert found["reasons"] == [
        "close by, the program fails or has no number: its values may be too large for differences"
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sum(x[x > 1])", "x[x > 1]"),
        ("sum(where((x > 1) * (x < 3), x ** 2, 3 * x))", "where((x > 1) * (x < 3), x ** 2, 3 * x)"),
        ("m = 2 * x > 2\ny = x * 3\ny[m] = 0\nz = sum(y)", "y[m]"),
    ],
)
def test_a_selection_that_changes_there_is_told(text: str, said: str) -> None:
    made = one(f"input x = [1.0, 2]\n{text}")
    assert not made.agrees
    (kink,) = made.kinks
    assert (kink.op, kink.where, kink.distance, kink.count) == ("selection", said, 0, 1)
    assert f"what `{said}` selects changes there; taken there" in " ".join(" ".join(lines_of(made, "")).split())


def test_a_selection_by_what_does_not_move_is_no_kink() -> None:
    made = one("input x = [1.0, 2]\ninput l = [0.5, 1]\nz = sum(where(l > 0.5, x ** 2, 3 * x)) + sum(x[x > 1.2])")
    assert made.agrees
    assert made.kinks == ()


def test_a_kink_of_what_does_not_move_comes_no_nearer() -> None:
    for power in ("x ** 2", "x ** 1e-9"):
        assert one(f"input x = [1e3, 1e-4]\nz = sum({power})").kinks == ()


def test_json(ndgrad: Run, tmp_path: Path) -> None:
    (tmp_path / "f.nd").write_text(WRONG)
    ran = ndgrad("check", "f.nd", "--grad", "x", "--format", "json", cwd=tmp_path)
    assert (ran.returncode, ran.stderr) == (3, "")
    made = json.loads(ran.stdout)
    assert (made["schema"], made["program"]) == (1, "f.nd")
    (found,) = made["checks"]
    assert (found["agrees"], found["order"], found["shape"], found["sampled"]) == (False, 1, [3], False)
    assert [entry["index"] for entry in found["entries"]] == [[0], [1], [2]]
    assert found["worst"]["reverse"] == pytest.approx(2.9 * found["worst"]["numeric"] / 3)
    assert found["complex_step"] == {"skipped": "custom_gradient gives no complex numbers"}


def test_colours_only_where_they_are_wanted(ndgrad: Run) -> None:
    plain = ndgrad("check", "samples/chain.nd", "--grad", "x", NO_COLOR="1", FORCE_COLOR="1").stdout
    assert "\x1b" not in plain
    assert "\x1b[1mdz/dx\x1b[0m" in ndgrad("check", "samples/chain.nd", "--grad", "x", FORCE_COLOR="1").stdout


def test_a_stream_that_is_not_unicode(ndgrad: Run) -> None:
    ran = ndgrad("check", "samples/chain.nd", "--grad", "x", PYTHONIOENCODING="ascii")
    assert (ran.returncode, ran.stdout.splitlines()[0]) == (0, "dz/dx  2x2: the derivatives agree")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["samples/chain.nd"], 2, "ndgrad: check needs --grad NAME: the input to differentiate by"),
        (["samples/chain.nd", "--grad", "x", "--order", "3"], 2, "'3' is not one of '1', '2'"),
        (["samples/chain.nd", "--grad", "w"], 1, "error[E205]"),
        (["samples/missing.nd", "--grad", "x"], 1, "error[E602]"),
        (["samples/control.nd", "--grad", "a", "--max-steps", "3"], 4, "error[E504]"),
    ],
)
def test_what_cannot_be_checked(ndgrad: Run, arguments: list[str], code: int, said: str) -> None:
    ran = ndgrad("check", *arguments)
    assert (ran.returncode, ran.stdout) == (code, "")
    assert said in ran.stderr


def test_the_help_ends_with_examples_that_run(ndgrad: Run, shell: Callable[..., Any]) -> None:
    said = ndgrad("check", "--help").stdout
    assert len(said.splitlines()) <= 60
    examples = [line.strip() for line in said.partition("Examples:")[2].splitlines() if line.strip()]
    assert len(examples) == 2
    assert all(shell(example).returncode == 0 for example in examples)


# What is found


@pytest.mark.parametrize(
    "text",
    [
        "input x = [1, 2, 3]\noutput z = softmax(x) * exp(x)\n",
        "input x = [[2, 1], [1, 3]]\noutput z = solve(x, [1, 2]), logdet = log(det(x))\n",
        "input x = 0.3\nb = 2 * x\nwhile norm(b) < 1000: b = 2 * b\noutput b\n",
        "input x = [0.2, 0.7]\ny = 0\nfor i in range(10): y = y + sin(x * i)\noutput y\n",
        "input x = [1e6, 1e-6]\noutput z = sin(x) + x ** 2\n",
        "input x = [3, 1, 2]\noutput z = sort(x) ** 2\n",
        "input x = 2\ndef f(w): return w ** 3 * x\noutput g = grad(f)(x)\n",
        "input x = 1.5\noutput z = x * dropout(ones(5), 0.5) + random_normal(0, 1, 5)\n",
        FIXED.format(3),
    ],
)
@pytest.mark.parametrize("order", [1, 2])
def test_right_derivatives_agree(text: str, order: int) -> None:
    made = one(text, order=order)
    assert made.agrees, made


@pytest.mark.parametrize(
    "sample",
    ["bisection", "branch", "chain", "control", "descent", "double", "inner", "kepler", "square", "sum_squares"],
)
def test_the_samples_agree(sample: str) -> None:
    assert all(made.agrees for made in check(load(str(ROOT / "samples" / f"{sample}.nd")), grad="all"))


@pytest.mark.parametrize("factor", [2.9, 3.001, -3, 0])
def test_wrong_derivatives_do_not(factor: float) -> None:
    made = one(FIXED.format(factor))
    assert not made.agrees
    assert made.stopped == (("custom_gradient", 3),)


def test_a_gradient_that_is_right_with_a_wrong_derivative_of_its_own() -> None:
    text = FIXED.format(3).replace("* a ** 2", "* stop_gradient(a) ** 2")
    assert one(text).agrees
    made = one(text, order=2)
    assert not made.agrees
    assert [c.index for c in made.entries if not c.agrees] == [(0, 0), (1, 1), (2, 2)]


def test_a_wrong_entry_is_named_among_many() -> None:
    rule = "lambda g, a: 2 * g * a * (1 + 0.01 * (arange(100) == 42))"
    made = one(f"input x = ones(100)\ng = custom_gradient(lambda a: a ** 2, {rule})\noutput z = g(x)\n")
    assert made.worst is not None
    assert [c.index for c in made.entries if not c.agrees] == [made.worst.index] == [(42,)]
    assert (made.worst.reverse, made.worst.numeric) == pytest.approx((2.02, 2.0))


def test_large_inputs_are_sampled() -> None:
    made = one("input x = 1.0 * arange(1000)\noutput z = sum(x ** 2)\n")
    assert (made.agrees, made.sampled, len(made.entries)) == (True, True, 20)
    assert made.entries[-1].index == (999,)


def test_an_error_that_ones_do_not_show_is_found_along_directions() -> None:
    """The rule of softmax without its sum: for ones, which give 0, it is right."""
    rule = "lambda g, a: softmax(a) * (g - mean(g))"
    made = one(f"input x = [1, 2, 3]\ng = custom_gradient(softmax, {rule})\noutput z = g(x)\n")
    assert all(c.agrees for c in made.entries)
    assert not made.agrees


@pytest.mark.parametrize(
    ("text", "op", "distance"),
    [
        ("input x = [1, 0]\noutput z = relu(x)\n", "relu", 0),
        ("input x = [1, 1.0000001]\noutput z = abs(x - 1.0000002)\n", "abs", 1e-7),
        ("input x = [0.5, 2]\noutput z = maximum(x, 0.5)\n", "maximum", 0),
        ("input x = [0.5, 1.9999999]\noutput z = x + floor(x)\n", "floor", 1e-7),
        ("input x = 1.0000001\nif x > 1: y = x ** 2\nelse: y = x\noutput y\n", "if", 1e-7),
        ("input x = [0, 0]\noutput z = norm(x)\n", "norm2", 0),
    ],
)
def test_kinks_are_found(text: str, op: str, distance: float) -> None:
    made = one(text)
    assert made.kinks[0].op == op
    assert made.kinks[0].distance == pytest.approx(distance, rel=1e-6)
    assert made.kinks[0].span is not None


def test_a_kink_far_away_is_not_told() -> None:
    assert one("input x = [1, 2, 3]\noutput z = relu(x) + x ** 2 + abs(x - 10)\n").kinks == ()


def test_the_complex_step_is_exact_where_it_is_possible() -> None:
    made = one("input x = [0.3, 2]\noutput z = sum(exp(x) / sqrt(sin(x) ** 3 + cos(x) ** 3 + 2))\n")
    for c in made.entries:
        np.testing.assert_allclose(c.complex, c.reverse, rtol=1e-14)


@pytest.mark.parametrize("name", ["abs", "gammaln", "floor"])
def test_the_complex_step_is_skipped_where_it_is_not(name: str) -> None:
    made = one(f"input x = [1.5, 2.5]\noutput z = x * {name}(x)\n")
    assert made.skipped is not None
    assert made.skipped.startswith(f"{name} on line 2 ")
    assert made.agrees


def test_a_gradient_that_is_not_finite_differs() -> None:
    made = one("input x = [0, 1]\noutput z = sqrt(x)\n")
    assert made.worst is not None
    assert (made.agrees, made.worst.index, made.worst.reverse) == (False, (0,), float("inf"))


def test_the_precision_that_is_asked_for() -> None:
    assert one(FIXED.format(3.001), rtol=1e-2).agrees


def test_inputs_in_float32_are_checked_in_float64() -> None:
    (made,) = check(compile("input x\noutput z = exp(x)\n"), {"x": np.array([1, 2], np.float32)}, ["x"], rtol=1e-9)
    assert made.agrees


def test_the_rounding_of_a_long_program_is_no_disagreement(monkeypatch: pytest.MonkeyPatch) -> None:
    program = compile(
        """
input p = [1.1, 0.4, 0.4, 0.1]
u = 10.0
v = 5.0
for i in range(300):
    du = p[0] * u - p[1] * u * v / 10
    dv = p[2] * u * v / 10 - p[3] * v
    u = u + 0.04 * du
    v = v + 0.04 * dv
output L = (u - 3) ** 2 + v ** 2
"""
    )
    [made] = check(program, grad=["p"], rtol=1e-10)
    assert made.agrees
    assert max(abs(c.reverse - c.numeric) / abs(c.reverse) for c in made.entries) > 1e-10
    monkeypatch.setattr(checking.Differences, "measured", lambda self: 0.0)
    assert not check(program, grad=["p"], rtol=1e-10)[0].agrees


def test_a_slightly_wrong_rule_and_a_jump_are_no_rounding() -> None:
    [wrong] = check(compile(FIXED.format(3.000003)), grad=["x"], rtol=1e-8)
    assert not wrong.agrees
    [jumps] = check(compile("input x = 2.0\ny = x ** 3 + floor(x)"), grad=["x"], rtol=1e-8)
    assert not jumps.agrees


def test_where_differences_alone_fail_no_rule_is_blamed() -> None:
    [made] = check(compile("input x = 0.3\ny = sin(1e10 * x)"), grad=["x"])
    assert not made.agrees
    assert reasons(made) == [
        "only the differences are off, all that is exact agrees: the program jumps, or is too steep for them"
    ]
