"""What is found before a program runs: warnings fire where they should, and only there.

A new warning is a new row: (code, what is underlined, a program where it fires, a program like it where it does not).
"""

from __future__ import annotations

from pathlib import Path

import pytest

from ndgrad.errors import Error
from ndgrad.lang import compile, lint, load
from ndgrad.lang.linting import ignores

ROOT = Path(__file__).parent.parent.parent
PROGRAMS = sorted((ROOT / "samples").rglob("*.nd"))

WARNINGS = [
    # inputs
    ("W201", "input x: [n]", "input x: [n]\noutput 3", "input x: [n]\noutput sum(x)"),
    ("W201", "x = 3", "input x\nx = 3\noutput x", "input x\nx = 3 * x\noutput x"),
    ("W201", "x = 3", "input x\ny = 2\nx = 3\noutput x + y", "input x\ny = x\nx = 3\noutput x + y"),
    ("W201", "input x", "input x\noutput 3", "input x\n#   ndgrad run f.nd --of x\noutput 3"),
    # variables
    ("W202", "y", "input x\ny = 2 * x\noutput x", "input x\ny = 2 * x\noutput x, y"),
    ("W202", "y", "input x\ny = zeros(3)\ny[0] = x\noutput x", "input x\ny = zeros(3)\ny[0] = x\noutput y"),
    ("W202", "y", "input x\ny = 0\ny += x\noutput x", "input x\ny = 0\ny += x\noutput y"),
    ("W202", "y", "input x\ny = 1\nx", "input x\ny = x"),
    (
        "W202",
        "y",
        "def f(x):\n    y = 2 * x\n    return x\noutput f(3)",
        "def f(x):\n    y = 2 * x\n    return y\noutput f(3)",
    ),
    (
        "W202",
        "y",
        "def f(x):\n    y = 1\n    return x\noutput f(3)",
        "def f(x):\n    _y = 1\n    return x\noutput f(3)",
    ),
    ("W202", "b", "a, b = 1, 2\noutput 3 + 4", "a, b = 1, 2\noutput a"),
    ("W202", "b", "b = 1\noutput 3", "for b in range(3):\n    print(1)\noutput 3"),
    ("W202", "rate", "rate = 1\noutput 3", "#   ndgrad run f.nd --grad x --of rate\nrate = 1\noutput 3"),
    # parameters
    ("W203", "b", "def f(a, b):\n    return a\noutput f(1, 2)", "def f(a, _b):\n    return a\noutput f(1, 2)"),
    ("W203", "b", "def f(a, b=2):\n    return a\noutput f(1)", "def f(a, b=2):\n    return a + b\noutput f(1)"),
    (
        "W203",
        "row",
        "def f(carry, row):\n    return carry, carry\noutput f(1, [1, 2])[0]",
        "def f(carry, row):\n    return carry, carry\noutput scan(f, 1, [1, 2])[0]",
    ),
    ("W203", "b", "def f(a, b):\n    return a\noutput f(1, 2)", "f = lambda a, b: a\noutput f(1, 2)"),
    (
        "W203",
        "b",
        "def f(a, b):\n    return a\noutput f(1, 2)",
        "def f(a, b):\n    g = lambda x: x * b\n    return g(a)\noutput f(1, 2)",
    ),
    # functions
    ("W204", "f", "def f(a):\n    return a\noutput 3", "def f(a):\n    return a\noutput f(3)"),
    ("W204", "f", "def f(a):\n    return a\noutput 3", "def f(a):\n    return a\noutput grad(f)(3)"),
    ("W204", "f", "def f(a):\n    return a if a < 1 else f(a - 1)\noutput 3", "def f(a):\n    return a"),
    ("W204", "f", "def f(a):\n    return a\noutput 3", "def _f(a):\n    return a\noutput 3"),
    # what no run comes to
    (
        "W205",
        "x = 2",
        "def f(x):\n    return x\n    x = 2\noutput f(1)",
        "def f(x):\n    x = 2 * x\n    return x\noutput f(1)",
    ),
    (
        "W205",
        "y = 2",
        "y = 1\nwhile y < 9:\n    y = y + 1\n    break\n    y = 2\noutput y",
        "y = 1\nwhile y < 9:\n    y = y + 1\n    if y > 3: break\n    y = 2 * y\noutput y",
    ),
    ("W205", "y = 2", "y = 1\nif False:\n    y = 2\noutput y", "y = 1\nif y > 0:\n    y = 2\noutput y"),
    ("W205", "y = 2", "if True: y = 1\nelse: y = 2\noutput y", "x = 3\nif x > 2: y = 1\nelse: y = 2\noutput y"),
    (
        "W205",
        "output y",
        "y = 1\nwhile True:\n    y += 1\noutput y",
        "y = 1\nwhile True:\n    y += 1\n    if y > 3: break\noutput y",
    ),
    (
        "W205",
        "return 3",
        "def f(x):\n    if x > 0:\n        return 1\n    else:\n        return 2\n    return 3\noutput f(1)",
        "def f(x):\n    if x > 0:\n        return 1\n    elif x < 0:\n        return 2\n    return 3\noutput f(1)",
    ),
    # names with two meanings
    (
        "W206",
        "sigmoid",
        "def sigmoid(x): return 1 / (1 + exp(-x))\noutput sigmoid(2)",
        "def logistic(x): return x\noutput logistic(2)",
    ),
    ("W206", "sum", "sum = 3\noutput sum([1, 2])", "sum = 3\noutput sum + 1"),
    ("W206", "norm", "input norm\noutput norm([1, 2])", "input norm\noutput norm"),
    ("W206", "f", "def f(x): return x\nf = f(3)\noutput f", "def f(x): return x\ny = f(3)\noutput y"),
    (
        "W206",
        "f",
        "def f(x): return x\ndef f(x): return 2 * x\noutput f(1)",
        "def f(x): return x\ndef g(x): return 2 * x\noutput f(g(1))",
    ),
    ("W206", "f", "def f(x): return x\nf = 3\noutput f", "def f(x): return x\ndef h(f): return f\noutput h(2) + f(1)"),
    # values that are dropped
    ("W207", "x == 1", "x = 3\nx == 1\noutput x", "x = 3\nx = 1 + x\noutput x"),
    ("W207", "sort(x)", "x = [3, 1]\nsort(x)\noutput x", "x = [3, 1]\nprint(x)\noutput x"),
    ("W207", "x.sort()", "x = [3, 1]\nx.sort()\noutput x", "x = [3, 1]\nx.sort()"),
    ("W207", "x", "def f(x):\n    x\noutput f(1)", "def f(x):\n    return x\noutput f(1)"),
    ("W207", "x", "x = 3\nx\noutput x", "x = 3\nx"),
    ("W207", "x + 1", "x = 3\nx + 1\noutput x", "def f(a): print(a)\nx = 3\nf(x)\noutput x"),
    ("W207", "x", "input x\nx\nfor i in range(3):\n    x = x + i", "input x\nfor i in range(3):\n    x + i"),
    # values that may not be there yet
    (
        "W208",
        "y",
        "input x\nif x > 0:\n    y = 1\noutput y",
        "input x\nif x > 0:\n    y = 1\nelse:\n    y = 2\noutput y",
    ),
    ("W208", "y", "input x\nif x > 0:\n    y = 1\noutput y", "input x\ny = 0\nif x > 0:\n    y = 1\noutput y"),
    (
        "W208",
        "y",
        "input x\nif x > 0:\n    y = 1\nz = y + 1\noutput z",
        "input x\nif x > 0:\n    y = 1\nif x > 0:\n    print(y)\noutput x",
    ),
    (
        "W208",
        "y",
        "def f(x):\n    if x > 0:\n        y = 1\n    return y\noutput f(1)",
        "def f(x):\n    if x > 0:\n        y = 1\n    else:\n        return 0\n    return y\noutput f(1)",
    ),
    (
        "W208",
        "y",
        "def f(x):\n    x = y\n    y = x\n    return x + y\noutput f(1)",
        "y = 2\ndef f(x):\n    return x + y\noutput f(1)",
    ),
    ("W208", "y", "input x\nif x > 0:\n    y = 1\noutput y", "input x\nwhile x > 0:\n    y = 1\n    x -= 1\noutput y"),
    (
        "W208",
        "last",
        "def f(x):\n    for i in range(3):\n        x = last\n        last = x\n    return x\noutput f(1)",
        "def f(x):\n    for i in range(3):\n        if i > 0: x += last\n        last = x\n    return x\noutput f(1)",
    ),
    ("W208", "y", "input x\nif x > 0:\n    y = 1\noutput y", "input x\nif x > 0:\n    y = 1\noutput y if x > 0 else x"),
    # names from elsewhere
    ("W209", "x", "output x ** 2", "input x\noutput x ** 2"),
    ("W209", "x", "x = x + 1\noutput x", "x = 0\nx = x + 1\noutput x"),
    ("W209", "n", "input X: [d]\noutput sum(X) / n + d", "input X: [n]\noutput sum(X) / n"),
    ("W209", "k", "def f(x): return k * x\noutput f(2)", "k = 3\ndef f(x): return k * x\noutput f(2)"),
    # loops without end
    (
        "W211",
        "x < 10",
        "x = 1\ny = 1\nwhile x < 10:\n    y = 2 * y\noutput y",
        "x = 1\nwhile x < 10:\n    x = 2 * x\noutput x",
    ),
    (
        "W211",
        "x < 10",
        "x = 1\ny = 1\nwhile x < 10:\n    y = 2 * y\noutput y",
        "x = 1\ny = 1\nwhile x < 10:\n    y = 2 * y\n    if y > 8: break\noutput y",
    ),
    (
        "W211",
        "norm(x) > 1",
        "x = [1, 2]\ny = 1\nwhile norm(x) > 1:\n    y = 2 * y\noutput y",
        "x = [1, 2]\ny = 1\nwhile norm(x) > 1:\n    x[0] = 0\n    x[1] /= 2\noutput x, y",
    ),
    (
        "W211",
        "x < 10",
        "x = 1\ny = 1\nwhile x < 10:\n    y = 2 * y\noutput y",
        "x = 1\ny = 1\nwhile random_uniform() < x / 2:\n    y = 2 * y\noutput y",
    ),
]


def ident(row: tuple[str, str, str, str]) -> str:
    return f"{row[0]}-{row[3][:30]!r}"


@pytest.mark.parametrize("row", WARNINGS, ids=ident)
def test_a_warning_fires(row: tuple[str, str, str, str]) -> None:
    code, underlined, fires, _ = row
    found = [problem for problem in lint(fires) if problem.code == code]
    assert underlined in [problem.span.text for problem in found if problem.span]
    for problem in found:
        assert problem.severity == "warning"


@pytest.mark.parametrize("row", WARNINGS, ids=ident)
def test_a_warning_stays_away(row: tuple[str, str, str, str]) -> None:
    code, _, _, silent = row
    assert code not in [problem.code for problem in lint(silent)]


@pytest.mark.parametrize("row", WARNINGS, ids=ident)
def test_a_comment_keeps_a_warning_back(row: tuple[str, str, str, str]) -> None:
    code, _, fires, _ = row
    lines = fires.split("\n")
    before = lint(fires)
    for number in {problem.span.line for problem in before if problem.code == code and problem.span}:
        lines[number - 1] += f"  # lint: ignore[{code}]"
    assert [p.code for p in lint("\n".join(lines))] == [p.code for p in before if p.code != code]
    assert lint("\n".join(f"{line}  # lint: ignore" for line in fires.split("\n")) + "\n") != before


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.stem)
def test_the_samples_are_clean(program: Path) -> None:
    assert load(program).check() == ()


def test_a_use_that_brings_nothing(tmp_path: Path) -> None:
    (tmp_path / "lib.nd").write_text("def f(x): return x\n")
    found = lint('use "lib.nd"\noutput 3', folder=tmp_path)
    assert [(problem.code, problem.span.text) for problem in found if problem.span] == [("W204", 'use "lib.nd"')]
    assert lint('use "lib.nd"\noutput f(3)', folder=tmp_path) == ()


def test_comments_that_keep_nothing_back_are_found() -> None:
    found = lint("x = 3  # lint: ignore\ny = x  # lint: ignore[W202, W204]\noutput x\n")
    assert [(problem.code, problem.message) for problem in found] == [
        ("W210", "there is no warning on this line"),
        ("W210", "there is no W204 on this line"),
    ]


def test_only_comments_are_comments() -> None:
    source = compile('print("# lint: ignore")\ny = 1  # see # lint: ignore[w202]\n').source
    assert [(one.line, one.codes) for one in ignores(source)] == [(2, ("W202",))]


def test_errors_are_never_kept_back() -> None:
    found = lint("y = sin(1, 2)  # lint: ignore\n")
    assert [problem.code for problem in found] == ["E204"]


# Errors before anything runs, all at once


@pytest.mark.parametrize(
    ("program", "codes"),
    [
        ("y = summ(x)\nz = sin(1, 2)\nreturn 3\nbreak", ["E202", "E204", "E111", "E111"]),
        ("def f(a, b): return a\ny = f(1)\nz = f(1, 2, 3)\nu = f(1, c=2)\nv = f(1, 2, a=3)", ["E204"] * 4),
        ("f = lambda a, b=1: a\ny = f()\nz = f(1, 2, 3)\nu = f(1, d=2)", ["E204"] * 3),
        ("def f(a):\n    def g(b): return b\n    return g(a, a)\ny = f(1)", ["E204"]),
        ("y = [1, 2].summ()\nz = [1].shap", ["E202", "E202"]),
        ("input x: flot32\nif 1:\n    input y\ndef f():\n    output 3", ["E206", "E111", "E111"]),
        ("y = grad(sum, wrt=0, wrong=2)\nz = range()", ["E204", "E204"]),
    ],
)
def test_errors_come_all_at_once(program: str, codes: list[str]) -> None:
    with pytest.raises(Error) as failed:
        compile(program)
    assert [problem.code for problem in failed.value.diagnostics] == codes


@pytest.mark.parametrize(
    "program",
    [
        "f = lambda a: a\nf = lambda a, b: a + b\ny = f(1, 2)",
        "f = sum\ny = f([1, 2], axis=0)",
        "def f(a): return a\ndef g(f): return f(1, 2)\ny = g(lambda a, b: a + b) + f(1)",
        "def f(g):\n    def h(g): return g(1)\n    return h(g)\ny = f(lambda a: a)",
        "def f(a):\n    g = lambda b: b\n    if a > 1:\n        g = lambda b, c: b; a = g(a, a)\n    return a\nf(2)",
    ],
)
def test_calls_that_run_are_not_errors(program: str) -> None:
    compile(program).run()
