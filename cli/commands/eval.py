"""`ndgrad eval`: as `run`, with the program's text on the command line."""

# Without `from __future__ import annotations`: typer would compile each of the many annotations again, at every start.

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
    each: options.Each = None,
    dtype: options.Dtype = None,
    device: options.Device = None,
    seed: options.Seed = None,
    train: options.Train = False,
    grad: options.Grad = None,
    head: options.Head = None,
    head_of: options.HeadOf = None,
    of: options.Of = None,
    jac: options.Jac = None,
    hess: options.Hess = None,
    jvp: options.Jvp = None,
    hvp: options.Hvp = None,
    mode: options.Mode = None,
    nan_check: options.NanCheck = False,
    format: options.Format = None,
    output: options.Output = None,
    precision: options.Precision = None,
    full: options.Full = False,
    stats: options.Stats = False,
    kernels: options.Kernels = False,
    profile: options.Profile = False,
    watch: options.Watch = False,
    max_steps: options.MaxSteps = None,
    max_memory: options.MaxMemory = None,
    timeout: options.Timeout = None,
    threads: options.Threads = None,
    memory: options.Memory = None,
    jobs: options.Jobs = None,
    debug: options.Debug = False,
) -> None:
    from ndgrad.cli.performing import perform

    perform(context, text, is_text=True)
