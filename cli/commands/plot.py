"""`ndgrad plot`: the output and its derivative along an input."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from ndgrad.cli import options
from ndgrad.cli.app import single

PICTURE = "Picture"

app, command = single(
    "Draw the output and its derivative along one input, or a contour with gradients along two.",
    "ndgrad plot samples/parabola.nd --over x=-1:2.5 --tangent x=1",
    "ndgrad plot samples/rosenbrock.nd --over 'x[0]=-2:2' --over 'x[1]=-1:3' -o rosenbrock.svg",
)

Over = Annotated[
    list[str] | None,
    typer.Option(
        "--over",
        metavar="NAME=FROM:TO[:STEP]",
        help="The input to move, and how far; x[0] for one entry. Twice for a contour.",
        rich_help_panel=PICTURE,
        show_default=False,
    ),
]
Tangent = Annotated[
    list[str] | None,
    typer.Option(
        "--tangent",
        metavar="NAME=NUMBER",
        help="Draw the tangent there, with its equation.",
        rich_help_panel=PICTURE,
        show_default=False,
    ),
]
Label = Annotated[
    list[str] | None,
    typer.Option(
        "--label",
        metavar="NAME=TEXT",
        help="What to write at the axis of an input or of the output: --label 'x=time (s)'.",
        rich_help_panel=PICTURE,
        show_default=False,
    ),
]
Grad = Annotated[
    str | None,
    typer.Option(
        "--grad",
        metavar="NAME",
        help="Instead of --over: the gradient by this matrix or vector as a heat map.",
        rich_help_panel=PICTURE,
        show_default=False,
    ),
]
Output = Annotated[
    str | None,
    typer.Option(
        "-o",
        "--output",
        metavar="FILE",
        help="Draw into a file, .svg, .png or .pdf; into the terminal unless given.",
        rich_help_panel=options.OUTPUT,
        show_default=False,
    ),
]
Format = Annotated[
    Literal["text", "svg", "png", "pdf"] | None,
    typer.Option(
        "--format",
        metavar="text|svg|png|pdf",
        help="Text unless given, or told by the name of the file.",
        rich_help_panel=options.OUTPUT,
        show_default=False,
    ),
]


@command
def plot(
    context: typer.Context,
    program: options.Program,
    over: Over = None,
    tangent: Tangent = None,
    grad: Grad = None,
    label: Label = None,
    inputs: options.Inputs = None,
    of: options.Of = None,
    dtype: options.Dtype = None,
    seed: options.Seed = None,
    train: options.Train = False,
    format: Format = None,
    output: Output = None,
    max_steps: options.MaxSteps = None,
    max_memory: options.MaxMemory = None,
    timeout: options.Timeout = None,
    debug: options.Debug = False,
) -> None:
    from ndgrad.cli.job import Differentials, Limits, asked
    from ndgrad.cli.plots import Wanted, chosen, perform

    limits = Limits(max_steps, max_memory, timeout)
    more = Differentials(seed=seed, train=train)
    job = asked(program, inputs, None if grad is None else [grad], None, of, dtype, limits, more=more)
    perform(job, Wanted.read(over, tangent, label), chosen(format, output), output)
