"""`ndgrad repl`: a session in the language, line by line."""

from __future__ import annotations

from typing import Annotated

import typer

from ndgrad.cli import options
from ndgrad.cli.app import single

app, command = single(
    "Talk to a session: lines run as they come; :grad and :explain ask it.",
    "ndgrad repl",
    "printf 'x = 3; y = x ** 2\\n:grad x\\n' | ndgrad repl",
    bare=True,
)

Program = Annotated[
    str | None,
    typer.Argument(
        metavar="[FILE]", help="A program to begin with.", rich_help_panel=options.FILES, show_default=False
    ),
]


@command
def repl(
    context: typer.Context,
    program: Program = None,
    inputs: options.Inputs = None,
    dtype: options.Dtype = None,
    seed: options.Seed = None,
    train: options.Train = False,
    precision: options.Precision = None,
    full: options.Full = False,
    max_steps: options.MaxSteps = None,
    max_memory: options.MaxMemory = None,
    timeout: options.Timeout = None,
    debug: options.Debug = False,
) -> None:
    from ndgrad.cli.interactive.beginning import begin
    from ndgrad.cli.job import Limits, pairs

    limits = Limits(max_steps, max_memory, timeout)
    code = begin(program, pairs("-i", inputs), dtype, seed, train, precision, full, limits)
    if code:
        raise typer.Exit(code)
