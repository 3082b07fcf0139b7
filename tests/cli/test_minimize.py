"""`ndgrad minimize` as a user meets it: formats, exit codes, pipes."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from subprocess import CompletedProcess
from typing import Any

import numpy as np
import pytest

Run = Callable[..., CompletedProcess[str]]
VALLEY = ("minimize", "samples/rosenbrock.nd", "--over", "x")


def test_json_says_it_all(ndgrad: Run) -> None:
    ran = ndgrad(*VALLEY)
    assert (ran.returncode, ran.stderr) == (0, "")
    found = json.loads(ran.stdout)
    np.testing.assert_allclose(found["optimum"]["x"], [1, 1], rtol=1e-8)
    assert found["value"] < 1e-16
    assert found["gradient_norm"] <= 2e-8
    assert {k: found[k] for k in ("schema", "program", "method", "of", "converged", "reason")} == {
        "schema": 1,
        "program": "samples/rosenbrock.nd",
        "method": "L-BFGS-B",
        "of": "f",
        "converged": True,
        "reason": "the gradient is below the tolerance",
    }


def test_a_search_that_does_not_end_has_exit_code_3(ndgrad: Run) -> None:
    ran = ndgrad(*VALLEY, "--max-iter", 2, "--format", "table")
    assert (ran.returncode, ran.stderr) == (3, "")
    assert "not converged  the limit of 2 iterations was reached\nsearch  L-BFGS-B, 2 iterations" in ran.stdout


def test_arrays_go_out_in_every_format(ndgrad: Run, shell: Callable[..., Any], tmp_path: Any) -> None:
    assert ndgrad(*VALLEY, "--format", "plain", "--precision", 4).stdout == "1 1\n"
    assert ndgrad(*VALLEY, "-o", tmp_path / "x.npz").returncode == 0
    np.testing.assert_allclose(np.load(tmp_path / "x.npz")["x"], [1, 1], rtol=1e-8)
    ran = shell(f"ndgrad {' '.join(VALLEY)} --format npy")
    np.testing.assert_allclose(np.load(io.BytesIO(ran.stdout)), [1, 1], rtol=1e-8)


def test_the_minimum_flows_into_the_next_program(shell: Callable[..., Any]) -> None:
    ran = shell(f"ndgrad {' '.join(VALLEY)} | ndgrad eval 'round(x, 6)' -i x=- --format plain")
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, b"1 1\n", b"")


def test_progress_is_shown_on_a_terminal_and_gone_at_the_end(terminal: Callable[..., str]) -> None:
    slow = "input x = 1; s = x; for i in range(3000): s = s * 0.999; sum(s ** 2) + x ** 2"
    line = f"printf '{slow}' | ndgrad minimize - --over x --method sgd --rate 0.001 --max-iter 60 --format plain"
    seen = terminal(line, whole=True)
    assert "\riteration " in seen
    assert 0 < float(seen.rpartition("\r\x1b[K")[2]) < 1


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ((), 2, "minimize needs --over NAME"),
        (("--over", "x", "--rate", "1"), 2, "--rate is the step of sgd and adam"),
        (("--over", "x", "--bounds", "x=1"), 2, "bounds are given as LOW:HIGH"),
        (("--over", "x", "--bounds", "x=a:1"), 1, "E612"),
        (("--over", "x", "--bounds", "x=0:1", "--method", "BFGS"), 2, "bounds are not for BFGS"),
        (("--over", "x", "--of", "residual"), 1, "E413"),
        (("--over", "y"), 1, "E205"),
        (("--over", "x", "--method", "sgd", "--rate", "1e-9", "--timeout", "0.3"), 4, "E505"),
    ],
)
def test_mistakes_are_told(ndgrad: Run, arguments: tuple[str, ...], code: int, said: str) -> None:
    ran = ndgrad("minimize", "samples/rosenbrock.nd", *arguments)
    assert (ran.returncode, ran.stdout) == (code, "")
    assert said in ran.stderr


@pytest.mark.parametrize(
    ("program", "method"),
    [
        ("input w = 1.0\noutput w", "L-BFGS-B"),
        ("input w = 1.0\noutput w", "BFGS"),
        ("input w = 1.0\noutput y = -w ** 2", "L-BFGS-B"),
        ("input w = [1.0, 2]\noutput y = 3 * (w[0] - w[1])", "L-BFGS-B"),
    ],
)
def test_values_that_run_away_are_no_minimum(
    program: str, method: str, tmp_path: Any, said: Callable[..., tuple[int, str, str]]
) -> None:
    (tmp_path / "f.nd").write_text(program)
    line = ("minimize", str(tmp_path / "f.nd"), "--over", "w", "--method", method)
    code, out, _ = said(*line, "--format", "json")
    found = json.loads(out)
    assert (code, found["converged"]) == (3, False)
    assert found["reason"] == "the value falls without end: the output has no minimum, or --bounds are missing"
    assert found["iterations"] < 20
    code, _, read = said(*line, "--format", "plain")
    assert (code, read) == (3, f"ndgrad: not converged: {found['reason']}\n")


def test_a_deep_minimum_is_found_and_lines_have_names_of_their_own(
    tmp_path: Any, said: Callable[..., tuple[int, str, str]]
) -> None:
    (tmp_path / "f.nd").write_text("input x = 0.0\noutput y = 0.5 * x ** 2 - 1e6 * x")
    code, out, _ = said("minimize", str(tmp_path / "f.nd"), "--over", "x", "--format", "plain", "--precision", "6")
    assert (code, out) == (0, "1e+06\n")
    (tmp_path / "f.nd").write_text("input w = 1.0\noutput w")
    line = ("minimize", str(tmp_path / "f.nd"), "--over", "w", "--bounds", "w=-2:", "--format", "table")
    assert said(*line)[1].startswith("w = -2  float64\noutput w = -2  float64\n\ngradient norm  0\nconverged  ")
