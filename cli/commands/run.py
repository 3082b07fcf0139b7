"""`ndgrad run`: run a program; print its value and gradients."""

# Without `from __future__ import annotations`: typer would compile each of the many annotations again, at every start.

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

    perform(context, program)
