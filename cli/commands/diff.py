"""`ndgrad diff`: two arrays or results, compared."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from ndgrad.cli import options
from ndgrad.cli.app import single

app, command = single(
    "Compare two arrays or results within a tolerance, and show where they differ; exit 3 if they do.",
    "ndgrad diff '[1, 2, 3]' '[1, 2, 3.0000001]' --rtol 1e-6",
    "ndgrad eval 'x ** 2' -i x=3 --grad x --format npy | ndgrad diff - 6",
    dashes=True,
)

A = Annotated[
    str,
    typer.Argument(
        metavar="A",
        help="A literal, a file (x.npy, d.npz:NAME, t.csv, …), a result of run --format json, or - for standard input.",
    ),
]
B = Annotated[str, typer.Argument(metavar="B", help="What to compare it with.")]
Rtol = Annotated[
    float | None,
    typer.Option(
        "--rtol",
        metavar="R",
        help="How far entries may differ, relative to the larger one: 1e-7 unless given, 1e-5 with float32.",
        show_default=False,
    ),
]
Atol = Annotated[
    float,
    typer.Option("--atol", metavar="A", help="How much further they may differ; 0 unless given.", show_default=False),
]
Format = Annotated[
    Literal["text", "json"],
    typer.Option("--format", metavar="text|json", help="Text unless given.", show_default=False),
]


@command
def diff(
    context: typer.Context,
    a: A,
    b: B,
    rtol: Rtol = None,
    atol: Atol = 0.0,
    format: Format = "text",
    debug: options.Debug = False,
) -> None:
    from ndgrad.cli.diffing import compare, write
    from ndgrad.cli.main import CHECK_FAILED

    context.obj.errors_as_json = format == "json"
    found = compare(a, b, rtol, atol)
    write(found, format)
    raise typer.Exit(0 if found.agrees else CHECK_FAILED)
