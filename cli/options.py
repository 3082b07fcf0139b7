"""The options that commands share: each is declared once and reads the same everywhere."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

FILES = "Input"
DERIVATIVE = "Derivative"
OUTPUT = "Output"
LIMITS = "Limits"

Program = Annotated[
    str, typer.Argument(metavar="FILE", help="The program, or - for standard input.", rich_help_panel=FILES)
]
Text = Annotated[
    str, typer.Argument(metavar="TEXT", help="The program; `;` separates statements.", rich_help_panel=FILES)
]
Inputs = Annotated[
    list[str] | None,
    typer.Option(
        "-i",
        "--input",
        metavar="NAME=VALUE",
        help="A literal (3, [1,2]), a file (x.npy, d.npz:NAME, t.csv:COLUMN, @PATH), or standard input (-).",
        rich_help_panel=FILES,
        show_default=False,
    ),
]
Grad = Annotated[
    list[str] | None,
    typer.Option(
        "--grad",
        metavar="NAME[,NAME]",
        help="Differentiate by these inputs; all: every float one.",
        rich_help_panel=DERIVATIVE,
        show_default=False,
    ),
]
Head = Annotated[
    str | None,
    typer.Option(
        "--head",
        metavar="VALUE",
        help="The adjoint of the output, spread to it; else ones.",
        rich_help_panel=DERIVATIVE,
        show_default=False,
    ),
]
HeadOf = Annotated[
    list[str] | None,
    typer.Option(
        "--head-of",
        metavar="NAME=VALUE",
        help="The adjoint of one of several outputs.",
        rich_help_panel=DERIVATIVE,
        show_default=False,
    ),
]
Of = Annotated[
    str | None,
    typer.Option(
        "--of",
        metavar="NAME",
        help="The output or variable; else the first output.",
        rich_help_panel=DERIVATIVE,
        show_default=False,
    ),
]
Jac = Annotated[
    list[str] | None,
    typer.Option(
        "--jac",
        metavar="NAME[,NAME]",
        help="Inputs to give the Jacobian by.",
        rich_help_panel=DERIVATIVE,
        show_default=False,
    ),
]
Hess = Annotated[
    list[str] | None,
    typer.Option(
        "--hess",
        metavar="NAME[,NAME]",
        help="Inputs to give the Hessian by.",
        rich_help_panel=DERIVATIVE,
        show_default=False,
    ),
]
Jvp = Annotated[
    list[str] | None,
    typer.Option(
        "--jvp",
        metavar="NAME=VALUE",
        help="How the output changes along this direction.",
        rich_help_panel=DERIVATIVE,
        show_default=False,
    ),
]
Hvp = Annotated[
    list[str] | None,
    typer.Option(
        "--hvp",
        metavar="NAME=VALUE",
        help="How the gradient changes along this direction.",
        rich_help_panel=DERIVATIVE,
        show_default=False,
    ),
]
Mode = Annotated[
    Literal["reverse", "forward"] | None,
    typer.Option(
        "--mode",
        metavar="reverse|forward",
        help="How gradients and Jacobians are computed.",
        rich_help_panel=DERIVATIVE,
        show_default=False,
    ),
]
Seed = Annotated[
    int | None,
    typer.Option(
        "--seed",
        metavar="N",
        min=0,
        help="What random numbers begin from; else new ones.",
        rich_help_panel=FILES,
        show_default=False,
    ),
]
Train = Annotated[
    bool,
    typer.Option(
        "--train/--predict",
        help="Whether dropout and batch_norm train; else not.",
        rich_help_panel=FILES,
        show_default=False,
    ),
]
Dtype = Annotated[
    Literal["float32", "float64"] | None,
    typer.Option(
        "--dtype",
        metavar="float32|float64",
        help="What floats are computed in, those of files too.",
        rich_help_panel=FILES,
        show_default=False,
    ),
]
Device = Annotated[
    str | None,
    typer.Option(
        "--device",
        metavar="cpu|gpu|gpu:N",
        help="Where large arrays are computed; else the CPU.",
        rich_help_panel=FILES,
        show_default=False,
    ),
]
Format = Annotated[
    Literal["table", "plain", "json", "npy", "npz", "csv", "safetensors"] | None,
    typer.Option(
        "--format",
        metavar="FORMAT",
        help="table, plain, json, npy, npz, csv or safetensors; unless given, table on a terminal, json in a pipe.",
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
        help="Write to a file; its name (.npy, .csv, …) tells the format.",
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
        help="Significant digits in table, plain and CSV, 1 to 17.",
        rich_help_panel=OUTPUT,
        show_default=False,
    ),
]
NanCheck = Annotated[
    bool,
    typer.Option(
        "--nan-check",
        help="Stop at the first nan or infinity; exit code 3.",
        rich_help_panel=DERIVATIVE,
    ),
]
Each = Annotated[
    str | None,
    typer.Option(
        "--each",
        metavar="NAME[,NAME]",
        help="Run for every record of these inputs, or row of a table (t.csv).",
        rich_help_panel=FILES,
        show_default=False,
    ),
]
Jobs = Annotated[
    int | None,
    typer.Option(
        "--jobs",
        metavar="N",
        min=1,
        max=1024,
        help="Processes that share the records of --each.",
        rich_help_panel=LIMITS,
        show_default=False,
    ),
]
Watch = Annotated[
    bool,
    typer.Option("--watch", help="Run again when the program or an input file changes.", rich_help_panel=OUTPUT),
]
Full = Annotated[
    bool,
    typer.Option("--full", help="Whole arrays in the table, however large.", rich_help_panel=OUTPUT),
]
Stats = Annotated[
    bool,
    typer.Option("--stats", help="Also time, operations recorded and fused, memory used.", rich_help_panel=OUTPUT),
]
Kernels = Annotated[
    bool,
    typer.Option("--kernels", help="Also the source of the kernels that ran on the GPU.", rich_help_panel=OUTPUT),
]
Profile = Annotated[
    bool,
    typer.Option("--profile", help="Also the time of every line, from a run of its own.", rich_help_panel=OUTPUT),
]
Threads = Annotated[
    int | None,
    typer.Option(
        "--threads",
        metavar="N",
        min=1,
        max=256,
        help="Threads for large arrays; one for each core unless given.",
        rich_help_panel=LIMITS,
        show_default=False,
    ),
]
MaxSteps = Annotated[
    int | None,
    typer.Option(
        "--max-steps",
        metavar="N",
        min=1,
        help="Rounds of loops and calls; ten million unless given.",
        rich_help_panel=LIMITS,
        show_default=False,
    ),
]
Memory = Annotated[
    str | None,
    typer.Option(
        "--memory",
        metavar="SIZE",
        help="Memory that long loops keep; the rest is computed again.",
        rich_help_panel=LIMITS,
        show_default=False,
    ),
]
MaxMemory = Annotated[
    str | None,
    typer.Option(
        "--max-memory",
        metavar="SIZE",
        help="Memory in use (500M, 2G); what there is unless given.",
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
        help="Seconds that it may take; any time unless given.",
        rich_help_panel=LIMITS,
        show_default=False,
    ),
]
Debug = Annotated[bool, typer.Option("--debug", help="Show Python tracebacks.", rich_help_panel=OUTPUT)]
