"""Makes nd.tmLanguage.json and nd.sublime-syntax from the rules of the Pygments lexer.

python docs/editors/make_grammars.py        # after a change of the language; a test compares
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pygments.token import Comment, Keyword, Name, Number, Operator, Punctuation, String, Whitespace

from ndgrad.lang.highlighting import RULES

HERE = Path(__file__).parent
SCOPES = {
    Comment.Single: "comment.line.number-sign.nd",
    String: "string.quoted.nd",
    Number.Float: "constant.numeric.float.nd",
    Number.Integer: "constant.numeric.integer.nd",
    Keyword: "keyword.control.nd",
    Keyword.Constant: "constant.language.nd",
    Keyword.Declaration: "storage.type.nd",
    Keyword.Type: "support.type.nd",
    Operator: "keyword.operator.nd",
    Operator.Word: "keyword.operator.word.nd",
    Name: "variable.other.nd",
    Name.Function: "entity.name.function.nd",
    Name.Attribute: "support.variable.property.nd",
    Name.Builtin: "support.function.nd",
    Name.Constant: "support.constant.nd",
    Punctuation: "punctuation.nd",
}


def rules() -> list[dict[str, Any]]:
    """The rules as both formats have them: a pattern with its scope, or with the scopes of its groups."""
    made: list[dict[str, Any]] = []
    for pattern, kinds in RULES:
        if len(kinds) > 1:
            named = enumerate(kinds, 1)
            made.append({"match": pattern, "captures": {str(i): SCOPES[kind] for i, kind in named if kind in SCOPES}})
        elif kinds[0] is not Whitespace:
            made.append({"match": pattern, "scope": SCOPES[kinds[0]]})
    return made


def textmate() -> str:
    patterns = [
        {"match": rule["match"], "name": rule["scope"]}
        if "scope" in rule
        else {"match": rule["match"], "captures": {i: {"name": scope} for i, scope in rule["captures"].items()}}
        for rule in rules()
    ]
    grammar = {"name": "nd", "scopeName": "source.nd", "fileTypes": ["nd"], "patterns": patterns}
    return json.dumps(grammar, indent=2) + "\n"


def sublime() -> str:
    lines = ["%YAML 1.2", "---", "name: nd", "file_extensions: [nd]", "scope: source.nd", "version: 2", "contexts:"]
    lines.append("  main:")
    for rule in rules():
        quoted = rule["match"].replace("'", "''")
        lines.append(f"    - match: '{quoted}'")
        if "scope" in rule:
            lines.append(f"      scope: {rule['scope']}")
        else:
            lines.append("      captures:")
            lines += [f"        {i}: {scope}" for i, scope in rule["captures"].items()]
    return "\n".join(lines) + "\n"


FILES = {"nd.tmLanguage.json": textmate, "nd.sublime-syntax": sublime}

if __name__ == "__main__":
    for name, made in FILES.items():
        (HERE / name).write_text(made(), "utf-8")
