"""Editors and Pygments colour programs as the parser reads them; the files for editors are as the rules make them."""

from __future__ import annotations

import importlib.util
import json
import re
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from pygments.lexers import load_lexer_from_file
from pygments.token import Comment, Error, Keyword, Name, Number, Operator, String, Whitespace

from ndgrad.errors import Source
from ndgrad.lang.builtins import CONSTANTS, function_names
from ndgrad.lang.highlighting import KEYWORDS, NdLexer
from ndgrad.lang.parser import tokens

ROOT = Path(__file__).parent.parent.parent
EDITORS = ROOT / "docs" / "editors"
EVERYTHING = """\
# "no string"
input x: float32[n, _, ...] = -1.5e3  # é
def größe(a, b_1=lambda q: 'a # "b"'):
    return x.T.shape[0] + 3 .T if not a and b else [1, 2.5, None, 1_000]
y **= x[:, 1::2] @ "it\\"s" // 3 != sum(x, axis=0).size
y += \\
    exp(1)
for i in range(3): pass
x1 = pi; normal = e2 + int(x) .dtype <= .5
output summed = True
"""
PROGRAMS = [EVERYTHING, *(path.read_text("utf-8") for path in sorted((ROOT / "samples").glob("*.nd")))]
KINDS = {
    "INTEGER": Number.Integer,
    "DECIMAL": Number.Float,
    "STRING": String,
    "ELLIPSIS": Keyword.Constant,
    **dict.fromkeys(("AUGMENTED", "COMPARE", "POWER", "MULTIPLY", "ADD", "EQUAL", "DOT"), Operator),
}


@pytest.fixture(scope="module")
def make_grammars() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_grammars", EDITORS / "make_grammars.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def coloured(text: str) -> list[tuple[int, str, Any]]:
    """What the lexer finds besides blanks and comments: where it begins, its text, its kind."""
    found = NdLexer().get_tokens_unprocessed(text)
    return [(start, part, kind) for start, kind, part in found if kind not in (Whitespace, Comment.Single)]


@pytest.mark.parametrize("text", PROGRAMS)
def test_tokens_are_those_of_the_parser(text: str) -> None:
    parsed = [token for token in tokens(Source("", text)) if not token.type.startswith("_")]
    found = coloured(text)
    assert [(start, part) for start, part, _ in found] == [(token.start_pos, str(token)) for token in parsed]
    for token, (_, part, kind) in zip(parsed, found, strict=True):
        if token.type in KINDS:
            assert kind == KINDS[token.type], part
        elif token.type == "NAME":
            assert kind in Name or kind is Keyword.Type, part
        elif part.isalpha():
            assert kind in Keyword or kind is Operator.Word, part


def test_kinds_of_names() -> None:
    kinds = {part: kind for _, part, kind in coloured(EVERYTHING)}
    assert kinds["größe"] is Name.Function
    assert kinds["T"] is kinds["dtype"] is Name.Attribute
    assert kinds["sum"] is kinds["int"] is Name.Builtin
    assert kinds["pi"] is Name.Constant
    assert kinds["float32"] is Keyword.Type
    assert kinds["e2"] is kinds["normal"] is kinds["summed"] is kinds["x1"] is Name


def test_nothing_is_lost_from_what_is_no_program() -> None:
    text = "x = 'open\n\t} ? é 3x def (\n"
    found = list(NdLexer().get_tokens_unprocessed(text))
    assert "".join(part for _, _, part in found) == text
    assert [part for _, kind, part in found if kind is Error] == ["'", "}", "?"]


def kinds_of(names: Iterable[str]) -> set[Any]:
    return {kind for name in names for _, _, kind in coloured(name)}


def test_the_words_are_those_of_the_language() -> None:
    assert {"input", "output", "for", "in", "def", "lambda", "True", "and"} <= KEYWORDS
    assert all(kind in Keyword or kind is Operator.Word for kind in kinds_of(KEYWORDS))
    assert kinds_of(function_names()) == {Name.Builtin}
    assert kinds_of(CONSTANTS) == {Name.Constant, Keyword.Type}


def test_pygments_finds_the_lexer() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    module, _, name = settings["project"]["entry-points"]["pygments.lexers"]["nd"].partition(":")
    assert (module, name) == (NdLexer.__module__, NdLexer.__name__)
    assert load_lexer_from_file(str(ROOT / "lang" / "highlighting.py"), name).filenames == ["*.nd"]


@pytest.mark.parametrize("name", ["nd.tmLanguage.json", "nd.sublime-syntax"])
def test_the_files_for_editors_are_as_the_rules_make_them(
    make_grammars: ModuleType, name: str, request: pytest.FixtureRequest
) -> None:
    made = make_grammars.FILES[name]()
    if request.config.getoption("--update"):
        (EDITORS / name).write_text(made, "utf-8")
    assert (EDITORS / name).read_text("utf-8") == made, "run docs/editors/make_grammars.py"


def textmate() -> Any:
    return json.loads((EDITORS / "nd.tmLanguage.json").read_text("utf-8"))


def words(*scopes: str) -> set[str]:
    """The words that the TextMate grammar lists under some scopes."""
    patterns = [rule["match"] for rule in textmate()["patterns"] if rule.get("name") in scopes]
    listed = [re.fullmatch(r"\\b\(\?:(.*)\)\\b", pattern) for pattern in patterns]
    return {word for found in listed if found for word in found[1].split("|")}


def test_the_textmate_grammar_lists_the_words_of_the_language() -> None:
    grammar = (ROOT / "lang" / "grammar.lark").read_text("utf-8")
    keywords = {word for word in re.findall(r'"([^"\s]+)"', grammar) if word.isalpha()}
    listed = words("keyword.control.nd", "keyword.operator.word.nd", "storage.type.nd", "constant.language.nd")
    assert listed == keywords
    assert words("support.function.nd") == set(function_names())
    assert words("support.constant.nd", "support.type.nd") == set(CONSTANTS)


def scoped(line: str) -> Iterator[tuple[str, str]]:
    """A line as an editor scopes it: at each place the rule that matches first, and of those the first."""
    rules = textmate()["patterns"]
    at = 0
    while at < len(line):
        found = [
            (match.start(), i, match)
            for i, rule in enumerate(rules)
            if (match := re.compile(rule["match"]).search(line, at))
        ]
        if not found:
            return
        _, i, match = min(found, key=lambda one: one[:2])
        captures = rules[i].get("captures")
        if captures:
            yield from ((match[int(group)], scope["name"]) for group, scope in captures.items())
        else:
            yield match[0], rules[i]["name"]
        at = match.end()


@pytest.mark.parametrize("text", PROGRAMS)
def test_editors_show_what_pygments_shows(make_grammars: ModuleType, text: str) -> None:
    found = NdLexer().get_tokens_unprocessed(text)
    expected = [(part, make_grammars.SCOPES[kind]) for _, kind, part in found if kind is not Whitespace]
    assert [pair for line in text.splitlines() for pair in scoped(line) if pair[0] != ""] == expected


def test_the_extension_names_its_files() -> None:
    package = json.loads((EDITORS / "package.json").read_text("utf-8"))
    language, grammar = package["contributes"]["languages"][0], package["contributes"]["grammars"][0]
    assert language["extensions"] == [".nd"]
    assert grammar["scopeName"] == textmate()["scopeName"] == "source.nd"
    assert (EDITORS / grammar["path"]).is_file()
    configuration = json.loads((EDITORS / language["configuration"]).read_text("utf-8"))
    assert configuration["comments"] == {"lineComment": "#"}
    opens = re.compile(configuration["indentationRules"]["increaseIndentPattern"])
    assert opens.search("  if x > 0:  # c")
    assert not opens.search("x = 3")
