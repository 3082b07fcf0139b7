"""`ndgrad explain`: the chain rule that made a gradient, step by step."""

from __future__ import annotations

import gc
from typing import Annotated, Literal

import typer

from ndgrad.cli import options
from ndgrad.cli.app import single

app, command = single(
    "Show how the chain rule made the gradient.",
    "ndgrad explain samples/chain.nd --grad x",
    "ndgrad explain samples/branch.nd --grad a --format html > branch.html",
)

Format = Annotated[
    Literal["text", "markdown", "latex", "html", "json"] | None,
    typer.Option(
        "--format",
        metavar="text|markdown|latex|html|json",
        help="Text unless given, or what the name of the file says; html is a page to step through.",
        rich_help_panel=options.OUTPUT,
        show_default=False,
    ),
]
Output = Annotated[
    str | None,
    typer.Option(
        "-o",
        "--output",
        metavar="FILE",
        help="Write to a file; its name (.txt, .md, .tex, .html, .json) chooses the format.",
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
Full = Annotated[
    bool,
    typer.Option("--full", help="Whole arrays and formulas, however long.", rich_help_panel=options.OUTPUT),
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
    output: Output = None,
    steps: Steps = "all",
    layout: Layout = "denominator",
    round: Round = None,
    unroll: Unroll = False,
    precision: options.Precision = None,
    full: Full = False,
    max_steps: options.MaxSteps = None,
    max_memory: options.MaxMemory = None,
    timeout: options.Timeout = None,
    debug: options.Debug = False,
) -> None:
    from ndgrad.cli import problems
    from ndgrad.cli.explaining import chosen, write
    from ndgrad.cli.job import Limits, asked
    from ndgrad.cli.writing.places import Place

    context.obj.errors_as_json = format == "json"
    job = asked(program, inputs, grad, head, of, dtype, Limits(max_steps, max_memory, timeout))
    if not job.grad:
        problems.usage("explain needs --grad NAME: the input to differentiate by")
    format = chosen(format, output)  # type: ignore[assignment]
    gc.set_threshold(200_000, 100)  # what is recorded is no garbage, and there may be much of it
    result = job.result(output, trace=True)
    made = tuple(result.derivation(name, round, unroll, layout) for name in result.grads)
    longest = max((d.longest for d in made), default=0)
    if round is not None and round > longest > 0:
        problems.usage(f"--round {round}: of the loops that are shown in part the longest has {longest:,} rounds")
    write(result, made, job.name, format or "text", Place(output), precision, steps, full)
