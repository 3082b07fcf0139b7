"""`ndgrad lint`: what is wrong or suspicious in programs, without running them."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from ndgrad.cli import options
from ndgrad.cli.app import single

app, command = single(
    "Say what is wrong or suspicious in programs, without running them.",
    "ndgrad lint samples",
    "printf 'def f(x, y): return x' | ndgrad lint - --format json",
)

Files = Annotated[
    list[str],
    typer.Argument(metavar="FILE...", help="Programs, folders of programs (*.nd), or - for standard input."),
]
Format = Annotated[
    Literal["text", "json", "sarif"],
    typer.Option(
        "--format",
        metavar="text|json|sarif",
        help="Text unless given; sarif is SARIF 2.1.0, for code hosts and editors.",
        rich_help_panel=options.OUTPUT,
        show_default=False,
    ),
]


@command
def lint(
    context: typer.Context,
    files: Files,
    inputs: options.Inputs = None,
    format: Format = "text",
    debug: options.Debug = False,
) -> None:
    from ndgrad.cli.linting import examined, write

    reports = examined(files, inputs)
    write(reports, format)
    raise typer.Exit(max((report.exit_code for report in reports), default=0, key=(0, 3, 1).index))
