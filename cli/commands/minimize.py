"""`ndgrad minimize`: the inputs at which the output is smallest."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from ndgrad.cli import options
from ndgrad.cli.app import single

SEARCH = "Search"

app, command = single(
    "Find the inputs at which the output is smallest.",
    "ndgrad minimize samples/rosenbrock.nd --over x",
    "ndgrad minimize samples/misra1a.nd -i data=samples/misra1a.csv --over b --of residual --method least-squares",
)

Over = Annotated[
    list[str] | None,
    typer.Option(
        "--over",
        metavar="NAME[,NAME]",
        help="Inputs to move, from the values they have.",
        rich_help_panel=SEARCH,
        show_default=False,
    ),
]
Method = Annotated[
    Literal["L-BFGS-B", "BFGS", "Newton-CG", "trust-exact", "least-squares", "sgd", "adam"],
    typer.Option(
        "--method",
        metavar="NAME",
        help="L-BFGS-B, BFGS, Newton-CG, trust-exact, least-squares (of an array of residuals), sgd or adam.",
        rich_help_panel=SEARCH,
    ),
]
Bounds = Annotated[
    list[str] | None,
    typer.Option(
        "--bounds",
        metavar="NAME=LOW:HIGH",
        help="The least and the most that an input may be; one side may be empty.",
        rich_help_panel=SEARCH,
        show_default=False,
    ),
]
Tol = Annotated[
    float | None,
    typer.Option(
        "--tol",
        metavar="SIZE",
        min=0.0,
        help="Stop where no entry of the gradient is larger; 1e-8 unless given (1e-4 for float32).",
        rich_help_panel=SEARCH,
        show_default=False,
    ),
]
MaxIter = Annotated[
    int | None,
    typer.Option(
        "--max-iter",
        metavar="N",
        min=1,
        help="Iterations at most; 1,000 unless given (10,000 for sgd and adam).",
        rich_help_panel=SEARCH,
        show_default=False,
    ),
]
Rate = Annotated[
    float | None,
    typer.Option(
        "--rate",
        metavar="SIZE",
        min=0.0,
        help="The step of sgd and adam; 0.01 unless given.",
        rich_help_panel=SEARCH,
        show_default=False,
    ),
]


@command
def minimize(
    context: typer.Context,
    program: options.Program,
    over: Over = None,
    method: Method = "L-BFGS-B",
    bounds: Bounds = None,
    tol: Tol = None,
    max_iter: MaxIter = None,
    rate: Rate = None,
    inputs: options.Inputs = None,
    of: options.Of = None,
    dtype: options.Dtype = None,
    seed: options.Seed = None,
    train: options.Train = False,
    format: options.Format = None,
    output: options.Output = None,
    precision: options.Precision = None,
    max_steps: options.MaxSteps = None,
    max_memory: options.MaxMemory = None,
    timeout: options.Timeout = None,
    debug: options.Debug = False,
) -> None:
    from ndgrad.cli import problems
    from ndgrad.cli.job import NOTHING_MORE, Limits, asked, names
    from ndgrad.cli.minimum import Search, perform, ranges

    context.obj.errors_as_json = format == "json"
    moved = names("--over", over)
    if not moved:
        problems.usage("minimize needs --over NAME: the input to move")
    if rate is not None and method not in ("sgd", "adam"):
        problems.usage(f"--rate is the step of sgd and adam; {method} finds its own")
    search = Search(moved, method, ranges(bounds), tol, max_iter, 0.01 if rate is None else rate, seed, train)
    job = asked(program, inputs, None, None, of, dtype, Limits(max_steps, max_memory, timeout), more=NOTHING_MORE)
    if code := perform(job, search, format, output, precision):
        raise typer.Exit(code)
