"""`ndgrad run`: run a program; print its value and gradients."""

from __future__ import annotations

import typer

from ndgrad.cli import options
from ndgrad.cli.app import single

app, command = single(
    "Run the program in FILE: its value and gradients.",
    "ndgrad run samples/chain.nd --grad x",
    "ndgrad run samples/head.nd --grad x --head '[[10, 1], [.1, .01]]'",
)


@command
def run(
    context: typer.Context,
    program: options.Program,
    inputs: options.Inputs = None,
    grad: options.Grad = None,
    head: options.Head = None,
    of: options.Of = None,
    dtype: options.Dtype = None,
    format: options.Format = None,
    output: options.Output = None,
    precision: options.Precision = None,
    max_steps: options.MaxSteps = None,
    max_memory: options.MaxMemory = None,
    timeout: options.Timeout = None,
    debug: options.Debug = False,
) -> None:
    from ndgrad.cli.job import Limits, asked
    from ndgrad.cli.writing import Report, chosen, write
    from ndgrad.cli.writing.places import Place

    context.obj.errors_as_json = format == "json"
    job = asked(program, inputs, grad, head, of, dtype, Limits(max_steps, max_memory, timeout))
    kind = chosen(format, output, len(job.grad))
    write(Report(job.result(output), job.name, precision), kind, Place(output))
