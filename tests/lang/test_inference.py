"""Shapes before a run are those of the run, and an error before a run is an error of every run.

Held against every program of the tests and samples, and against random programs for many sizes of their inputs.
"""

from __future__ import annotations

import random
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from runpy import run_path
from typing import Any

import numpy as np
import pytest

from ndgrad.cli.reading import value
from ndgrad.errors import Error
from ndgrad.lang import compile, lint, load
from ndgrad.lang.builtins import function_names
from ndgrad.lang.program import Program, Result
from ndgrad.lang.rendering import render
from ndgrad.lang.shape_lints import Inferred
from ndgrad.lang.sizes import form_of, samples, text_of
from ndgrad.ops import find

ROOT = Path(__file__).parent.parent.parent
SAMPLES = sorted((ROOT / "samples").rglob("*.nd"))
PROGRAMS = [
    row
    for name in ("test_programs.py", "test_derivatives.py")
    for row in run_path(str(Path(__file__).with_name(name)))["PROGRAMS"]
]
Inputs = dict[str, Any]


def ran(program: Program, inputs: Inputs) -> Result | None:
    """A recorded run, None where it fails."""
    try:
        return program.run(inputs, trace=True, show=lambda _: None, max_steps=100_000)
    except Error:
        return None


def mismatches(program: Program, inputs: Inputs, run: Result, exact: bool) -> Iterator[str]:
    """What was inferred and is not so in this run. exact: inferred for these very inputs."""
    inferred = Inferred(program, inputs if exact else None)
    for problem in inferred.findings():
        if problem.severity == "error":
            yield render(problem)
    sizes: dict[str, int] = {}
    seen: dict[tuple[int, int], list[tuple[str, tuple[int, ...]]]] = {}
    for binding in run.trace or ():
        if binding.span and not isinstance(binding.value, tuple):
            place = binding.span.start, binding.span.end
            seen.setdefault(place, []).append((binding.name, np.shape(binding.value)))
    for declaration in program.checked.inputs.values():
        for _, shape in seen.get((declaration.span.start, declaration.span.end), ()):
            sizes.update(zip((str(d.size) for d in declaration.dims or ()), shape, strict=False))
    for node, shape in inferred.shapes():
        if node.span.source != program.source:
            continue
        for name, real in seen.get((node.span.start, node.span.end), ()):
            known = [f if f is not None and sizes.keys() >= set(f.names) else None for f in shape]
            made = tuple(n if f is None else f.value(sizes) for f, n in zip(known, real, strict=False))
            if made != real or len(shape) != len(real):
                yield f"{name} is {real}, inferred {made}"


def given_in(program: Path) -> Iterator[Inputs]:
    """The inputs of the command lines in the comment of a sample."""
    for line in re.findall(r"^#   (ndgrad .*)$", program.read_text("utf-8"), re.MULTILINE):
        words = shlex.split(line)
        pairs = [words[i + 1].split("=", 1) for i, word in enumerate(words) if word == "-i"]
        if all(text != "y.npy" for _, text in pairs):
            yield {name: value(text, f"-i {name}") for name, text in pairs}


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("row", PROGRAMS, ids=lambda row: row[0][:40])
def test_programs_that_run_have_the_shapes_that_were_inferred(row: Any, exact: bool) -> None:
    program = compile(row[0])
    run = ran(program, row[1])
    if run is not None:
        assert list(mismatches(program, row[1], run, exact)) == []


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.stem)
def test_samples_have_the_shapes_that_were_inferred(sample: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    program = load(sample)
    for inputs in given_in(sample):
        run = ran(program, inputs)
        assert run is not None
        for exact in (False, True):
            assert list(mismatches(program, inputs, run, exact)) == []


EXAMPLES = [op.example.split("->")[0] for op in map(find, function_names()) if op is not None and "'" not in op.example]


@pytest.mark.parametrize("example", EXAMPLES)
def test_examples_of_operations_have_the_shapes_that_were_inferred(example: str) -> None:
    program = compile(f"y = {example}")
    run = ran(program, {})
    assert run is not None
    assert list(mismatches(program, {}, run, False)) == []
    inferred = Inferred(program)
    unknown = example.startswith(("unique", "nonzero", "flatnonzero"))  # as many entries as the values say
    assert list(inferred.shapes()) or unknown or run.outputs.keys() != {"y"}


def test_no_program_is_too_strange_for_lint() -> None:
    for name in ("diagnostics.txt", "slips.txt"):
        for case in Path(__file__).with_name(name).read_text("utf-8").split("\n\n====\n"):
            lint(case.partition("\n----\n")[0])
    for text in (
        "y = x" + " + x" * 5_000,
        "y = x" + ".T" * 3_000,
        "y = " + "-" * 90 + "x",
        "x = (1,)\n" + "x = (x, x)\n" * 30,
    ):
        lint(f"input x: [n]\n{text}")


# Random programs


def written(seed: int) -> str:
    """A random program over inputs of small shapes."""
    dice = random.Random(seed)
    dims = ["n", "d", "2", "3", "1"]
    lines = [f"input x: [{', '.join(dice.choices(dims, k=dice.randint(0, 2)))}]"]
    lines.append(f"input y: float32[{', '.join(dice.choices(dims, k=dice.randint(0, 2)))}]")
    lines.append(f"input k: int[{dice.choice(['', 'n', '2'])}]")
    names = ["x", "y", "k", "n", "d"]

    def expression(depth: int) -> str:
        if depth == 0:
            return dice.choice([*names, *names, "2", "0.5", "[1, 2]", "[[1, 2, 3]]", "ones(3)", "True"])
        a, b = expression(depth - 1), expression(dice.randint(0, depth - 1))
        axis = dice.choice(["0", "1", "-1", "None"])
        part = dice.choice(
            ["0", "1", "-1", ":2", "1:", "None", "::2", "..., 0", ":, 1", "[0, 1]", "k", "n - 1", ":n", "0, 1"]
        )
        return dice.choice(
            [
                f"({a} + {b})",
                f"({a} * {b})",
                f"({a} - {b})",
                f"({a} @ {b})",
                f"({a} / {b})",
                f"({a}).T",
                f"sum({a}, axis={axis})",
                f"mean({a}, axis={axis}, keepdims=True)",
                f"({a})[{part}]",
                f"reshape({a}, {dice.choice(['-1', '(n, d)', '(2, -1)', '(d, n)', '6'])})",
                f"stack(({a}, {b}))",
                f"concatenate(({a}, {b}))",
                f"where({a} > 0, {a}, {b})",
                f"zeros({dice.choice(['n', '(n, d)', 'd + 1', '(2, n)', 'n * d'])})",
                f"exp({a})",
                f"maximum({a}, {b})",
                f"dot({a}, {b})",
                f"outer({a}, {b})",
                f"cumsum({a}, axis={axis})",
                f"f({a})",
                f"grad(f)({a})",
                f"({a} if n > 2 else {b})",
                f"einsum('ij,j->i', {a}, {b})",
                f"solve({a}, {b})",
                f"diag({a})",
                f"({a}).shape[0]",
                f"len({a})",
                f"eye({b})",
                f"arange({b})",
                f"[{a}, {b}]",
                f"norm({a})",
            ]
        )

    lines.append(
        f"def f(z):\n    return {dice.choice(['sum(z ** 2)', 'z @ z', 'z[0]', 'sum(z, axis=0)', 'z + ones(2)'])}"
    )
    for i in range(dice.randint(2, 6)):
        line = f"{dice.choice(['v', 'w', 'x', 'y'])} = {expression(dice.randint(1, 2))}"
        if dice.random() < 0.15:
            line = f"x[{dice.choice(['0', ':2', ':, 0', 'k', '...'])}] = {expression(1)}"
        if dice.random() < 0.1:
            line = f"if sum(x) > 0:\n    {line}\nelse:\n    v = {expression(1)}"
        elif dice.random() < 0.1:
            line = f"for i in range({dice.choice(['2', 'n', 'd'])}):\n    {line}"
        elif dice.random() < 0.1:
            line = f"a, b = {expression(1)}"
        lines.append(line)
        name = re.match(r"(\w+) =", line)
        if name and i:
            names.append(name[1])
    return "\n".join(lines)


def inputs_of(program: Program, n: int, d: int) -> Inputs:
    sizes = {"n": n, "d": d}
    made = {}
    for one in program.inputs:
        shape = tuple(sizes[size] if size in sizes else int(size) for size in one.dims or ())
        dtype = {"float32": np.float32, "int": np.int64}.get(one.dtype or "", np.float64)
        made[one.name] = np.arange(1, 1 + int(np.prod(shape))).reshape(shape).astype(dtype)
    names = {str(size) for one in program.inputs for size in one.dims or ()}
    return made | {size: sizes[size] for size in ("n", "d") if size not in names}


@pytest.mark.parametrize("chunk", range(8))
def test_random_programs_fail_where_it_was_said(chunk: int) -> None:
    said, wrong = 0, []
    for seed in range(chunk * 30, chunk * 30 + 30):
        text = written(seed)
        try:
            program = compile(text)
        except Error:
            continue
        found = [problem for problem in Inferred(program).findings() if problem.severity == "error"]
        said += bool(found)
        for n in (0, 1, 2, 3, 4):
            for d in (0, 1, 2, 3, 6):
                inputs = inputs_of(program, n, d)
                run = ran(program, inputs)
                if run is not None and found:
                    wrong.append(f"{text}\nn={n} d={d}\n{render(found)}")
                if run is not None and (n, d) in ((3, 6), (2, 3), (4, 2)):
                    wrong += [f"{text}\nn={n} d={d}: {what}" for what in mismatches(program, inputs, run, True)]
    assert wrong == []
    assert said > 3  # or the test says nothing


def test_the_work_grows_with_the_program() -> None:
    def work(count: int) -> int:
        program = compile("input x: [n]\n" + "for i in range(3):\n    x = 2 * x + sin(x)\n" * count)
        (first, *_) = Inferred(program).worlds
        return first.allowed - first.steps

    assert 1.9 < work(400) / work(200) < 2.1


def test_an_intricate_program_is_given_up_in_time() -> None:
    lines = ["def f0(x): return x"]
    lines += [f"def f{i}(x): return f{i - 1}(x) + f{i - 1}(x)" for i in range(1, 40)]
    assert lint("\n".join([*lines, "input x: [n]", "output f39(x)"])) == ()


MULTIPLY = "these shapes do not multiply"
TOGETHER = "the shapes of `+` do not go together"
COLUMN = "W301: a vector meets a column, and the result is"


@pytest.mark.parametrize(
    ("program", "found"),
    [
        # errors of every run, in the words of the run
        ("x = [1, 2, 3] + [1, 2]", [f"E301: {TOGETHER}"]),
        ("input X: [n, d]\noutput sum(X, axis=2)", ["E302: `sum` got axis 2, which is not there"]),
        ("input X: [n, d]\noutput X[0, 0, 0]", ["E303: 3 indices for 2 axes"]),
        ("input X: [4, 3]\noutput X[4]", ["E303: index 4 is outside the array"]),
        ("x = zeros(3)\nx[:2] = ones(3)\noutput x", ["E304: the value does not fit the entries it is written to"]),
        ("def f(): pass\noutput 1 + f()", ["E305: `+` needs numbers or arrays"]),
        ("x = arange(3)\nx[0] = ones(2)[0]", ["E306: a write into an array of int64 would lose digits of a scalar"]),
        ("output reshape(ones(6), (4, -1))", ["E304: `reshape`: 6 entries do not fill 4×-1"]),
        ("if [1, 2] > 0: print(1)\noutput 1", ["E308: a condition must be one boolean or number"]),
        ("a, b = [1, 2, 3]\noutput a + b", ["E207: 2 names cannot be filled from an array of shape 3"]),
        ("output [[1, 2], [3]]", ["E310: the entries of an array must have the same shape"]),
        ("x = 3\noutput x(2)", ["E202: the number 3 cannot be called"]),
        ("def f(w): return w @ ones(3)\noutput grad(f)(ones(4))", [f"E301: {MULTIPLY}"]),
        ("for i in range(3):\n    x = ones(2) @ ones(3)\noutput x", [f"E301: {MULTIPLY}"]),
        # parts that fail if a run comes there
        ("input x\nif x > 0:\n    x = ones(2) @ ones(3)\noutput x", [f"W303: {MULTIPLY}"]),
        ("input k: int\nfor i in range(k): print(ones(2) + ones(3))\nk", [f"W303: {TOGETHER}"]),
        ("def f(x): return ones(2) @ ones(3)\ninput x\noutput f(x) if x > 0 else x", [f"W303: {MULTIPLY}"]),
        # sizes that must agree
        ("input X: [n, d]\ninput w: [n]\noutput X @ w", [f"W302: {MULTIPLY}, unless `n` and `d` are equal"]),
        ("input X: [n, d]\ninput w: [d]\noutput X @ w", []),
        ("input x: [n]\noutput x @ ones(3)", [f"W302: {MULTIPLY}, unless `n` is 3"]),
        ("input x: [3]\noutput x @ ones(3)", []),
        ("input x: [n]\noutput x[1:] - x", ["W302: the shapes of `-` do not go together, unless `n` is 1 or 2"]),
        ("input x: [n]\noutput x[1:] - x[:-1]", []),
        ("input x: [n]\ninput y: [m]\noutput x[1:] - y", []),  # m may be n - 1
        ("input x: [n]\nif x > 0: print(x)\nx", ["W302: a condition must be one boolean or number, unless `n` is 1"]),
        ("input x: [_]\ninput y: [_]\noutput sum(x), sum(y)", []),
        # a vector and a column
        ("input x: [n]\ninput y: [n, 1]\noutput x - y", [f"{COLUMN} n×n"]),
        ("output [1, 2, 3] * [[1], [2], [3]]", [f"{COLUMN} 3×3"]),
        ("input x: [n]\noutput x - x[:, None]", []),
        ("input x: [n]\noutput x - reshape(x, (n, 1))", []),
        ("input x: [n]\ncolumn = 2 * x[:, None]\noutput maximum(x, column)", []),
        ("input x: [n]\ninput y: [n, 1]\noutput x - y[:, 0]", []),
        ("input X: [n, d]\ninput y: [n]\noutput y - sum(X, axis=1, keepdims=True)", [f"{COLUMN} n×n"]),
        ("input X: [n, d]\noutput X - mean(X, axis=1, keepdims=True)", []),
        # what runs is never called an error
        ("input x: [n]\noutput x[:3] + ones(2)", []),
        ("input x\noutput x @ ones(3)", []),
        ("input x: [n]\nm = minimum(n, 10)\noutput zeros(int(m)) + ones(3), x", []),
        ("input x: [n]\nif n == 3:\n    x = x @ ones((3, 2))\noutput x", []),
        ("input x: [n]\nassert n == 3\noutput x @ ones(3)", []),
        ("output e @ ones(3)", []),
        ("x = [1, 2, 3]\nk = sum([1, 1])\noutput x[k] + x[k:2]", []),
        ("x = [1, 2, 3]\nx[x[:1]]", ["E303: floats do not index, and this is an array of shape 1"]),
        ("input x\nwhile True:\n    x = x / 2\n    if x < 1: break\n    x = x + 1\noutput x", []),
    ],
)  # fmt: skip
def test_what_is_found(program: str, found: list[str]) -> None:
    seen = [
        f"{problem.code}: {problem.message}"
        for problem in lint(program)
        if problem.code[1] == "3" or problem.code[0] == "E"
    ]
    assert seen == found


@pytest.mark.parametrize("code", ["W301", "W302", "W303"])
def test_a_comment_keeps_a_warning_back(code: str) -> None:
    programs = {
        "W301": "input x: [n]\ninput y: [n, 1]\noutput x - y",
        "W302": "input x: [n]\ninput y: [m]\noutput x - y",
        "W303": "input x\nif x > 0: x = ones(2) @ ones(3)\noutput x",
    }
    lines = programs[code].split("\n")
    (found,) = lint(programs[code])
    assert found.code == code
    assert found.span is not None
    lines[found.span.line - 1] += f"  # lint: ignore[{code}]"
    assert lint("\n".join(lines)) == ()


def test_inputs_that_are_bound_say_more() -> None:
    program = compile("input X\ninput w\noutput X @ w")
    assert program.check() == ()
    (found,) = program.check({"X": np.ones((3, 2)), "w": np.ones(3)})
    assert (found.code, found.severity) == ("E301", "error")
    assert program.check({"X": np.ones((3, 2)), "w": np.ones(2)}) == ()


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (lambda n, d: n, "n"),
        (lambda n, d: n + 1, "n+1"),
        (lambda n, d: 2 * d - 1, "2d-1"),
        (lambda n, d: n * d, "n·d"),
        (lambda n, d: n + d - 2, "n+d-2"),
        (lambda n, d: n // 2, "n//2"),
        (lambda n, d: d * d, "d²"),
        (lambda n, d: 7, "7"),
        (lambda n, d: n * (n - 1) // 2, None),
    ],
)
def test_sizes_are_read_from_samples(size: Any, text: str | None) -> None:
    sizes = samples(["n", "d"])
    form = form_of([size(**sample) for sample in sizes], sizes)
    assert (None if form is None else form.text) == text
    assert form is None or all(form.value(sample) == size(**sample) for sample in sizes)


def test_numbers_in_messages_become_names() -> None:
    sizes = samples(["n", "d"])
    assert text_of([f"{s['n']}×3 and {s['n'] * s['d']}" for s in sizes], sizes) == "n×3 and n·d"
