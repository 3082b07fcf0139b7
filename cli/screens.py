"""The help of a command on one screen: what it is for, its options in sections, two examples."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator
from typing import Any, TextIO

from ndgrad.cli.streams import colours, columns, painter

WIDEST = 100
MARGIN = 26  # letters of an option and its value, beyond which what it does begins on the next line
Rows = list[tuple[str, str]]


def help_of(command: Any, context: Any, stream: TextIO | None = None) -> str:
    """The help of a command, or of all of them, as wide as the terminal; in the colours of what it is written to."""
    stream = stream or sys.stdout
    paint = painter(stream) or (lambda text, role: text)
    context.color = colours(stream)
    width = min(columns(), WIDEST)
    lines = [f"{paint('Usage:', 'title')} {context.command_path} {' '.join(pieces(command))}"]
    lines += _wrapped(command.help or "", width)
    for name, rows in sections(command, context).items():
        lines += ["", paint(f"{name}:", "title")]
        margin = max(len(left) for left, _ in rows if len(left) <= MARGIN)
        for left, said in rows:
            shown = f"  {paint(left, 'name')}{' ' * (margin - len(left))}"
            parts = _wrapped(said, max(width - margin - 4, 20)) or [""]
            if len(left) > margin:
                lines.append(shown)
            else:
                lines.append(f"{shown}  {parts.pop(0)}".rstrip())
            lines += [f"{' ' * (margin + 4)}{part}" for part in parts]
    title, *examples = [line for line in (command.epilog or "").splitlines() if line]
    lines += ["", paint(title, "title")]
    for example in examples:
        lines += _wrapped(example, width, "  ", "    ")
    return "\n".join([*lines, ""])


def _wrapped(text: str, width: int, first: str = "", others: str = "") -> list[str]:
    made = textwrap.TextWrapper(width, first, others, break_long_words=False, break_on_hyphens=False)
    return made.wrap(text)


def pieces(command: Any) -> Iterator[str]:
    """What follows the name of the command in the line of its usage."""
    yield "[OPTIONS]"
    if hasattr(command, "list_commands"):
        yield "COMMAND [ARGS]..."
    for parameter in command.params:
        if parameter.param_type_name == "argument":
            yield parameter.metavar


def sections(command: Any, context: Any) -> dict[str, Rows]:
    """What there is to give, by section. Those without one are options; --help stands where the last one does."""
    made: dict[str, Rows] = {}
    if hasattr(command, "list_commands"):
        made["Commands"] = [(name, command.get_command(context, name).help) for name in command.list_commands(context)]
    section = "Options"
    for parameter in command.get_params(context):
        is_help = parameter is command.get_help_option(context)
        if not is_help:
            section = parameter.rich_help_panel or ("Arguments" if _is_argument(parameter) else "Options")
        made.setdefault(section, []).append((_written(parameter), _said(parameter, context)))
    return made


def _is_argument(parameter: Any) -> bool:
    return bool(parameter.param_type_name == "argument")


def _written(parameter: Any) -> str:
    """How it is given: `-i, --input NAME=VALUE...`, the dots where it can be repeated."""
    if _is_argument(parameter):
        return str(parameter.metavar)
    names = ", ".join(sorted(parameter.opts, key=len)) + "".join(f" / {name}" for name in parameter.secondary_opts)
    if parameter.is_flag or parameter.metavar is None:
        return names
    return f"{names} {parameter.metavar}{'...' if parameter.multiple else ''}"


def _said(parameter: Any, context: Any) -> str:
    """What it does, and its default where that is to be shown."""
    default = parameter.get_default(context, call=False)
    if _is_argument(parameter) or not parameter.show_default or parameter.is_flag or default is None:
        return str(parameter.help)
    return f"{parameter.help} [default: {default}]"
