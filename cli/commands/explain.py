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
    write([result.derivation(name) for name in result.grads], job.name, format or "text", precision)
