"""`ndgrad help`: what a code such as E301 means, with an example that fails and one that works."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from ndgrad.cli import options
from ndgrad.cli.app import COMMANDS, single

app, command = single(
    "Explain a code such as E301, or list them all.",
    "ndgrad help E301",
    "ndgrad help --format json",
    bare=True,
)

Topic = Annotated[
    str | None,
    typer.Argument(metavar="[CODE]", help="The code of a message, or the name of a command.", show_default=False),
]
Format = Annotated[
    Literal["text", "json"],
    typer.Option(
        "--format", metavar="text|json", help="Text unless given.", rich_help_panel=options.OUTPUT, show_default=False
    ),
]


@command
def help(context: typer.Context, topic: Topic = None, format: Format = "text") -> None:
    from ndgrad.cli.helping import write, write_all

    if topic is None:
        write_all(format)
    elif topic in COMMANDS:
        root = context.find_root()
        root.command.main([topic, "--help"], prog_name=root.info_name, standalone_mode=False)
    else:
        write(topic, format)
