"""Every sample, run as its own comment says, shows what the .out file beside it says; and the numbers are right.

A new sample NAME.nd adds its own test: the commands in its comment, and `pytest --update` for NAME.out.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).parent.parent.parent
SAMPLES = sorted((ROOT / "samples").rglob("*.nd"))
X = np.array([[1.0, 2], [3, 4]])
HEAD = np.array([[10, 1], [0.1, 0.01]])


def commands(program: Path) -> list[str]:
    """The command lines in the comment of a sample."""
    return re.findall(r"^#   (ndgrad .*)$", program.read_text("utf-8"), re.MULTILINE)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a copy of samples/ in it."""
    shutil.copytree(ROOT / "samples", tmp_path / "samples")
    return tmp_path


@pytest.mark.parametrize("program", SAMPLES, ids=lambda path: path.stem)
def test_a_sample_shows_what_is_written_beside_it(
    program: Path, folder: Path, terminal: Callable[..., str], request: pytest.FixtureRequest
) -> None:
    assert commands(program), "a sample says in its comment how to run it"
    if any(line.startswith("ndgrad plot") for line in commands(program)):
        pytest.importorskip("plotille", reason="pictures in the terminal need plotille")
    shown = ""
    for line in commands(program):
        if program.stem == "g":
            (folder / "y.npy").write_bytes((ROOT / "samples" / "x.npy").read_bytes())
        seen = re.sub(r"^time  .*\n", "", terminal(line, cwd=folder), flags=re.MULTILINE)
        shown += f"$ {line}\n{seen.rstrip()}\n\n"
    expected = program.with_suffix(".out")
    if request.config.getoption("--update"):
        expected.write_text(shown.rstrip() + "\n", "utf-8")
    assert shown.rstrip() + "\n" == expected.read_text("utf-8")


def test_the_index_lists_every_sample_with_its_command() -> None:
    index = (ROOT / "docs" / "samples.md").read_text("utf-8")
    listed = dict(re.findall(r"^- \[.*\]\(\.\./(.*)\): .*\n  `(.*)`$", index, re.MULTILINE))
    assert listed == {str(path.relative_to(ROOT)): commands(path)[0] for path in SAMPLES}


@pytest.fixture
def grads(ndgrad: Callable[..., Any]) -> Callable[..., dict[str, Any]]:
    """The result of a command as JSON, its arrays as NumPy arrays."""

    def run(*arguments: str) -> dict[str, Any]:
        ran = ndgrad("run", *arguments)
        assert (ran.returncode, ran.stderr) == (0, "")
        result: dict[str, Any] = json.loads(ran.stdout)
        result["grads"] = {name: np.array(value) for name, value in result["grads"].items()}
        result["outputs"] = {name: np.array(value) for name, value in result["outputs"].items()}
        return result

    return run


def test_square(grads: Any) -> None:
    np.testing.assert_array_equal(grads("samples/square.nd", "--grad", "x")["grads"]["x"], [[4, 8], [12, 16]])


@pytest.mark.parametrize(("a", "slope"), [(X, 2), (2 * X, 1)])
def test_branch(grads: Any, a: np.ndarray, slope: int) -> None:
    result = grads("samples/branch.nd", "-i", f"a={a.tolist()}", "--grad", "a")
    np.testing.assert_array_equal(result["grads"]["a"], np.full((2, 2), slope))


@pytest.mark.parametrize("name", ["head", "double"])
def test_a_head_from_a_file(grads: Any, name: str) -> None:
    result = grads(f"samples/{name}.nd", "-i", "x=samples/x.npy", "--grad", "x", "--head", "samples/head.npy")
    np.testing.assert_allclose(result["grads"]["x"], [[40, 8], [1.2, 0.16]], rtol=1e-15)


def test_chain(grads: Any) -> None:
    result = grads("samples/chain.nd", "--grad", "x")
    np.testing.assert_array_equal(result["grads"]["x"], [[6, 36], [114, 264]])
    np.testing.assert_array_equal(result["outputs"]["closed_form"], result["grads"]["x"])


@pytest.mark.parametrize("a", [0.3, 12.5, -1.7, -0.02, 999.0])
def test_control(grads: Any, a: float) -> None:
    result = grads("samples/control.nd", "-i", f"a={a}", "--grad", "a")
    b, doublings = 2 * a, 1
    while abs(b) < 1000:
        b, doublings = 2 * b, doublings + 1
    assert result["grads"]["a"] == 2.0**doublings * (1 if a > 0 else 100)
    np.testing.assert_allclose(result["grads"]["a"], result["value"] / a, rtol=1e-15)


def test_inner(grads: Any) -> None:
    result = grads("samples/inner.nd", "--grad", "w")
    x, w = np.array([1.0, 2, 3]), np.array([0.5, -1, 2])
    np.testing.assert_allclose(result["grads"]["w"], 2 * (x @ w - 3) * x, rtol=1e-15)


def test_least_squares(grads: Any) -> None:
    files = {name: f"samples/{name}.npy" for name in "Xwy"}
    result = grads("samples/least_squares.nd", *(f"-i{n}={path}" for n, path in files.items()), "--grad", "w")
    table, w, y = (np.load(ROOT / path) for path in files.values())
    np.testing.assert_allclose(result["grads"]["w"], 2 * table.T @ (table @ w - y), rtol=1e-14)


def test_four_x2(grads: Any) -> None:
    result = grads("samples/four_x2.nd", "-i", "x=[0, 1, -2.5]", "--grad", "x")
    np.testing.assert_array_equal(result["grads"]["x"], [0, 8, -20])


def test_sum_squares(grads: Any) -> None:
    np.testing.assert_array_equal(grads("samples/sum_squares.nd", "--grad", "x")["grads"]["x"], [0, 4, 8, 12])


def test_misra1a_at_a_start_value(grads: Any) -> None:
    result = grads("samples/misra1a.nd", "-i", "data=samples/misra1a.csv", "-i", "b=[500, 0.0001]", "--grad", "b")
    np.testing.assert_allclose(result["grads"]["b"], [-32.36497852679, -157393748.89985], rtol=1e-9)


def test_misra1a_at_the_certified_values(grads: Any) -> None:
    result = grads("samples/misra1a.nd", "-i", "data=samples/misra1a.csv", "--grad", "b")
    np.testing.assert_allclose(result["value"], 0.12455138894, rtol=1e-9)
    y, x = np.loadtxt(ROOT / "samples/misra1a.csv", delimiter=",", skiprows=1).T
    b0, b1 = 238.94212918, 0.00055015643181
    residual = y - b0 * (1 - np.exp(-b1 * x))
    terms = 2 * residual * np.array([1 - np.exp(-b1 * x), b0 * x * np.exp(-b1 * x)])
    assert np.all(np.abs(result["grads"]["b"]) <= 1e-8 * np.abs(terms).sum(axis=1))


def test_descent_is_differentiated_by_its_rate(grads: Callable[..., dict[str, Any]]) -> None:
    exact = grads("samples/descent.nd", "--grad", "rate")["grads"]["rate"]
    h = 1e-6
    above, below = (grads("samples/descent.nd", "-i", f"rate={0.02 + s * h}")["value"] for s in (1, -1))
    np.testing.assert_allclose(exact, (above - below) / (2 * h), rtol=1e-6)
