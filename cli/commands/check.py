"""`ndgrad check`: derivatives held against numbers."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from ndgrad.cli import options
from ndgrad.cli.app import single

app, command = single(
    "Compare the derivatives of a program with numbers.",
    "ndgrad check samples/chain.nd --grad x",
    "ndgrad check samples/branch.nd --grad a --order 2 --format json",
)

Order = Annotated[
    Literal["1", "2"],
    typer.Option("--order", metavar="1|2", help="2 for second derivatives.", rich_help_panel=options.DERIVATIVE),
]
Rtol = Annotated[
    float,
    typer.Option(
        "--rtol",
        metavar="R",
        min=0.0,
        help="How far derivatives may differ, relative to their size.",
        rich_help_panel=options.DERIVATIVE,
    ),
]
Format = Annotated[
    Literal["text", "json"],
    typer.Option(
        "--format", metavar="text|json", help="Text unless given.", rich_help_panel=options.OUTPUT, show_default=False
    ),
]


@command
def check(
    context: typer.Context,
    program: options.Program,
    inputs: options.Inputs = None,
    grad: options.Grad = None,
    head: options.Head = None,
    of: options.Of = None,
    order: Order = "1",
    rtol: Rtol = 1e-5,
    seed: options.Seed = None,
    train: options.Train = False,
    format: Format = "text",
    max_steps: options.MaxSteps = None,
    max_memory: options.MaxMemory = None,
    timeout: options.Timeout = None,
    debug: options.Debug = False,
) -> None:
    from ndgrad.cli import problems
    from ndgrad.cli.checking import checked, write
    from ndgrad.cli.job import Differentials, Limits, asked

    context.obj.errors_as_json = format == "json"
    more = Differentials(seed=seed, train=train)
    job = asked(program, inputs, grad, head, of, None, Limits(max_steps, max_memory, timeout), more=more)
    if not job.grad:
        problems.usage("check needs --grad NAME: the input to differentiate by")
    made = checked(job, int(order), rtol)
    write(made, job.name, format)
    raise typer.Exit(0 if all(one.agrees for one in made) else 3)
