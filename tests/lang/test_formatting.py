"""Formatting changes how a program looks, and nothing else: tables of before and after, and laws over any program."""

from __future__ import annotations

import ast
import random
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ndgrad.errors import Error, LimitError, Source, SyntaxError_
from ndgrad.lang import syntax
from ndgrad.lang.formatting import formatted
from ndgrad.lang.parser import parse, tokens
from ndgrad.lang.wrapping import WIDTH

ROOT = Path(__file__).parent.parent.parent
SAMPLES = sorted((ROOT / "samples").glob("*.nd"))
LONG = "a_name_of_thirty_characters_xx"

# on one line, and how it should look
EXPRESSIONS = [
    ("x=1", "x = 1"),
    ("x   =  y=2", "x = y = 2"),
    ("a,b=b,a", "a, b = b, a"),
    ("a,=b,", "a, = b,"),
    ("a,b,=b,a,", "a, b = b, a"),
    ("x**=2;", "x **= 2"),
    ("y=-x**- 2", "y = -x ** -2"),
    ("y=a- -b", "y = a - -b"),
    ("y=- - a", "y = --a"),
    ("y=not(a)and not b or c", "y = not (a) and not b or c"),
    ("y=a<b<=c!=d", "y = a < b <= c != d"),
    ("y=a@b//c%d", "y = a @ b // c % d"),
    ("y=a if b else(c)", "y = a if b else (c)"),
    ("y=((a))", "y = (a)"),
    ("y=(((a,b)))", "y = (a, b)"),
    ("y=( (a+b) )*2", "y = (a + b) * 2"),
    ("y=((a)+(b))", "y = ((a) + (b))"),
    ("f((a))", "f((a))"),
    ("f( ( (a,) ) )", "f((a,))"),
    ("y=( )", "y = ()"),
    ("f = lambda:0", "f = lambda: 0"),
    ("f = lambda a,b = 1,:a+b", "f = lambda a, b=1: a + b"),
    ("y=f (x , axis = 1) [ 0 ] . T", "y = f(x, axis=1)[0].T"),
    ("y=f(lambda a , b:a,x)", "y = f(lambda a, b: a, x)"),
    ("y=2 .T+2..T+2.5 .T", "y = 2 .T + 2..T + 2.5.T"),
    ("y=1E5+.5+1_000+0012", "y = 1E5 + .5 + 1_000 + 0012"),
    ("y=x[ 1 : 2 , : , ::2 , - 1 :]", "y = x[1:2, :, ::2, -1:]"),
    ("y=x[a+1:b,:n-1,a.b:c,f(a):,::k*2]", "y = x[a + 1 : b, : n - 1, a.b : c, f(a) :, :: k * 2]"),
    ("y=x[...,None]", "y = x[..., None]"),
    ("y=x[a,]", "y = x[a,]"),
    ("x[0]+=[1,2] [0]", "x[0] += [1, 2][0]"),
    ("f('a', 'it\\'s', 'say \"a\"')", "f(\"a\", 'it\\'s', 'say \"a\"')"),
    ("input x:float32[n,_,...]=-1", "input x: float32[n, _, ...] = -1"),
    ("input x:[2]=[1,2]", "input x: [2] = [1, 2]"),
    ("input x:[]", "input x: []"),
    ("input x:int", "input x: int"),
    ("input   x", "input x"),
    ("output a,b=c+1,", "output a, b = c + 1"),
    ("output(a)", "output (a)"),
    ("assert a>0,'small'", 'assert a > 0, "small"'),
    ("for i , j in zip(a,b):pass", "for i, j in zip(a, b):\n    pass"),
    ("for i, in[1,2]:pass", "for i, in [1, 2]:\n    pass"),
    ("def f ( a,b = 1 ):return(a)", "def f(a, b=1):\n    return (a)"),
    ("if a:x=1;y=2", "if a:\n    x = 1\n    y = 2"),
    ("if f(x[1:2]):pass", "if f(x[1:2]):\n    pass"),
    ("x=1;y=2 ; z=3", "x = 1\ny = 2\nz = 3"),
    ("x = 1 + \\\n    2", "x = 1 + 2"),
    ("x = f(\n  a,\n  b)", "x = f(a, b)"),
]

# whole programs: breaks, comments, empty lines
PROGRAMS = {
    "indentation": (
        "if a:\n\tif b:\n\t  x = 1\n\telse :\n\t\tx = 2\nelif c:\n x = 3\n",
        "if a:\n    if b:\n        x = 1\n    else:\n        x = 2\nelif c:\n    x = 3\n",
    ),
    "empty lines": (
        "\n\n  \nx = 1\n\n\n\n\ny = 2\n\nif x:\n\n\n    z = 1\n\n\n\n    z = 2\n\n\n",
        "x = 1\n\ny = 2\n\nif x:\n    z = 1\n\n    z = 2\n",
    ),
    "empty lines around functions": (
        "x = 1\n\n\n\ndef f():\n    a = 1\n\n\n    return a\n\n\n\n\n# next\ny = 1\n\n\n\nz = 2\n",
        "x = 1\n\n\ndef f():\n    a = 1\n\n    return a\n\n\n# next\ny = 1\n\nz = 2\n",
    ),
    "nothing": ("", ""),
    "only blanks": (" \n\t\n\n", ""),
    "only comments": ("\n\n#a\n\n\n\n  # b", "#a\n\n# b\n"),
    "line ends": ("\ufeffx = 1\r\n# c\r\ny = 2\rz = 3", "x = 1\n# c\ny = 2\nz = 3\n"),
    "comments behind statements": (
        "x=1# one\ny = 22    # two\nif x:# three\n    y = 1; z = 2 # four\nz = 1 \\\n# five\n",
        "x = 1  # one\ny = 22  # two\nif x:  # three\n    y = 1\n    z = 2  # four\nz = 1\n# five\n",
    ),
    "aligned comments": (
        "x=1       # a\nyy = 2    # b\nz = 1 # c\n\nw = 1     # d\n",
        "x = 1   # a\nyy = 2  # b\nz = 1  # c\n\nw = 1  # d\n",
    ),
    "comments of blocks": (
        "if a:\n# first\n  x = 1\n  # of the block\n # of the block too?\n# of the program\n"
        "else:\n  y = 1\n    # deep\n",
        "if a:\n    # first\n    x = 1\n    # of the block\n# of the block too?\n# of the program\n"
        "else:\n    y = 1\n    # deep\n",
    ),
    "comments behind two blocks": (
        "def f():\n  if a:\n    x = 1\n    # two\n  # one\n# none\n",
        "def f():\n    if a:\n        x = 1\n        # two\n    # one\n# none\n",
    ),
    "comments inside brackets": (
        "x = f( # open\n # above\n a # behind a\n , b, # behind b\n\n # last\n) # end\n",
        "x = f(  # open\n    # above\n    a,  # behind a\n    b,  # behind b\n    # last\n)  # end\n",
    ),
    "comments between operators": (
        "x = (a # one\n + b *  # two\n c\n # three\n - d)\n",
        "x = (\n    a  # one\n    + b * c  # two\n    # three\n    - d\n)\n",
    ),
    "two comments for one place": (
        "f(a # one\n , # two\n b = # three\n 1\n # four\n )\n",
        "f(\n    # one\n    a,  # two\n    b=1,  # three\n    # four\n)\n",
    ),
    "a comment between double brackets": ("x = ( # c\n(a))\n", "x = (  # c\n    (a)\n)\n"),
    "a comment in empty brackets": ("x = f( # c\n)\ny = f(\n# d\n)\n", "x = f(  # c\n)\ny = f(\n    # d\n)\n"),
    "a sign in a string is no comment": ("f('#', a)# b\n", 'f("#", a)  # b\n'),
    "a comma behind the last entry": (
        "x = f(a, b,)\ny = [1,]\nz = (a,)\nw = x[a, b,]\n",
        "x = f(\n    a,\n    b,\n)\ny = [\n    1,\n]\nz = (a,)\nw = x[\n    a,\n    b,\n]\n",
    ),
    "rows": (
        "X = [[1, 2],\n     [3, 4]]\nY = [[1, 2], [3,\n 4]]\n",
        "X = [\n    [1, 2],\n    [3, 4],\n]\nY = [[1, 2], [3, 4]]\n",
    ),
    "entries on a line of their own": (
        f"x = f({LONG}, {LONG}, {LONG})\n",
        f"x = f(\n    {LONG}, {LONG}, {LONG}\n)\n".replace(
            f"{LONG}, {LONG}, {LONG}", f"{LONG},\n    {LONG},\n    {LONG},"
        ),
    ),
    "entries that fit on one line": (
        f"variable = function({LONG}, {LONG}, x)\n",
        f"variable = function({LONG}, {LONG}, x)\n",
    ),
    "entries that fit on the next line": (
        f"variable = function_function({LONG}, {LONG}, x)\n",
        f"variable = function_function(\n    {LONG}, {LONG}, x\n)\n",
    ),
    "parameters": (
        f"def f({LONG}, b={LONG}, c=lambda x, y: {LONG}): pass\n",
        f"def f(\n    {LONG},\n    b={LONG},\n    c=lambda x, y: {LONG},\n):\n    pass\n",
    ),
    "an index takes no comma": (
        f"x = f[{LONG}[{LONG}[{LONG}]]]\n",
        f"x = f[\n    {LONG}[{LONG}[{LONG}]]\n]\n".replace(
            f"{LONG}[{LONG}[{LONG}]]", f"{LONG}[\n        {LONG}[{LONG}]\n    ]"
        ),
    ),
    "operators": (
        f"x = {LONG} * {LONG} + {LONG} - f(a, b)\n",
        f"x = (\n    {LONG} * {LONG}\n    + {LONG}\n    - f(a, b)\n)\n",
    ),
    "one operator and a call": (
        f"w = w - g({LONG}, {LONG}, {LONG})\n",
        f"w = w - g(\n    {LONG}, {LONG}, {LONG}\n)\n".replace(
            f"{LONG}, {LONG}, {LONG}", f"{LONG},\n    {LONG},\n    {LONG},"
        ),
    ),
    "conditions": (
        f"if {LONG} and {LONG} and {LONG}: pass\n",
        f"if (\n    {LONG}\n    and {LONG}\n    and {LONG}\n):\n    pass\n",
    ),
    "a choice": (
        f"x = {LONG} if {LONG} else {LONG}\n",
        f"x = (\n    {LONG}\n    if {LONG}\n    else {LONG}\n)\n",
    ),
    "a tuple": (
        f"return_ = {LONG}, {LONG}, {LONG}\n",
        f"return_ = (\n    {LONG},\n    {LONG},\n    {LONG},\n)\n",
    ),
    "a method of a long call": (
        f"x = f({LONG}, {LONG}, {LONG[:20]})[0]\n",
        f"x = f(\n    {LONG}, {LONG}, {LONG[:20]}\n)[0]\n",
    ),
    "several outputs": (
        f"output {LONG}, b = {LONG}, c = {LONG}\n",
        f"output {LONG}, \\\n    b = {LONG}, \\\n    c = {LONG}\n",
    ),
    "one output": (
        f"output b = {LONG} + {LONG} + {LONG}\n",
        f"output b = (\n    {LONG}\n    + {LONG}\n    + {LONG}\n)\n",
    ),
    "what cannot be broken": (f"x = {LONG * 3}\n", f"x = {LONG * 3}\n"),
    "outputs that cannot be broken": (f"output a, {LONG * 3}, b\n", f"output a, \\\n    {LONG * 3}, \\\n    b\n"),
}


def tree(text: str) -> syntax.Body:
    return parse(Source("", text))


def comments(text: str) -> list[str]:
    """The comments of a program, sorted; strings are set aside by the parser's own tokens."""
    found, end = [], 0
    for token in [*tokens(Source("", text)), None]:
        if token is None or not token.type.startswith("_"):
            start = len(text) if token is None else token.start_pos or 0
            found += [comment.rstrip() for comment in re.findall(r"#[^\n]*", text[end:start])]
            end = len(text) if token is None else token.end_pos or 0
    return sorted(found)


def obeys_the_laws(text: str) -> str:
    """Formats `text`, and checks what holds for any program."""
    made = formatted(text)
    assert formatted(made) == made
    assert tree(made) == tree(text)
    assert comments(made) == comments(text)
    assert not made or (made.endswith("\n") and not made.endswith("\n\n") and not made.startswith("\n"))
    assert not re.search(r"[ \t]$", made, re.MULTILINE)
    assert "\n\n\n\n" not in made
    return made


@pytest.mark.parametrize(("before", "after"), EXPRESSIONS)
def test_statements(before: str, after: str) -> None:
    assert formatted(before) == after + "\n"
    assert obeys_the_laws(before + "\n") == after + "\n"


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs(name: str) -> None:
    before, after = PROGRAMS[name]
    assert formatted(before) == after
    assert formatted(after) == after


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_samples(path: Path) -> None:
    obeys_the_laws(path.read_text("utf-8"))


def programs_in_tests() -> list[str]:
    """Every text in the tests of the language that is a program of some length, besides those of this file."""
    texts = {
        node.value
        for path in Path(__file__).parent.glob("test_*.py")
        if path.name != Path(__file__).name
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " = " in node.value
    }
    return sorted(text for text in texts if len(text) < 5000 and is_program(text))


def is_program(text: str) -> bool:
    try:
        return bool(tree(text).statements)
    except Error:
        return False


def test_the_programs_of_the_tests() -> None:
    texts = programs_in_tests()
    assert len(texts) > 100
    for text in texts:
        obeys_the_laws(text)


@pytest.mark.parametrize("text", ["x = (", "if x:\ny = 1", "x = 1 +", "  x = 1", "x = 'a"])
def test_what_is_no_program_stays_an_error(text: str) -> None:
    with pytest.raises(SyntaxError_):
        formatted(text)


def test_brackets_as_deep_as_they_may_be() -> None:
    obeys_the_laws("x = " + "(a + f(b, " * 99 + "c" + "))" * 99 + " + d\n")
    obeys_the_laws("x = " + "[" * 200 + "]" * 200 + "\n")


def test_blocks_as_deep_as_they_may_be() -> None:
    deep = "".join(" " * k + "if a:\n" for k in range(98)) + " " * 98 + "x = 1\n"
    obeys_the_laws(deep)
    with pytest.raises(LimitError):
        formatted(deep.replace("x = 1", "if a:\n" + " " * 99 + "if b: x = 1"))


def test_long_chains_need_no_recursion() -> None:
    made = obeys_the_laws_flat("y = " + " + ".join(["x"] * 5000) + "\n")
    assert made.count("\n") == 5002
    assert made.startswith("y = (\n    x\n    + x\n")


def obeys_the_laws_flat(text: str) -> str:
    """As `obeys_the_laws`, for trees too deep to be compared by `==`."""
    made = formatted(text)
    assert formatted(made) == made
    return made


# Any program: generated ones, with blanks, breaks and comments thrown in wherever the language allows them

NAMES = st.sampled_from(["x", "y", "i", "weights", LONG, "f", "sum"])
LEAVES = st.one_of(
    NAMES, st.sampled_from(["1", "2.5", "1e-3", ".5", "3.", "True", "None", "...", '"a"', "'b'", "'a # b'", "[]", "()"])
)


def listed(items: st.SearchStrategy[str], least: int = 0, most: int = 4) -> st.SearchStrategy[str]:
    """A list with commas, sometimes with one more behind it."""
    lists = st.lists(items, min_size=least, max_size=most)
    return st.builds(
        lambda parts, more: ", ".join(parts) + (more if parts else ""), lists, st.sampled_from(["", "", ","])
    )


def larger(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Expressions made of smaller ones; parentheses keep each piece whole."""
    atom = inner.map(lambda text: f"({text})")
    key = st.one_of(
        inner, st.builds(lambda a, b: f"{a}:{b}", inner, inner), st.just(":"), st.just("::2"), atom.map("{}:".format)
    )
    sign = st.sampled_from(["+", "-", "*", "/", "//", "%", "**", "@", "<", "==", " and ", " or "])
    keyword = st.builds(lambda value: f", axis={value}", inner)
    return st.one_of(
        st.builds(lambda a, op, b: f"{a}{op}{b}", inner.filter(grouped), sign, atom),
        st.builds(lambda op, a: f"{op}{a}", st.sampled_from(["-", "+", "not "]), atom),
        st.builds(
            lambda f, given, last: f"{f}({given or 'x'}{last})",
            NAMES,
            listed(inner).map(lambda t: t.rstrip(",")),
            keyword,
        ),
        st.builds(lambda f, given: f"{f}({given})", NAMES, listed(inner)),
        st.builds(lambda value, keys: f"{value}[{keys}]", NAMES, listed(key, 1, 3)),
        st.builds(lambda value, name: f"{value}.{name}", atom, st.sampled_from(["T", "shape"])),
        st.builds(lambda a, c, b: f"({a} if {c} else {b})", atom, atom, atom),
        st.builds(lambda body: f"(lambda a, b=1: {body})", inner),
        listed(inner, 0).map(lambda text: f"[{text}]"),
        listed(inner, 2).map(lambda text: f"({text})"),
        inner.map(lambda text: f"(({text}))"),
        atom,
    )


def grouped(text: str) -> bool:
    """Whether an operator may follow."""
    return not text.startswith(("not ", "lambda"))


EXPRESSION = st.recursive(LEAVES, larger, max_leaves=12)
TARGET = st.sampled_from(["x", "a, b", "x[0]", f"x[{LONG}, :]", "a,", "(a, b)", "x = y"])
SIMPLE = st.one_of(
    st.builds("{} = {}".format, TARGET, EXPRESSION),
    st.builds("{} = {}, {}".format, TARGET, EXPRESSION, EXPRESSION),
    st.builds("x {} {}".format, st.sampled_from(["+=", "**=", "//="]), EXPRESSION),
    EXPRESSION,
    st.builds("assert {}, 'm'".format, EXPRESSION),
    st.builds("output {}, b = {}".format, EXPRESSION, EXPRESSION),
    st.builds("output {},".format, EXPRESSION),
    st.builds("input {}: float32[n, _, 3] = {}".format, NAMES, EXPRESSION),
    st.just("pass"),
)
HEADER = st.one_of(
    st.builds("if {}:".format, EXPRESSION),
    st.builds("while {}:".format, EXPRESSION),
    st.builds("for {} in {}:".format, st.sampled_from(["i", "i, j", "i,"]), EXPRESSION),
    st.builds("def f(a, b={}):".format, EXPRESSION),
)


@st.composite
def programs(draw: st.DrawFn) -> str:
    """Statements and blocks, plainly written."""
    lines: list[str] = []
    depth = 0
    for _ in range(draw(st.integers(1, 6))):
        if draw(st.booleans()) and depth < 3:
            lines.append(" " * depth + draw(HEADER))
            depth += 1
        else:
            lines.append(" " * depth + draw(SIMPLE))
            depth = draw(st.integers(0, depth))
    if lines[-1].endswith(":"):
        lines[-1] += " pass"
    return "\n".join(lines) + "\n"


def roughened(text: str, rng: random.Random) -> str:
    """The same program with other blanks, breaks, comments and line joins between its tokens."""
    made: list[str] = []
    level, nested, depth, begin = [0], 0, 0, True
    for token in tokens(Source("", text)):
        if token.type == "_INDENT":
            level.append(level[-1] + rng.randrange(1, 9))
        elif token.type == "_DEDENT":
            level.pop()
        elif token.type == "_NEWLINE":
            made.append(rng.choice(["", "", ";"]) if made[-1] != ":" else "")
            made.append(rng.choice(["", "  ", "  # behind", "# near"]) + "\n")
            made += [
                " " * rng.randrange(9) + rng.choice(["", "", "# own", "#own(", "# 'own"]) + "\n"
                for _ in range(rng.choice([0, 0, 0, 1, 2, 4]))
            ]
            begin = True
            continue
        else:
            depth = len(level)
            if begin:
                made.append(" " * level[depth - 1])
            else:
                made.append(rng.choice(BLANKS if not nested or rng.random() < 0.7 else BREAKS))
            nested += token in ("(", "[")
            nested -= token in (")", "]")
            begin = False
            made.append(str(token))
    return "".join(made)


BLANKS = (" ", "  ", "\t", " \\\n  ", " ")
BREAKS = ("\n", "\n\n   ", " # c\n", "  # d\n # e\n  ", " \n#f [ \n\n", " \\\n ")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(programs(), st.randoms(use_true_random=False))
def test_any_program_written_in_any_way(text: str, rng: random.Random) -> None:
    try:
        tree(text)
    except Error:
        return
    rough = roughened(text, rng)
    assert tree(rough) == tree(text)
    made = obeys_the_laws(rough)
    for line in made.splitlines():
        code = line.split("#")[0]
        assert len(code.rstrip()) <= WIDTH or LONG in code or not re.search(r"[\[(,]", code.strip(" ([,")), line
    if "#" not in rough.replace("'a # b'", ""):
        assert formatted(text).replace("\n\n", "\n") == made.replace("\n\n", "\n")
