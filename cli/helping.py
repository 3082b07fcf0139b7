"""The catalogue of codes for people and as JSON: one entry, or all in a list."""

from __future__ import annotations

import io
import re
import sys
import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ndgrad.cli import problems
from ndgrad.cli.app import COMMANDS
from ndgrad.cli.streams import as_ascii, colours, columns, only_ascii, put
from ndgrad.lang import catalogue

if TYPE_CHECKING:
    from rich.console import RenderableType

_WIDEST = 100
_LANGUAGES = {"program": "python", "python": "pycon", "shell": "bash"}


def write(code: str, format: str) -> None:
    """Write the entry of a code to standard output. Stops with exit code 2 where there is none."""
    entry = catalogue.entry(code)
    if entry is None:
        from difflib import get_close_matches

        near = catalogue.near(code) or get_close_matches(code, COMMANDS, 1, 0.7)
        cure = (
            f"did you mean {' or '.join(near)}?" if near else "`ndgrad help` lists all codes, `ndgrad -h` the commands"
        )
        problems.usage(f"there is no code or command `{code}`; {cure}")
    if format == "json":
        _put_json(as_object(entry))
    elif sys.stdout.isatty():
        _draw(_pictures(entry))
    else:
        put("\n".join(lines_of(entry)) + "\n")


def write_all(format: str) -> None:
    """Write every code with its title, in groups."""
    if format == "json":
        _put_json({"codes": [{"code": one.code, "title": one.title} for one in catalogue.entries()]})
    elif sys.stdout.isatty():
        _draw(_list())
    else:
        put("\n".join(_listed()) + "\n")


def as_object(entry: catalogue.Entry) -> dict[str, Any]:
    """The entry as data."""
    examples = {"fails": entry.fails, "works": entry.works}
    made: dict[str, Any] = {"code": entry.code, "title": entry.title, "cause": entry.cause}
    for name, example in examples.items():
        made[name] = {"kind": catalogue.kind(example), "text": catalogue.source(example)}
    return made


def lines_of(entry: catalogue.Entry) -> list[str]:
    """The entry as plain text."""
    lines = [f"{entry.code}: {entry.title}", "", *_paragraph(entry.cause), ""]
    for heading, example in (("This fails:", entry.fails), ("This works:", entry.works)):
        lines += [heading, "", *(f"    {line}".rstrip() for line in example.splitlines()), ""]
    return lines[:-1]


def _paragraph(text: str) -> list[str]:
    """Lines that fit the terminal, none of which ends within something in backquotes."""
    tied = re.sub(r"`[^`]+`", lambda code: code[0].replace(" ", "\u00a0"), text)
    lines = textwrap.wrap(tied, min(columns(), _WIDEST), break_long_words=False, break_on_hyphens=False)
    return [line.replace("\u00a0", " ") for line in lines]


def _listed() -> Iterator[str]:
    group = ""
    for entry in catalogue.entries():
        title = catalogue.group(entry.code)
        if title != group:
            yield from ([""] if group else []) + [title]
            group = title
        yield f"  {entry.code}  {entry.title}"


def _put_json(content: dict[str, Any]) -> None:
    import json

    put(json.dumps({"schema": 1, **content}, ensure_ascii=only_ascii(sys.stdout)) + "\n")


# On a terminal


def _draw(pictures: Iterator[RenderableType]) -> None:
    from ndgrad.cli.writing.table import console

    buffer = io.StringIO()
    drawn = console(buffer, colour=colours(sys.stdout), width=min(columns(), _WIDEST))
    for picture in pictures:
        drawn.print(picture)
    text = "".join(line.rstrip() + "\n" for line in buffer.getvalue().splitlines())
    sys.stdout.write(as_ascii(text) if only_ascii(sys.stdout) else text)


def _pictures(entry: catalogue.Entry) -> Iterator[RenderableType]:
    from rich.padding import Padding
    from rich.syntax import Syntax
    from rich.text import Text

    yield Text.assemble(
        (entry.code, "bold red" if entry.code[0] == "E" else "bold yellow"), (f": {entry.title}", "bold")
    )
    cause = Text("\n".join(_paragraph(entry.cause)))
    cause.highlight_regex(r"`[^`]+`", "cyan")
    yield Padding(cause, (1, 0))
    for heading, example, style in (("This fails:", entry.fails, "red"), ("This works:", entry.works, "green")):
        yield Text(heading, style)
        shown = Syntax(
            example.rstrip("\n"),
            _LANGUAGES[catalogue.kind(example)],
            theme="ansi_dark",
            background_color="default",
            word_wrap=True,
        )
        yield Padding(shown, (1, 0, 1 if example is entry.fails else 0, 4))


def _list() -> Iterator[RenderableType]:
    from rich.text import Text

    for line in _listed():
        if line.startswith("  "):
            yield Text.assemble((line[:6], "red" if line[2] == "E" else "yellow"), line[6:])
        else:
            yield Text(line, "bold")
