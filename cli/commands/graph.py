"""`ndgrad graph`: the computational graph of a run."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from ndgrad.cli import options
from ndgrad.cli.app import single

app, command = single(
    "Show the graph of a run: its values, the operations between them, and adjoints with --grad.",
    "ndgrad graph samples/chain.nd --grad x",
    "ndgrad graph samples/control.nd --grad a --format mermaid",
)

Format = Annotated[
    Literal["tree", "dot", "mermaid", "svg"] | None,
    typer.Option(
        "--format",
        metavar="tree|dot|mermaid|svg",
        help="Tree unless given, or told by the name of the file.",
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
        help="Write to a file; its name (.svg, .dot, .mmd, .txt) chooses the format.",
        rich_help_panel=options.OUTPUT,
        show_default=False,
    ),
]
Unroll = Annotated[
    bool, typer.Option("--unroll", help="Show every round of every loop.", rich_help_panel=options.OUTPUT)
]


@command
def graph(
    context: typer.Context,
    program: options.Program,
    inputs: options.Inputs = None,
    grad: options.Grad = None,
    head: options.Head = None,
    of: options.Of = None,
    dtype: options.Dtype = None,
    format: Format = None,
    output: Output = None,
    unroll: Unroll = False,
    precision: options.Precision = None,
    max_steps: options.MaxSteps = None,
    max_memory: options.MaxMemory = None,
    timeout: options.Timeout = None,
    debug: options.Debug = False,
) -> None:
    from ndgrad.cli import problems
    from ndgrad.cli.graphs import chosen, text
    from ndgrad.cli.job import Limits, asked
    from ndgrad.cli.writing.places import Place
    from ndgrad.lang.graph import graph as graph_of

    wanted = chosen(format, output)
    job = asked(program, inputs, grad, head, of, dtype, Limits(max_steps, max_memory, timeout))
    result = job.result(output, trace=True)
    if result.recorded is None:
        problems.usage("the program has no value, and so no graph")
    place = Place(output)
    place.write_text(text(graph_of(result, unroll), wanted, precision, place.ascii))
