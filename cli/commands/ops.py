"""`ndgrad ops`: the operations of the language with their derivatives."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from ndgrad.cli import options
from ndgrad.cli.app import single

app, command = single(
    "List the operations, or show one: its derivative, its kinks, an example.",
    "ndgrad ops tanh",
    "ndgrad ops --search log",
    bare=True,
)

Name = Annotated[str | None, typer.Argument(metavar="[NAME]", help="An operation.", show_default=False)]
Search = Annotated[
    str | None,
    typer.Option(
        "--search", metavar="TEXT", help="Those with this in their name (* and ? as in a shell).", show_default=False
    ),
]
Format = Annotated[
    Literal["text", "json"],
    typer.Option(
        "--format", metavar="text|json", help="Text unless given.", rich_help_panel=options.OUTPUT, show_default=False
    ),
]


@command
def ops(name: Name = None, search: Search = None, format: Format = "text") -> None:
    from ndgrad.cli.operations import write, write_all

    if name is None:
        write_all(search, format)
    else:
        write(name, format)
