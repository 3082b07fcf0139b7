"""`ndgrad eval`: as `run`, with the program's text on the command line."""

from __future__ import annotations

import typer

from ndgrad.cli import options
from ndgrad.cli.app import single

app, command = single(
    "Run the program TEXT: its value and gradients.",
    "ndgrad eval 'x ** 2 + x' -i x=3 --grad x",
    "ndgrad eval 'sum(sin(x) * w)' -i x=[0,1] -i w=[2,3] --grad all",
)


@command
def eval(
    context: typer.Context,
    text: options.Text,
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
    job = asked(text, inputs, grad, head, of, dtype, Limits(max_steps, max_memory, timeout), is_text=True)
    kind = chosen(format, output, len(job.grad))
    write(Report(job.result(output), job.name, precision), kind, Place(output))
