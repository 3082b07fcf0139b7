"""The LaTeX of `ndgrad explain`: what it opens it closes, it is plain ASCII, and TeX, where there is one, sets it."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ndgrad.cli.explaining import Explained
from ndgrad.cli.explaining.formulas import noted, width
from ndgrad.cli.explaining.latex import written
from ndgrad.lang import compile, load

SAMPLES = Path(__file__).parent.parent.parent / "samples"
SIGN = re.compile(
    r"\\(?P<frame>begin|end)\{(?P<name>[a-z*]+)\}|\\(?P<fence>left|right)\b|\\(?P<word>[a-zA-Z]+|.)|[{}$&]"
)
LONG = f"input x = 0.5\ny = {' + '.join(f'sin(x * {k}) * exp(-x / {k})' for k in range(1, 12))}\nx_max_2 = y * 1e-9\n"
TYPES = """
input A = [[2.0, 1], [1, 3]]
input x = [1.0, -2]
λ = 0.5
y = log(det(A)) + norm(x) + sum(where(x > 0, sqrt(abs(x)), x ** 3)) + λ * x @ inv(A) @ x + sum(x[::-1][0] * A[0, :])
for k in range(5): y = y * cos(y) / 3
"""
FIBONACCI = "input a = 2; x = 1; y = 1\nfor i in range(6): x, y = y, x + a * y\nz = x * y"
NAMES = """input a_name_that_is_long = 0.5
another_name = a_name_that_is_long ** 2 + 数
a_third_name = another_name * a_name_that_is_long + exp(another_name) * a_name_that_is_long * 数
z = a_third_name * another_name / a_name_that_is_long + Größe * 1.1 ** a_third_name
"""


def derivation(program: Any, by: str, **inputs: Any) -> Any:
    return program.run(inputs, [by], trace=True).derivation(by)


def articles() -> dict[str, Any]:
    points = np.linspace(-2, 2, 60).reshape(3, 20)
    return {
        "chain": (derivation(load(SAMPLES / "chain.nd"), "x"),),
        "control": (derivation(load(SAMPLES / "control.nd"), "a"),),
        "descent": tuple(derivation(load(SAMPLES / "descent.nd"), by) for by in ("rate", "X")),
        "long": (derivation(compile(LONG), "x"),),
        "types": tuple(derivation(compile(TYPES), by) for by in "Ax"),
        "fibonacci": (derivation(compile(FIBONACCI), "a"),),
        "names": (derivation(compile(f"input 数 = 2\ninput Größe = 3\n{NAMES}"), "a_name_that_is_long"),),
        "labels": (derivation(compile("r = P[:2] @ P.T\ny = mean(cross_entropy(r, [0, 2]))"), "P", P=points[:, :2]),),
        "large": (derivation(compile("y = mean((P @ P.T) ** 2)"), "P", P=points),),
    }


@pytest.fixture(scope="module")
def sources() -> dict[str, str]:
    return {
        name: written(Explained(made, f"{name}_1.nd", dict, full=name == "large"), ascii=False)
        for name, made in articles().items()
    }


def test_everything_that_is_opened_is_closed(sources: dict[str, str]) -> None:
    for name, source in sources.items():
        assert source.isascii() or name == "names"
        opened: list[str] = []
        for found in SIGN.finditer(source):
            if found["frame"]:
                if found["frame"] == "begin":
                    opened.append(found["name"])
                else:
                    assert opened.pop() == found["name"]
            elif found["fence"]:
                if found["fence"] == "left":
                    opened.append("left")
                else:
                    assert opened.pop() == "left"
            elif found[0] == "{":
                opened.append("{")
            elif found[0] == "}":
                assert opened.pop() == "{"
            elif found[0] == "$":
                if opened and opened[-1] == "$":
                    opened.pop()
                else:
                    opened.append("$")
            elif found[0] == "&":
                assert any(frame.startswith("align") or "matrix" in frame for frame in opened)
        assert opened == []


def test_it_says_what_the_derivation_says(sources: dict[str, str]) -> None:
    assert r"\begin{pmatrix} 6 & 36 \\ 114 & 264 \end{pmatrix}" in sources["chain"]
    assert "2^{11}" in sources["control"]
    assert r"\frac{\partial y_{k+1}}{\partial y_{k-1}} = 1" in sources["fibonacci"]
    assert r"\setcounter{MaxMatrixCols}{20}" in sources["large"]
    assert sources["large"].count(" & ") == 3 * 3 * 19


def test_notes_are_told_apart() -> None:
    note = "onehot has 1 at the labels, else 0; 1 is a vector of ones; b₀ is b, y₀ is 2"
    said = noted(note, lambda formula: f"${formula}$", "$1$", str)
    assert said == "onehot has 1 at the labels, else 0; $1$ is a vector of ones; $b₀$ is $b$, $y₀$ is $2$"


@pytest.mark.parametrize(
    ("formula", "digits"),
    [
        ("xyz", 3),
        (r"\frac{x + y}{z}", 5),
        (r"\sin\left( x \right)", 6),
        (r"x^{2}", 2),
        (r"\alpha_{12}", 2.5),
        (r"x + \begin{cases} 0 & \text{if } y \\ 1234567 & \text{else} \end{cases}", 18.6),
    ],
)
def test_the_width_of_a_formula_is_about_that(formula: str, digits: float) -> None:
    assert width(formula) == pytest.approx(digits, abs=0.8)


def test_tex_sets_it_without_a_complaint(sources: dict[str, str], tmp_path: Path) -> None:
    tex = shutil.which("pdflatex") or pytest.skip("needs pdflatex")
    bodies = [re.search(r"\\begin\{document\}(.*)\\end\{document\}", s, re.DOTALL)[1] for s in sources.values()]  # type: ignore[index]
    bodies[-1] = rf"\typeout{{whole arrays}}{bodies[-1]}"  # which are as wide as they are
    begin = sources["large"].partition(r"\begin{document}")[0]
    path = tmp_path / "all.tex"
    path.write_text(f"{begin}\\begin{{document}}{''.join(bodies)}\\end{{document}}\n", "utf-8")
    ran = subprocess.run(
        [tex, "-interaction=nonstopmode", "-halt-on-error", "-draftmode", path.name],
        cwd=tmp_path,
        capture_output=True,
        timeout=60,
        check=False,
    )
    said = ran.stdout.decode("latin-1")
    assert ran.returncode == 0, said[-2000:]
    assert "Missing character" not in said
    too_wide = [
        float(points) for points in re.findall(r"Overfull \\hbox \(([\d.]+)pt", said.partition("whole arrays")[0])
    ]
    assert max(too_wide, default=0) < 5, said[-3000:]
