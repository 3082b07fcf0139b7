"""The options that commands share: each is declared once and reads the same everywhere."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

FILES = "Input"
DERIVATIVE = "Derivative"
OUTPUT = "Output"
LIMITS = "Limits"

Program = Annotated[str, typer.Argument(metavar="FILE", help="The program, or - for standard input.")]
Text = Annotated[str, typer.Argument(metavar="TEXT", help="The program itself; `;` separates statements.")]
Inputs = Annotated[
    list[str] | None,
    typer.Option(
        "-i",
        "--input",
        metavar="NAME=VALUE",
        help="Bind an input. VALUE: a literal (3, [[1,2],[3,4]]), a file (x.npy, t.csv, t.csv:COLUMN, d.npz:NAME, "
        "x.json, …; @ before a path forces a file), or - for standard input. Repeatable.",
        rich_help_panel=FILES,
        show_default=False,
    ),
]
Grad = Annotated[
    list[str] | None,
    typer.Option(
        "--grad",
        metavar="NAME[,NAME]",
        help="Inputs to differentiate by; all for every float input. Repeatable.",
        rich_help_panel=DERIVATIVE,
        show_default=False,
    ),
]
Head = Annotated[
    str | None,
    typer.Option(
        "--head",
        metavar="VALUE",
        help="The adjoint of the output, broadcast to its shape; ones unless given.",
        rich_help_panel=DERIVATIVE,
        show_default=False,
    ),
]
Of = Annotated[
    str | None,
    typer.Option(
        "--of",
        metavar="NAME",
        help="The output, or variable, to differentiate; the first output unless given.",
        rich_help_panel=DERIVATIVE,
        show_default=False,
    ),
]
Dtype = Annotated[
    Literal["float32", "float64"] | None,
    typer.Option(
        "--dtype",
        metavar="float32|float64",
        help="What floats are computed in; files keep their own unless given.",
        rich_help_panel=FILES,
        show_default=False,
    ),
]
Format = Annotated[
    Literal["table", "plain", "json", "npy", "npz", "csv", "safetensors"] | None,
    typer.Option(
        "--format",
        metavar="table|plain|json|npy|npz|csv|safetensors",
        help="Table on a terminal, json when piped, unless given.",
        rich_help_panel=OUTPUT,
        show_default=False,
    ),
]
Output = Annotated[
    str | None,
    typer.Option(
        "-o",
        "--output",
        metavar="FILE",
        help="Write to a file; its name (.npy, .npz, .csv, .json, …) chooses the format.",
        rich_help_panel=OUTPUT,
        show_default=False,
    ),
]
Precision = Annotated[
    int | None,
    typer.Option(
        "--precision",
        metavar="N",
        min=1,
        max=17,
        help="Significant digits in table and plain.",
        rich_help_panel=OUTPUT,
        show_default=False,
    ),
]
MaxSteps = Annotated[
    int | None,
    typer.Option(
        "--max-steps",
        metavar="N",
        min=1,
        help="Stop after so many rounds of loops and calls; ten million unless given.",
        rich_help_panel=LIMITS,
        show_default=False,
    ),
]
MaxMemory = Annotated[
    str | None,
    typer.Option(
        "--max-memory",
        metavar="SIZE",
        help="Stop where more memory would be in use: 500M, 2G; what the machine has unless given.",
        rich_help_panel=LIMITS,
        show_default=False,
    ),
]
Timeout = Annotated[
    float | None,
    typer.Option(
        "--timeout",
        metavar="SECONDS",
        min=0.0,
        help="Stop after so many seconds; never unless given.",
        rich_help_panel=LIMITS,
        show_default=False,
    ),
]
Debug = Annotated[bool, typer.Option("--debug", help="Show Python tracebacks.", rich_help_panel=OUTPUT)]
