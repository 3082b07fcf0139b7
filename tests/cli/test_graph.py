"""`ndgrad graph`: trees, Graphviz, Mermaid and pictures; the same bytes each time."""

from __future__ import annotations

import itertools
import json
import random
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from ndgrad.cli.graphs import text
from ndgrad.cli.graphs.layout import layout
from ndgrad.lang import compile
from ndgrad.lang.graph import graph

Run = Callable[..., CompletedProcess[str]]
CHAIN = ("graph", "samples/chain.nd", "--grad", "x")


def test_the_tree(ndgrad: Run) -> None:
    ran = ndgrad(*CHAIN)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.splitlines() == [
        "z = t₁ + y               2×2  [[2, 20], [90, 272]]   ∂z/∂z = [[1, 1], [1, 1]]       line 10",
        "├─ t₁ = y²               2×2  [[1, 16], [81, 256]]   ∂z/∂t₁ = [[1, 1], [1, 1]]      line 10",
        "│  └─ y = x²             2×2  [[1, 4], [9, 16]]      ∂z/∂y = [[3, 9], [19, 33]]     line 9",
        "│     └─ x               2×2  [[1, 2], [3, 4]]       ∂z/∂x = [[6, 36], [114, 264]]  line 7",
        "└─ y (above)",
        "(closed_form = t₃ + t₄)  2×2  [[6, 36], [114, 264]]                                 line 12",
        "├─ (t₃ = 4·t₂)           2×2  [[4, 32], [108, 256]]                                 line 12",
        "│  └─ (t₂ = x³)          2×2  [[1, 8], [27, 64]]                                    line 12",
        "│     └─ x",
        "└─ (t₄ = 2·x)            2×2  [[2, 4], [6, 8]]                                      line 12",
        "   └─ x",
    ]


@pytest.mark.parametrize("format", ["tree", "dot", "mermaid", "svg"])
def test_every_format_is_the_same_each_time_and_goes_to_a_file(ndgrad: Run, tmp_path: Path, format: str) -> None:
    suffix = {"tree": "txt", "dot": "dot", "mermaid": "mmd", "svg": "svg"}[format]
    first = ndgrad(*CHAIN, "--format", format).stdout
    assert ndgrad(*CHAIN, "-o", tmp_path / f"g.{suffix}").returncode == 0
    assert (tmp_path / f"g.{suffix}").read_text("utf-8") == first


def test_dot_has_every_value_and_every_share(ndgrad: Run) -> None:
    lines = ndgrad(*CHAIN, "--format", "dot").stdout.splitlines()
    assert lines[0] == "digraph run {"
    assert lines[-1] == "}"
    assert r'  v2 [label="y = x²\n2×2  [[1, 4], [9, 16]]\n∂z/∂y = [[3, 9], [19, 33]]", fillcolor="#ffffff"]' in lines
    assert '  v2 -> v3 [label="[[2, 8], [18, 32]]"]' in lines
    assert sum("style=dashed" in line for line in lines) == 5  # of the closed form, which z does not need


def test_mermaid_has_nothing_that_it_reads_as_its_own(ndgrad: Run) -> None:
    ran = ndgrad("graph", "-", "-i", "x=[1,2]", "--format", "mermaid", stdin=b"y = x * (x > 1)\noutput y")
    assert ran.returncode == 0
    for label in re.findall(r'"(.*?)"', ran.stdout):
        assert not re.search(r'[<>"#`](?!br>)', label.replace("<br>", "").replace("&gt;", "").replace("&lt;", ""))


def test_the_picture_is_whole_xml_with_a_box_for_each_value(ndgrad: Run) -> None:
    root = ElementTree.fromstring(ndgrad(*CHAIN, "--format", "svg").stdout)
    name = "{http://www.w3.org/2000/svg}"
    assert len(root.findall(f"{name}rect")) == 8 + 1
    assert len(root.findall(f"{name}path")) == 9
    said = ["".join(text.itertext()) for text in root.findall(f"{name}text")]
    assert "y = x²" in said
    assert "[[2, 8], [18, 32]]" in said
    assert "http" not in " ".join(said)


def test_boxes_do_not_lie_on_each_other() -> None:
    random.seed(1)
    sizes = {key: (random.uniform(20, 200), random.uniform(20, 60)) for key in range(40)}
    edges = {(random.randrange(b), b): random.choice([0.0, 90.0]) for b in range(1, 40) for _ in range(2)}
    made = layout(sizes, edges)
    assert set(made.places) == set(sizes)
    for a, b in itertools.combinations(sizes, 2):
        (ax, ay), (bx, by) = made.places[a], made.places[b]
        apart = abs(ax - bx) >= (sizes[a][0] + sizes[b][0]) / 2 or abs(ay - by) >= (sizes[a][1] + sizes[b][1]) / 2
        assert apart, (a, b)
    for (a, b), path in made.paths.items():
        assert [y for _, y in path] == sorted(y for _, y in path), (a, b)
    assert all(0 <= x <= made.width and 0 <= y <= made.height for x, y in made.places.values())


def test_long_loops_stay_small_and_deep_graphs_are_drawn(ndgrad: Run) -> None:
    text = b"for i in range(20000): x = sin(x) + 1\noutput x"
    for format in ("tree", "svg"):
        ran = ndgrad("graph", "-", "-i", "x=1", "--grad", "x", "--format", format, stdin=text)
        assert (ran.returncode, ran.stderr) == (0, "")
        assert "19,998 rounds alike" in ran.stdout
    ran = ndgrad("graph", "-", "-i", "x=1", "--unroll", stdin=text.replace(b"20000", b"2000"))
    assert ran.stdout.count("\n") == 4001


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("samples/chain.nd", "-o", "g.jpg"), 2, "the name says no format to write"),
        (("samples/chain.nd", "--grad", "q"), 1, "E205"),
        (("nowhere.nd",), 1, "E602"),
    ],
)
def test_mistakes_are_told(ndgrad: Run, arguments: tuple[str, ...], code: int, said: str) -> None:
    ran = ndgrad("graph", *arguments)
    assert (ran.returncode, ran.stdout) == (code, "")
    assert said in ran.stderr
    assert not json.dumps(ran.stderr).count("Traceback")


@pytest.mark.parametrize("format", ["tree", "dot", "mermaid", "svg"])
def test_a_program_without_inputs_has_a_picture(format: str) -> None:
    made = text(graph(compile("x = 3; output x").run(trace=True)), format)
    assert "x" in made
    assert "3" in made


def test_a_tree_of_plain_signs_has_its_columns_too() -> None:
    lines = text(graph(compile("y = x ** 2").run({"x": 3.0}, ["x"], trace=True)), "tree", ascii=True).splitlines()
    assert lines == ["y = x^2  9  dy/dy = 1  line 1", "`- x     3  dy/dx = 6  line 1"]
