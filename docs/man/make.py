"""Writes the manual pages beside it, from what the commands say of themselves: the source of `--help`.

    python docs/man/make.py

`pages()` gives them by file name; a test holds the files against it.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from ndgrad import __version__
from ndgrad.cli import main
from ndgrad.cli.app import COMMANDS, command
from ndgrad.cli.screens import pieces, sections

HERE = Path(__file__).parent
ENVIRONMENT = (
    ("NO_COLOR", "No colours, if it is set."),
    ("FORCE_COLOR", "Colours also where the output is no terminal."),
    ("NDGRAD_THREADS", "How many threads share operations on large arrays, unless --threads says so."),
    ("XDG_CACHE_HOME", "Where programs are kept in a form that starts faster; ~/.cache unless set."),
    ("XDG_STATE_HOME", "Where ndgrad repl keeps what was said; ~/.local/state unless set."),
)


def pages() -> dict[str, str]:
    """The text of every page, by the name of its file."""
    group = command()
    context = _context(group, "ndgrad")
    commands = {name: group.get_command(context, name) for name in COMMANDS}
    found = {f"ndgrad-{name}.1": _page(one, _context(one, name, context), name) for name, one in commands.items()}
    return {"ndgrad.1": _overview(group, context, commands), **found}


def _context(one: Any, name: str, parent: Any = None) -> Any:
    return one.context_class(one, info_name=name, parent=parent, **one.context_settings)


def _overview(group: Any, context: Any, commands: dict[str, Any]) -> str:
    lines = [_title("ndgrad"), *_name("ndgrad", group.help)]
    lines += [".SH SYNOPSIS", ".B ndgrad", _italic("COMMAND"), "[options]", ".SH DESCRIPTION"]
    lines += [_text(group.help), ".SH COMMANDS"]
    for name, one in commands.items():
        lines += [".TP", f".BR ndgrad\\-{name} (1)", _text(one.help)]
    lines += _options(group, context)
    lines += _examples(group)
    lines += [".SH EXIT STATUS"]
    for code, meaning in re.findall(r"(\d+) ([^·\n]+?) *(?=·|$)", main.__doc__ or "", re.MULTILINE):
        lines += [".TP", f".B {code}", _text(meaning)]
    lines += [".SH ENVIRONMENT"]
    for name, meaning in ENVIRONMENT:
        lines += [".TP", f".B {_text(name)}", _text(meaning)]
    return "\n".join(lines) + "\n"


def _page(one: Any, context: Any, name: str) -> str:
    title = f"ndgrad-{name}"
    lines = [_title(title), *_name(title, one.help), ".SH SYNOPSIS", f".B ndgrad {name}", "[options]"]
    lines += [_italic(piece) for piece in pieces(one) if piece != "[OPTIONS]"]
    lines += [".SH DESCRIPTION", _text(one.help)]
    lines += [*_options(one, context), *_examples(one), ".SH EXIT STATUS"]
    lines += [".BR ndgrad (1)", "lists the exit codes, which are the same for all commands.", ".SH SEE ALSO"]
    return "\n".join([*lines, ".BR ndgrad (1)"]) + "\n"


def _title(name: str) -> str:
    return f'.TH {_text(name.upper())} 1 "" "ndgrad {__version__}" "ndgrad"'


def _name(name: str, help: str) -> list[str]:
    said = help.strip().partition(". ")[0].removesuffix(".")
    return [".SH NAME", f"{_text(name)} \\- {_text(said[0].lower() + said[1:])}"]


def _options(one: Any, context: Any) -> list[str]:
    """Arguments and options under the headings that the help has."""
    lines = [".SH OPTIONS"]
    for heading, rows in sections(one, context).items():
        if heading != "Commands":
            lines.append(f".SS {_text(heading)}")
            for names, said in rows:
                lines += [".TP", _names(names), _text(said)]
    return lines


def _names(text: str) -> str:
    """`-i, --input NAME=VALUE...` with what is typed in bold, what it stands for in italics."""
    found = re.split(r"([ ,/]+)", text)
    parts = (
        part if re.fullmatch(r"[ ,/]*", part) else f"\\fB{_text(part)}\\fR" if part[0] == "-" else _italic_in(part)
        for part in found
    )
    return "".join(parts)


def _italic_in(text: str) -> str:
    return f"\\fI{_text(text)}\\fR"


def _italic(text: str) -> str:
    return f".I {_text(text)}"


def _examples(one: Any) -> list[str]:
    commands = [line.strip() for line in (one.epilog or "").splitlines()[1:] if line.strip()]
    lines = [".SH EXAMPLES"]
    for text in commands:
        lines += [".PP", ".EX", _text(text), ".EE"]
    return lines


def _text(text: str) -> str:
    """Text as roff takes it."""
    made = text.replace("\\", "\\e").replace("-", "\\-")
    made = "".join(sign if sign.isascii() else f"\\[u{ord(sign):04X}]" for sign in made)
    return "\n".join(f"\\&{line}" if line[:1] in (".", "'") else line for line in made.strip().splitlines())


if __name__ == "__main__":
    for name, text in pages().items():
        (HERE / name).write_text(text, "utf-8")
