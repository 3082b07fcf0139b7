"""`ndgrad explain`: the chain rule that made a gradient, step by step."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from ndgrad.cli import options
from ndgrad.cli.app import single

app, command = single(
    "Show how the chain rule made the gradient.",
    "ndgrad explain samples/chain.nd --grad x",
    "ndgrad explain samples/branch.nd --grad a --format json",
)

Format = Annotated[
    Literal["text", "json"] | None,
    typer.Option(
        "--format",
        metavar="text|json",
        help="Text unless given.",
        rich_help_panel=options.OUTPUT,
        show_default=False,
    ),
]

Steps = Annotated[
    Literal["forward", "backward", "all"],
    typer.Option(
        "--steps", metavar="forward|backward|all", help="Which steps to show.", rich_help_panel=options.OUTPUT
    ),
]
Layout = Annotated[
    Literal["denominator", "numerator"],
    typer.Option(
        "--layout",
        metavar="denominator|numerator",
        help="Whether a derivative by x has the shape of x, or is transposed.",
        rich_help_panel=options.OUTPUT,
    ),
]
Round = Annotated[
    int | None,
    typer.Option(
        "--round",
        metavar="K",
        min=1,
        help="Show this round of every loop too.",
        rich_help_panel=options.OUTPUT,
        show_default=False,
    ),
]
Unroll = Annotated[
    bool, typer.Option("--unroll", help="Show every round of every loop.", rich_help_panel=options.OUTPUT)
]


@command
def explain(
    context: typer.Context,
    program: options.Program,
    inputs: options.Inputs = None,
    grad: options.Grad = None,
    head: options.Head = None,
    of: options.Of = None,
    dtype: options.Dtype = None,
    format: Format = None,
    steps: Steps = "all",
    layout: Layout = "denominator",
    round: Round = None,
    unroll: Unroll = False,
    precision: options.Precision = None,
    max_steps: options.MaxSteps = None,
    max_memory: options.MaxMemory = None,
    timeout: options.Timeout = None,
    debug: options.Debug = False,
) -> None:
    from ndgrad.cli import problems
    from ndgrad.cli.explaining import write
    from ndgrad.cli.job import Limits, asked

    context.obj.errors_as_json = format == "json"
    job = asked(program, inputs, grad, head, of, dtype, Limits(max_steps, max_memory, timeout))
    if not job.grad:
        problems.usage("explain needs --grad NAME: the input to differentiate by")
    result = job.result(trace=True)
    made = [result.derivation(name, round, unroll, layout) for name in result.grads]
    write(made, job.name, format or "text", precision, steps)
