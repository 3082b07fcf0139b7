"""Expressions group and evaluate as in Python: generated ones against Python's own tree and answer."""

from __future__ import annotations

import ast
import math
import random

import numpy as np
import pytest

from ndgrad.errors import Error, Source, SyntaxError_
from ndgrad.lang import compile, syntax
from ndgrad.lang.expressions import Expressions
from ndgrad.lang.parser import parse
from ndgrad.lang.program import Program
from ndgrad.lang.scopes import Scope

BINARY = ("+", "-", "*", "/", "//", "%", "**")
COMPARE = ("<", "<=", ">", ">=", "==", "!=")


def expression(rng: random.Random, depth: int) -> str:
    """A random expression without brackets except where they are drawn."""
    if depth == 0:
        return rng.choice(["1", "2", "3", "0.5", "2.5", "a", "b"])
    kind = rng.randrange(10)
    left, right = expression(rng, depth - 1), expression(rng, depth - 1)
    if kind < 5:
        return f"{left} {rng.choice(BINARY)} {right}"
    if kind == 5:
        return f"-{left}" if rng.random() < 0.7 else f"+{left}"
    if kind == 6:
        return f"({left})"
    if kind == 7:
        return f"{left} {rng.choice(COMPARE)} {right}"
    if kind == 8:
        return f"{left} {rng.choice(['and', 'or'])} {'not ' * rng.randrange(2)}{right}"
    return f"{left} if {right} else {expression(rng, depth - 1)}"


def parses(text: str) -> bool:
    """Whether Python takes the text for an expression."""
    try:
        ast.parse(text, mode="eval")
    except SyntaxError:
        return False
    return True


def python(text: str) -> object:
    """Python's answer, or None where Python has no float for it."""
    try:
        value = eval(text, {"a": 1.5, "b": 2})
    except (ArithmeticError, ValueError):
        return None
    return None if isinstance(value, complex) or abs(value) > 1e15 else value


def value_of(program: Program) -> float:
    value = program.run().value
    assert value is not None
    return float(value)


@pytest.mark.parametrize("seed", range(40))
def test_as_python(seed: int) -> None:
    rng = random.Random(seed)
    cases = [expression(rng, rng.randrange(1, 5)) for _ in range(25)]
    for text in [text for text in cases if not parses(text)]:
        cases.remove(text)
        with pytest.raises(SyntaxError_):
            compile(text)
    answers = [(text, python(text)) for text in cases]
    known = [(text, answer) for text, answer in answers if answer is not None]
    lines = ["a = 1.5", "b = 2", *(f"y{i} = {text}" for i, (text, _) in enumerate(known))]
    program = compile("\n".join([*lines, "output " + ", ".join(f"y{i}" for i in range(len(known)))]))
    for (text, answer), value in zip(known, program.run().outputs.values(), strict=True):
        assert math.isclose(float(value), float(answer), rel_tol=1e-12), text  # type: ignore[arg-type]


def any_form(rng: random.Random, depth: int) -> str:
    """A random expression of any form, without brackets around its parts."""
    if depth <= 0:
        return rng.choice(["1", "2.5", "a", "b", "c", "True", "None", "'t'", "()", "[]", "..."])
    a, b, c = (any_form(rng, depth - rng.randrange(1, 4)) for _ in range(3))
    return rng.choice(FORMS).format(a, b, c)


FORMS = (
    *(f"{{0}} {sign} {{1}}" for sign in (*BINARY, *BINARY, *COMPARE, "@", "@", "and", "or", "and", "or")),
    *("-{0}", "+{0}", "not {0}", "{0} if {1} else {2}", "lambda: {0}", "lambda a, b={0}: {1}", "({0})"),
    *("{0}({1})", "{0}({1}, k={2})", "{0}({1},)", "f({0}, {1})", "{0}.T", "{0}.sum(axis={1})"),
    *("{0}[{1}]", "{0}[{1}, {2}]", "{0}[{1}:{2}]", "{0}[:{1}, ::{2}]", "{0}[{1}::]", "{0}[{1},]"),
    *("[{0}, {1}]", "({0}, {1}, {2})", "({0},)", "[{0},]"),
)  # fmt: skip
SIGNS = {
    **{ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.FloorDiv: "//", ast.Mod: "%", ast.Pow: "**"},
    **{ast.MatMult: "@", ast.UAdd: "+", ast.USub: "-", ast.And: "and", ast.Or: "or", ast.Eq: "==", ast.NotEq: "!="},
    **{ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">="},
}


def pythons(node: ast.AST | None) -> object:
    """The tree of Python's parser as nested tuples."""
    match node:
        case ast.Constant(value=value):
            return value
        case ast.Name(id=name):
            return "name", name
        case ast.List(elts=entries):
            return "array", *map(pythons, entries)
        case ast.Tuple(elts=entries):
            return "tuple", *map(pythons, entries)
        case ast.UnaryOp(op=ast.Not(), operand=inside):
            return "not", pythons(inside)
        case ast.UnaryOp(op=sign, operand=inside):
            return SIGNS[type(sign)], pythons(inside)
        case ast.BinOp(left=left, op=sign, right=right):
            return SIGNS[type(sign)], pythons(left), pythons(right)
        case ast.BoolOp(op=sign, values=values):
            return SIGNS[type(sign)], *map(pythons, values)
        case ast.Compare(left=left, ops=signs, comparators=others):
            return "compare", *(SIGNS[type(sign)] for sign in signs), *map(pythons, (left, *others))
        case ast.IfExp(test=condition, body=then, orelse=otherwise):
            return "if", pythons(condition), pythons(then), pythons(otherwise)
        case ast.Call(func=function, args=given, keywords=named):
            pairs = tuple((one.arg, pythons(one.value)) for one in named)
            return "call", pythons(function), *map(pythons, given), pairs
        case ast.Subscript(value=value, slice=key):
            return "index", pythons(value), pythons(key)
        case ast.Slice(lower=start, upper=stop, step=step):
            return "slice", pythons(start), pythons(stop), pythons(step)
        case ast.Attribute(value=value, attr=name):
            return "attribute", pythons(value), name
        case ast.Lambda(args=arguments, body=body):
            names = tuple(one.arg for one in arguments.args)
            return "lambda", names, *map(pythons, arguments.defaults), pythons(body)
    assert node is None, node
    return None


def ours(node: syntax.Node | None) -> object:
    """The tree of the language's parser as nested tuples."""
    match node:
        case syntax.Number(value=value) | syntax.Truth(value=value) | syntax.Text(value=value):
            return value
        case syntax.Everything():
            return ...
        case syntax.Name(name=name):
            return "name", name
        case syntax.ArrayLiteral(entries=entries):
            return "array", *map(ours, entries)
        case syntax.TupleLiteral(entries=entries):
            return "tuple", *map(ours, entries)
        case syntax.Not(operand=inside):
            return "not", ours(inside)
        case syntax.Unary(operator=sign, operand=inside):
            return sign, ours(inside)
        case syntax.Binary(operator=sign, left=left, right=right):
            return sign, ours(left), ours(right)
        case syntax.Logical(operator=sign, operands=values):
            return sign, *map(ours, values)
        case syntax.Comparison(operators=signs, operands=values):
            return "compare", *signs, *map(ours, values)
        case syntax.Conditional(condition=condition, then=then, otherwise=otherwise):
            return "if", ours(condition), ours(then), ours(otherwise)
        case syntax.Call(function=function, arguments=given, keywords=named):
            return "call", ours(function), *map(ours, given), tuple((one.name, ours(one.value)) for one in named)
        case syntax.Index(value=value, key=key):
            return "index", ours(value), ours(key)
        case syntax.Slice(start=start, stop=stop, step=step):
            return "slice", ours(start), ours(stop), ours(step)
        case syntax.Attribute(value=value, name=name):
            return "attribute", ours(value), name
        case syntax.Lambda(parameters=parameters, body=body):
            defaults = [ours(one.default) for one in parameters if one.default is not None]
            return "lambda", tuple(one.name for one in parameters), *defaults, ours(body)
    assert node is None or isinstance(node, syntax.Nothing), node
    return None


@pytest.mark.parametrize("seed", range(10))
def test_trees_are_those_of_python(seed: int) -> None:
    rng = random.Random(1000 + seed)
    same = 0
    for _ in range(200):
        text = any_form(rng, rng.randrange(1, 7))
        if not parses(text):
            with pytest.raises(SyntaxError_):
                parse(Source("a.nd", text))
            continue
        (statement,) = parse(Source("a.nd", text)).statements
        assert isinstance(statement, syntax.Evaluate)
        assert ours(statement.value) == pythons(ast.parse(text, mode="eval").body), text
        same += 1
    assert same > 120


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("-2 ** 2", -4),
        ("2 ** 3 ** 2", 512),
        ("2 ** -1", 0.5),
        ("-7 // 2", -4),
        ("-7 % 3", 2),
        ("not 1 == 2", 1),
        ("1 < 3 > 2", 1),
        ("1 if 0 else 2 if 0 else 3", 3),
        ("0 or 0 and 1 or 5", 5),
        ("10 - 4 - 3", 3),
        ("2 * 3 % 4", 2),
    ],
)
def test_grouping(text: str, value: float) -> None:
    assert value_of(compile(text)) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1 / 0", math.inf),
        ("-1 / 0.0", -math.inf),
        ("0 / 0", math.nan),
        ("1.0 // 0", math.inf),
        ("1 % 0.0", math.nan),
        ("0.0 ** -1", math.inf),
        ("(-8.0) ** 0.5", math.nan),
        ("10 ** 400", math.inf),
        ("2 ** 63", 2.0**63),
        ("9223372036854775807 + 1", 2.0**63),
        ("1e308 * 10", math.inf),
    ],
)
def test_numbers_without_an_answer_in_python(text: str, value: float) -> None:
    assert value_of(compile(text)) == pytest.approx(value, nan_ok=True)


@pytest.mark.parametrize(
    ("text", "value"),
    [("2 * 3 + 1", 7), ("-(2 ** 3)", -8), ("-2 ** 2", -4), ("1 / 0", np.inf), ("7 // 2 * 2.5", 7.5), ("2 ** -1", 0.5)],
)
def test_operators_on_numbers_are_computed_once(text: str, value: float) -> None:
    program = compile(f"y = x + ({text})")
    assert program.run({"x": 1.0}).value == 1 + value
    (statement,) = program.body.statements
    assert isinstance(statement, syntax.Assign)
    compiler = Expressions(Scope(()), frozenset())
    assert isinstance(statement.value, syntax.Binary)
    compiler.compile(statement.value.right)
    assert compiler.constants[id(statement.value.right)] == value


def test_a_division_by_zero_is_met_only_where_the_run_comes_to_it() -> None:
    assert compile("y = 1 // 0 if x > 1 else 2").run({"x": 0.0}).value == 2
    with pytest.raises(Error, match="E"):
        compile("y = 1 // 0").run()
