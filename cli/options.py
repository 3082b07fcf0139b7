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
HeadOf = Annotated[
    list[str] | None,
    typer.Option(
        "--head-of",
        metavar="NAME=VALUE",
        help="The adjoint of an output, where several are differentiated together. Repeatable.",
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
Jac = Annotated[
    list[str] | None,
    typer.Option(
        "--jac",
        metavar="NAME[,NAME]",
        help="Inputs to give the Jacobian by: the derivative of each entry of the output by each of the input.",
        rich_help_panel=DERIVATIVE,
        show_default=False,
    ),
]
Hess = Annotated[
    list[str] | None,
    typer.Option(
        "--hess",
        metavar="NAME[,NAME]",
        help="Inputs to give the Hessian by: the second derivatives of the output, weighed by the head.",
        rich_help_panel=DERIVATIVE,
        show_default=False,
    ),
]
Jvp = Annotated[
    list[str] | None,
    typer.Option(
        "--jvp",
        metavar="NAME=VALUE",
        help="A direction of an input: how the output changes along it. Several directions are followed together.",
        rich_help_panel=DERIVATIVE,
        show_default=False,
    ),
]
Hvp = Annotated[
    list[str] | None,
    typer.Option(
        "--hvp",
        metavar="NAME=VALUE",
        help="A direction of an input: how the gradient changes along it. Several are followed together.",
        rich_help_panel=DERIVATIVE,
        show_default=False,
    ),
]
Mode = Annotated[
    Literal["reverse", "forward"] | None,
    typer.Option(
        "--mode",
        metavar="reverse|forward",
        help="How gradients and Jacobians are computed; reverse, or what is shorter, unless given.",
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
        help="What random numbers begin from; new ones each time unless given.",
        rich_help_panel=FILES,
        show_default=False,
    ),
]
Train = Annotated[
    bool,
    typer.Option(
        "--train/--predict",
        help="Whether dropout and batch_norm train; they predict unless given.",
        rich_help_panel=FILES,
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
Device = Annotated[
    str | None,
    typer.Option(
        "--device",
        metavar="cpu|gpu|gpu:N",
        help="Where large arrays are, and are computed with; the CPU unless given.",
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
NanCheck = Annotated[
    bool,
    typer.Option(
        "--nan-check",
        help="Stop at the first nan or infinity and say which operation made it (exit code 3).",
        rich_help_panel=DERIVATIVE,
    ),
]
Each = Annotated[
    str | None,
    typer.Option(
        "--each",
        metavar="NAME",
        help="Run for every record of this input (lines of JSON, arrays of a .npy stream, rows), a result line each.",
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
        help="Processes that share the records of --each; one unless given.",
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
    typer.Option(
        "--stats", help="Also the time, the operations recorded and fused, the memory used.", rich_help_panel=OUTPUT
    ),
]
Profile = Annotated[
    bool,
    typer.Option("--profile", help="Run once more, and show the time of every line.", rich_help_panel=OUTPUT),
]
Threads = Annotated[
    int | None,
    typer.Option(
        "--threads",
        metavar="N",
        min=1,
        max=256,
        help="Threads that share operations on large arrays; one for each core that the process may use unless given.",
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
        help="Stop after so many rounds of loops and calls; ten million unless given.",
        rich_help_panel=LIMITS,
        show_default=False,
    ),
]
Memory = Annotated[
    str | None,
    typer.Option(
        "--memory",
        metavar="SIZE",
        help="Keep about so much of long loops for the gradient (100M), and compute the rest again.",
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
