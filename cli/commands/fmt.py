"""`ndgrad fmt`: programs laid out in one way."""

from __future__ import annotations

from typing import Annotated

import typer

from ndgrad.cli import options
from ndgrad.cli.app import single

app, command = single(
    "Lay programs out in one way, in place: spaces, lines, indentation. What they mean and their comments stay.",
    "ndgrad fmt samples/chain.nd",
    "ndgrad fmt --check --diff samples",
)

Files = Annotated[
    list[str],
    typer.Argument(metavar="FILE...", help="Programs, folders of programs (*.nd), or - for standard input."),
]
Check = Annotated[
    bool,
    typer.Option("--check", help="Change nothing; name the files that would change, exit 3.", show_default=False),
]
Diff = Annotated[
    bool,
    typer.Option("--diff", help="Change nothing; show what would change.", show_default=False),
]


@command
def fmt(
    context: typer.Context,
    files: Files,
    check: Check = False,
    diff: Diff = False,
    debug: options.Debug = False,
) -> None:
    from ndgrad.cli.formatting import Formatting
    from ndgrad.cli.main import CHECK_FAILED

    formatting = Formatting(check, diff)
    formatting.run(files)
    raise typer.Exit(formatting.exit_code or (CHECK_FAILED if check and formatting.changed else 0))
