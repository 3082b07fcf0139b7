"""`ndgrad why`: the operations that made an entry of a gradient what it is."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from ndgrad.cli import options
from ndgrad.cli.app import single

app, command = single(
    "Say why an entry of a gradient is zero, nan, infinite, or as large as it is.",
    "ndgrad why samples/bisection.nd --grad a --of middle",
    "ndgrad why samples/control.nd --grad a --format json",
)

At = Annotated[
    str | None,
    typer.Option(
        "--at",
        metavar="I[,J]",
        help="The entry; one that is not finite, or the largest, unless given.",
        rich_help_panel=options.DERIVATIVE,
        show_default=False,
    ),
]
Format = Annotated[
    Literal["text", "json"],
    typer.Option(
        "--format", metavar="text|json", help="Text unless given.", rich_help_panel=options.OUTPUT, show_default=False
    ),
]


@command
def why(
    context: typer.Context,
    program: options.Program,
    inputs: options.Inputs = None,
    grad: options.Grad = None,
    at: At = None,
    head: options.Head = None,
    of: options.Of = None,
    dtype: options.Dtype = None,
    seed: options.Seed = None,
    train: options.Train = False,
    format: Format = "text",
    precision: options.Precision = None,
    max_steps: options.MaxSteps = None,
    max_memory: options.MaxMemory = None,
    timeout: options.Timeout = None,
    debug: options.Debug = False,
) -> None:
    from ndgrad.cli import problems
    from ndgrad.cli.answering import answer, entry_of, write
    from ndgrad.cli.job import Differentials, Limits, asked

    context.obj.errors_as_json = format == "json"
    more = Differentials(seed=seed, train=train)
    job = asked(program, inputs, grad, head, of, dtype, Limits(max_steps, max_memory, timeout), more=more)
    if len(job.grad) != 1 or job.grad == ("all",):
        problems.usage("why needs one --grad NAME: the input to differentiate by")
    write(answer(job, entry_of(at)), job.name, format, precision)
