"""Whatever the text, a program ends in a result or in an error of the language. Nothing else escapes.

The inputs are the same in every run: `KIND-NUMBER` is the seed of each. `pytest --fuzz N` tries N in all.
"""

from __future__ import annotations

import ast
import os
import random
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ndgrad.errors import Diagnostic, Error
from ndgrad.lang import catalogue, compile, load
from ndgrad.lang.builtins import builtin, function_names
from ndgrad.lang.parser import _the_parser
from ndgrad.lang.program import Program
from ndgrad.lang.rendering import render
from ndgrad.lang.values import Special
from ndgrad.memory import used_memory

ROOT = Path(__file__).parent.parent.parent
AT_ONCE = 250  # inputs of one test
SECONDS = 10  # of the processor, for one input
ROOM = 200 * 2**20  # bytes that a program may take

INPUTS: dict[str, Any] = {
    "x": np.array([[1.0, 2.0], [3.0, 4.0]]),
    "w": np.array([0.5, -1.0, 2.0]),
    "s": np.float32(0.5),
    "i": np.int64(1),
    "m": np.array([True, False]),
    "z": np.zeros((0, 2)),
}


# What is tried


@cache
def corpus() -> list[str]:
    """Programs to be damaged: the samples, the examples of the errors, and the texts within the tests."""
    made = [path.read_text("utf-8") for path in sorted((ROOT / "samples").rglob("*.nd"))]
    made += [text for entry in catalogue.entries() for text in (entry.fails, entry.works)]
    here = Path(__file__).parent
    for name in ("programs", "derivatives", "writes", "use", "run_limits", "checker"):
        tree = ast.parse((here / f"test_{name}.py").read_text("utf-8"))
        constants = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)]
        made += [text for text in constants if isinstance(text, str) and re.search(r"[=(\[+]", text)]
    return made


# Of each terminal of the grammar that is not a plain word, some of the texts that it stands for
SAMPLES = {
    "NAME": ["x", "w", "s", "i", "m", "z", "y", "f", "g", "t", "n", "sum", "sin", "where", "len", "é", "grad", "_"],
    "INTEGER": ["0", "1", "2", "3", "1_0", "007", "99999999999999999999"],
    "DECIMAL": ["0.5", "1e-3", ".5", "2.", "1e400", "1e308"],
    "STRING": ["'a'", '"float32"', "''", "'i,j'", r"'\n'"],
    "AUGMENTED": ["+=", "-=", "*=", "/=", "//=", "%=", "**=", "@="],
    "COMPARE": ["==", "!=", "<", "<=", ">", ">="],
    "MULTIPLY": ["*", "/", "//", "%", "@"],
    "ADD": ["+", "-"],
    "COMMENT": ["# so"],
    "_NEWLINE": ["\n", "# so\n"],
    "__IGNORE_0": [" ", "\t", "\f"],
    "__IGNORE_1": ["\\\n"],
}
NOT_WRITTEN = ("_INDENT", "_DEDENT")


@cache
def terminals() -> dict[str, list[str]]:
    """The texts for each terminal of the grammar."""
    made = {t.name: SAMPLES.get(t.name) or [t.pattern.value.replace("\\", "")] for t in _the_parser().lark.terminals}
    return {name: texts for name, texts in made.items() if name not in NOT_WRITTEN}


class Grammar:
    """Draws programs from the rules of the grammar."""

    def __init__(self) -> None:
        self.rules: dict[str, list[list[str]]] = {}
        for rule in _the_parser().lark.rules:
            self.rules.setdefault(rule.origin.name, []).append([symbol.name for symbol in rule.expansion])
        self.depth: dict[str, int] = {}  # of the least that a rule can stand for
        while len(self.depth) < len(self.rules):
            for name, expansions in self.rules.items():
                known = [self.depth_of(e) for e in expansions if all(s not in self.rules or s in self.depth for s in e)]
                if known:
                    self.depth[name] = min(known)

    def depth_of(self, expansion: list[str]) -> int:
        return 1 + max((self.depth.get(symbol, 0) for symbol in expansion), default=0)

    def draw(self, rng: random.Random, room: int) -> Iterator[str]:
        """The terminals of a statement: some more than `room`, after which each rule is what it is at least."""
        left = ["statement"]
        while left:
            name = left.pop()
            if name not in self.rules:
                room -= 1
                yield name
            elif room > len(left):
                left += reversed(rng.choice(self.rules[name]))
            else:
                least = [e for e in self.rules[name] if self.depth_of(e) == self.depth[name]]
                left += reversed(rng.choice(least))

    def program(self, rng: random.Random) -> str:
        """The text of a program that the grammar allows."""
        parts: list[str] = []
        indent = 0
        for _ in range(rng.randrange(1, 5)):
            for symbol in self.draw(rng, rng.randrange(2, 30)):
                if symbol in NOT_WRITTEN:
                    indent += 1 if symbol == "_INDENT" else -1
                elif symbol == "_NEWLINE":
                    parts.append("\n")
                else:
                    start = "    " * indent if not parts or parts[-1] == "\n" else " "
                    parts.append(start + rng.choice(terminals()[symbol]))
        return "".join(parts)


@cache
def grammar() -> Grammar:
    return Grammar()


def derived(rng: random.Random) -> str:
    return grammar().program(rng)


def raw(rng: random.Random) -> bytes:
    """Bytes of any kind, or a program with some of its bytes changed."""
    if rng.random() < 0.5:
        return rng.randbytes(rng.randrange(0, 60))
    content = bytearray(rng.choice(corpus()).encode()[:300])
    for _ in range(rng.randrange(1, 5)):
        if content:
            content[rng.randrange(len(content))] = rng.randrange(256)
    return bytes(content)


SIGNS = (
    "xy01 \t\n()[]{}:;,.=+-*/%@<>!'\"#\\^&|~$_é名\0\x0c\x0b\x1b\x85\ufeff\u2028\u200b\u202e²½٣𝟙∂́‑−“”’×÷≤≠√∞π🙂\ud800"
)


def signs(rng: random.Random) -> str:
    """Characters that mean something, look as if they did, or are rare; and any at all."""
    if rng.random() < 0.5:
        return "".join(rng.choices(SIGNS, k=rng.randrange(0, 30)))
    return "".join(chr(rng.randrange(0x110000 if rng.random() < 0.1 else 0x250)) for _ in range(rng.randrange(1, 12)))


def tokens(rng: random.Random) -> str:
    """Terminals of the grammar in any order."""
    known = terminals()
    names = ["NAME"] * 12 + ["INTEGER", "LPAR", "RPAR", "LSQB", "RSQB", "COMMA", "ADD", "EQUAL"] * 3 + [*known]
    return " ".join(rng.choice(known[rng.choice(names)]) for _ in range(rng.randrange(1, 16)))


def mutated(rng: random.Random) -> str:
    """A program with a few changes."""
    text = rng.choice(corpus())
    for _ in range(rng.randrange(1, 4)):
        text = rng.choice(CHANGES)(rng, text)
    return text[:4000]


def without(rng: random.Random, text: str) -> str:
    place = rng.randrange(len(text) + 1)
    return text[:place] + text[place + rng.choice([1, 1, 1, 5, 40]) :]


def inserted(rng: random.Random, text: str) -> str:
    place = rng.randrange(len(text) + 1)
    return text[:place] + rng.choice(["(", ")", "[", ":", " ", "\n", "=", "'", "\t", ",", "\n  "]) + text[place:]


def other_word(rng: random.Random, text: str) -> str:
    """One word, number or sign put in the place of another."""
    places = list(re.finditer(r"\w+|[-+*/%@<>=!]+|\S", text))
    if not places:
        return text
    found = rng.choice(places)
    others = [rng.choice(places)[0], *rng.choice(list(terminals().values())), rng.choice(function_names()), "-1"]
    return text[: found.start()] + rng.choice(others) + text[found.end() :]


def other_lines(rng: random.Random, text: str) -> str:
    """Lines left out, doubled, moved, or taken from another program."""
    lines = text.split("\n")
    line = lines.pop(rng.randrange(len(lines)))
    if rng.random() < 0.4:
        line = rng.choice(rng.choice(corpus()).split("\n"))
    for _ in range(rng.randrange(3)):
        lines.insert(rng.randrange(len(lines) + 1), line)
    return "\n".join(lines)


CHANGES = (without, inserted, other_word, other_word, other_word, other_lines, other_lines)

ARGUMENTS = [
    *["x", "x", "x", "w", "w", "s", "i", "m", "z", "x > 1", "[[1, 2], [3, 4]]", "[]", "[3]", "x.T", "(x, w)", "(x, x)"],
    *["0", "1", "2", "-1", "-7", "1.5", "nan", "inf", "2 ** 62", "10 ** 9", "1e300", "None", "True", "'a'", "'ij,jk'"],
    *["()", "(2, -1)", "(1, 2, 3)", "(0,)", "range(3)", "range(10 ** 12)", "zip(x, w)", "enumerate(w)", "x.shape"],
    *["lambda t: t * t", "lambda a, b: (a, b)", "lambda: 1", "sin", "sum", "grad", "len", "float32", "'int64'", "f"],
    *["ones((2, 2, 2))", "arange(3)", "int(w)", "stack([x, x])", "x[0]", "w[m]", "(1, (2, 3))", "x - x", "zeros(0)"],
]


def calls(rng: random.Random) -> str:
    """A function of the language with arguments of any kind."""
    name = rng.choice(function_names())
    found = builtin(name)
    assert found is not None
    if isinstance(found, Special):
        most, keywords = found.most or 4, list(found.keywords)
    else:
        most, keywords = len(found.signature), [parameter.name for parameter in found.signature]
    count = min(rng.randrange(1, 4), most) if rng.random() < 0.9 else rng.randrange(7)
    given = [rng.choice(ARGUMENTS) for _ in range(count)]
    given += [f"{key}={rng.choice(ARGUMENTS)}" for key in keywords[count:] if rng.random() < 0.35]
    call = f"{name}({', '.join(given)})"
    forms = ["{0}", "y = {0}\ny * 2", "sum({0})", "grad(lambda t: sum(t * {0}))(x)", "a, b = {0}", "{0}({1})"]
    forms += ["def f(t): return {0}\njvp(f, x, x)", "jacobian(lambda x: {0})(x)", "x[{0}]", "x[{0}] = {1}"]
    forms += ["vmap(lambda x: {0})(x)", "for t in {0}: print(t)", "hessian(lambda w: sum({0}))(w)"]
    form = forms[0] if rng.random() < 0.5 else rng.choice(forms)
    return form.format(call, rng.choice(ARGUMENTS))


NESTS = [
    *[("(", "x", ")"), ("[", "x", "]"), ("-", "x", ""), ("not ", "x", ""), ("sin(", "x", ")"), ("lambda: ", "x", "")],
    *[("x[", "i", "]"), ("", "x", "[0]"), ("", "x", ".T"), ("", "f", "()"), ("(", "x", ",)"), ("", "x", " + x")],
    *[("", "x", " ** 2"), ("2 ** ", "s", ""), ("", "i", " < i"), ("", "i", " and i"), ("", "i", " or i")],
    *[("s if i else ", "x", ""), ("", "x", ", x"), ("y = ", "x", ""), ("x, ", "y", ", = x"), ("", "x", "; x")],
    *[("if i: ", "x", ""), ("(", "", ""), ("", "x", ")"), ("[(", "x", "])"), ("", "x", " @ x"), ("", "x", "\n")],
    *[("grad(", "f", ")"), ("lambda t: sum(", "t", ")"), ("x[", "0", "] = 1"), ("f(x=", "x", ")"), ("#", "", "")],
]


def nested(rng: random.Random) -> str:
    """The same thing within itself, some times or very often."""
    depth = rng.choice([3, 30, 90, 199, 200, 201, 500, 1000])
    kind = rng.randrange(6)
    if kind == 0:
        headers = ["if i:", "while i:", "for k in w:", "def f():", "else:", "elif i:"]
        depth = min(depth, 500)
        lines = [" " * k + rng.choice(headers[: rng.choice([1, 4, 6])]) for k in range(depth)]
        return "\n".join([*lines, " " * depth + "x"])
    if kind == 1:
        return "if 0: x\n" + "elif 0: x\n" * depth + "else: x"
    if kind == 2:
        outer, inner = rng.choice(NESTS), rng.choice(NESTS)
        depth //= 2
        return (outer[0] + inner[0]) * depth + inner[1] + (inner[2] + outer[2]) * depth
    before, inside, after = rng.choice(NESTS)
    text = before * depth + inside + after * depth
    return text if kind < 5 else f"def f(t=1): return {text}\ny = grad(f)(x)\nf(x)"


KINDS: dict[str, tuple[Callable[[random.Random], str | bytes], float]] = {
    "raw": (raw, 0.08),
    "signs": (signs, 0.1),
    "tokens": (tokens, 0.1),
    "derived": (derived, 0.12),
    "mutated": (mutated, 0.3),
    "calls": (calls, 0.29),
    "nested": (nested, 0.01),
}


# What is seen


class Endless(BaseException):
    """An input took too long. No handler of errors is to catch it."""


@contextmanager
def within_time() -> Iterator[None]:
    def over(*_: object) -> None:
        raise Endless

    before = signal.signal(signal.SIGPROF, over)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


RUNS: tuple[dict[str, Any], ...] = (
    {},
    {"grad": ["x"]},
    {"grad": ["x", "s"], "mode": "forward"},
    {"grad": ["all"], "nan_check": True},
    {"jac": ["w"], "hess": ["x"]},
    {"hvp": {"x": np.ones((2, 2))}, "jvp": {"w": np.ones(3)}, "dtype": "float32"},
    {"grad": ["x"], "trace": True},
    {"grad": ["x"], "head": np.ones(2), "train": True, "seed": 1},
)


def used(program: Program, rng: random.Random, way: int) -> None:
    """Run a program in one of the ways, or look at it only."""
    if way == len(RUNS):
        problems_fit(program.check(INPUTS))
        return
    options = RUNS[way]
    limits = {"max_steps": 200, "max_memory": used_memory() + ROOM, "timeout": SECONDS / 2}
    inputs = dict(INPUTS)
    for name in (*sorted(program.free_names), *(d.name for d in program.inputs if rng.random() < 0.8)):
        if name not in inputs:
            inputs[name] = rng.choice(list(INPUTS.values()))
    result = program.run(inputs, show=lambda text: None, **options, **limits)
    problems_fit(result.warnings)
    if options.get("trace") and "x" in result.grads:
        assert str(result.derivation("x"))


def problems_fit(found: tuple[Diagnostic, ...] | list[Diagnostic]) -> None:
    """Diagnostics have codes that are explained, places within their texts, and can be drawn."""
    for one in found:
        assert catalogue.entry(one.code) is not None, one.code
        assert one.message
        for label in one.labels:
            assert 0 <= label.span.start <= label.span.end <= len(label.span.source.text), label
    drawn = render(found)
    assert bool(drawn) == bool(found)
    assert all(sign.isprintable() or sign == "\n" for sign in drawn), repr(drawn)


def ends_well(text: str | bytes, seed: str, path: Path, way: int | None = None) -> None:
    """Hold what becomes of an input against the promise."""
    rng = random.Random(seed + "-run")
    way = rng.randrange(len(RUNS) + 1) if way is None else way
    try:
        with within_time():
            if isinstance(text, bytes):
                path.write_bytes(text)
                used(load(path), rng, way)
            else:
                used(compile(text), rng, way)
    except Error as error:
        problems_fit(error.diagnostics)
    except BaseException as error:
        error.add_note(f"seed {seed}: {text[:2000]!r}")
        raise


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "batch" in metafunc.fixturenames:
        total = metafunc.config.getoption("--fuzz")
        batches = []
        for kind, (_, share) in KINDS.items():
            count = round(total * share)
            batches += [(kind, range(n, min(n + AT_ONCE, count))) for n in range(0, count, AT_ONCE)]
        metafunc.parametrize("batch", batches, ids=[f"{kind}-{numbers.start}" for kind, numbers in batches])


def test_any_text_ends_in_a_result_or_an_error(
    batch: tuple[str, range], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", os.devnull)  # nothing is kept
    kind, numbers = batch
    for number in numbers:
        seed = f"{kind}-{number}"
        ends_well(KINDS[kind][0](random.Random(seed)), seed, tmp_path / "any.nd")


# What once ended in something else
FOUND = ["for step in range(5):\n", "if x:", "reciprocal(nan)", "leaky_relu(2 ** 62, (1, 2, 3))"]
FOUND += ["diff(w, 2 ** 62)", "tril_indices(10 ** 9, 'ij')", "triu_indices(10 ** 9)", "permutation(range(10 ** 12))"]
FOUND += ["range(-(2 ** 62), 2 ** 62) + x", "sum(range(2 * 10 ** 12))", "x[range(2 * 10 ** 12)]"]


@pytest.mark.parametrize("text", FOUND)
def test_what_was_found_ends_well(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", os.devnull)
    for way in range(len(RUNS) + 1):
        ends_well(text, text, tmp_path / "any.nd", way)


def test_the_texts_of_each_terminal_are_of_its_kind() -> None:
    for terminal in _the_parser().lark.terminals:
        for text in terminals().get(terminal.name, []):
            assert re.fullmatch(terminal.pattern.to_regexp(), text), terminal.name


def test_programs_drawn_from_the_grammar_are_programs() -> None:
    """Only what is no matter of grammar can be wrong with them: targets, places and names."""
    codes = set()
    for number in range(200):
        text = derived(random.Random(f"drawn-{number}"))
        try:
            compile(text)
            codes.add("none")
        except Error as error:
            codes |= {one.code for one in error.diagnostics}
    assert "none" in codes
    assert codes <= {"none", "E108", "E111", "E112", "E113", "E107", "E202", "E203", "E204", "E206", "E207", "E605"}
